/** Bots on the market, on the page *Messages*: what each costs, hiring one, and what it has cost. */

import { expect, test } from "vitest";
import { Stage } from "./stage";

const stage = new Stage();

test("a bot is hired, its limit is reached and raised, and it is dismissed", async () => {
  await stage.openPage("Messages");
  await stage.page.keyboard.press("n");
  const market = stage.page.getByRole("list", { name: "Bots on the market" });
  await market.getByText("0.01 WAY an answer · hours, today").waitFor();
  await stage.button(/^Hire\s*opening-hours/).click();
  await stage.page.getByLabel("At most in all, WAY").fill("0.001");
  await stage.button("Hire it").click();
  await stage.page.getByText("An answer costs 0.01 WAY: allow that much at least.").waitFor();
  await stage.page.getByLabel("At most in all, WAY").fill("0.03");
  await stage.button("Hire it").click();
  const hired = stage.page.getByRole("list", { name: "Hired bots" });
  await hired.getByText("0 of 0 messages answered · 0.01 WAY of 0.03 WAY spent").waitFor();
  const { bot } = stage.node.bots.offers[0]!;
  expect(stage.lastCall("bot_hire")).toEqual({ bot, limit: "0.03" });
  expect(await market.getByText("opening-hours").count()).toBe(0);

  stage.node.bots.exhaust(bot);
  await hired.getByText(/^all that you allowed is spent/).waitFor();
  await hired.getByText("2 of 3 messages answered, 1 wait · 0.03 WAY of 0.03 WAY spent").waitFor();
  await stage.button(/^Allow more/).click();
  await stage.page.getByLabel("At most in all, WAY").fill("0.1");
  await stage.button("Allow it").click();
  await hired.getByText(/0\.03 WAY of 0\.10? WAY spent$/).waitFor();
  expect(await hired.getByText(/^all that you allowed is spent/).count()).toBe(0);

  await stage.button(/^Dismiss/).click();
  await stage.button(/^Hire\s*opening-hours/).waitFor();
  expect(stage.lastCall("bot_dismiss")).toEqual({ bot });
});

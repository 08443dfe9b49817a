/** What is sold otherwise than by the gigabyte through the proxy: time, and services of others. */

import { expect, test } from "vitest";
import { Stage } from "./stage";

const stage = new Stage();
const countries = () => stage.page.getByRole("list", { name: "Countries" });

test("exits that sell by time are found, priced by the hour, and paid by the second", async () => {
  await stage.open();
  await stage.page.getByText("2 exits sell by time alone.").waitFor();
  await stage.button("Show them").click();
  await stage.page.getByText("3 exits on the market").waitFor();
  await countries().getByText("Finland").waitFor();
  expect(await stage.page.getByRole("radio", { name: "Time" }).isChecked()).toBe(true);
  await stage.page.getByText("First choice: Finland, 0.36 WAY per hour; your account pays for 2 d 21 h of it.").waitFor();
  await stage.button("Connect to Finland, from 0.36 WAY per hour").click();
  await stage.page.getByText("Connected through", { exact: true }).waitFor();
  expect(stage.lastCall("connect")).toEqual({ sort: "both", unit: "second", country: "FI" });
  await stage.page.getByText("used or not").waitFor();
  expect(await stage.page.getByTestId("per-hour").textContent()).toBe("0.36");
  await stage.page.waitForFunction(() => Number(document.querySelector("[data-testid=cost] span")?.textContent) >= 0.0002);
});

test("an exit that sells by both tells both prices, and is connected to by the one that is chosen", async () => {
  await stage.open();
  await stage.button(/^Germany/).click();
  const exits = stage.page.getByRole("list", { name: "Exits in Germany" });
  await exits.getByText("or 0.72 per hour").waitFor();
  await stage.page.getByRole("radio", { name: "Time" }).check();
  await exits.getByText("or 0.52 per GB").waitFor();
  expect(await exits.getByTitle("0.0002 WAY per second").textContent()).toBe("0.72");
  await exits.getByRole("button", { name: /0\.72 WAY per hour/ }).click();
  await stage.page.getByText("Connected through", { exact: true }).waitFor();
  expect(stage.lastCall("connect")).toEqual({ offer_id: stage.node.world.offers[8]!.offer_id, unit: "second" });
});

test("a highest price is by the hour where time is chosen, and forgotten when that changes", async () => {
  await stage.open();
  await stage.page.getByRole("radio", { name: "Time" }).check();
  await stage.button("Filters").click();
  await stage.page.getByLabel("At most, WAY per hour").fill("0.5");
  await expect.poll(() => countries().locator(".name").allTextContents()).toEqual([expect.stringMatching(/^Finland/)]);
  await stage.button("Connect").click();
  await stage.page.getByText("Connected through", { exact: true }).waitFor();
  expect(stage.lastCall("connect")).toEqual({ sort: "both", unit: "second", max_price: "0.000138888888888888" });
  await stage.page.getByRole("radio", { name: "Traffic" }).check();
  expect(await stage.page.getByLabel("At most, WAY per GB").inputValue()).toBe("");
});

test("where nobody sells by traffic or by time, the page says so and leads on", async () => {
  stage.node.world.offers = [];
  await stage.openEmpty();
  await stage.page.getByText("No offers yet.").waitFor();
  await stage.button("Show them").click();
  await countries().getByText("Finland").waitFor();
  stage.node.world.timed = [];
  await stage.page.getByText("Nobody sells by time yet.").waitFor();
});

test("who sells a service is told by its name before it is opened, and where", async () => {
  stage.node.world.sellPlugged("http-fetch");
  await stage.open();
  await stage.button("Open a service").click();
  await stage.page.getByLabel("Name", { exact: true }).fill("no-such");
  await stage.page.getByText("Nobody sells no-such now.").waitFor();
  await stage.page.getByLabel("Name", { exact: true }).fill("http-fetch");
  await stage.page.getByText("3 providers sell http-fetch, from 2.00 WAY per GB.").waitFor();
  await stage.page.getByLabel("Where").selectOption({ label: "Germany, from 2.50 WAY per GB" });
  await stage.button("Open it").click();
  await stage.page.getByRole("list", { name: "Open services" }).getByText("http-fetch").waitFor();
  expect(stage.lastCall("service_open")).toEqual({ service: "http-fetch", country: "DE" });
});

test("selling by time is named by the hour", async () => {
  await stage.openPage("Provide");
  await stage.button("Start selling").click();
  for (const [label, text] of [["Country", "FI"], ["Network (AS number)", "1"], ["Price, WAY per hour", "0.5"], ["Mbit/s for a session", "10"]] as const) {
    await stage.page.getByLabel(label).fill(text);
  }
  await stage.button("Publish the offer").click();
  const offers = stage.page.getByRole("list", { name: "Your offers" });
  await offers.getByText("WAY per hour").waitFor();
  const call = stage.lastCall("offer_publish");
  expect(call).toMatchObject({ country: "FI", price_per_second: "0.000138888888888888" });
  expect(call).not.toHaveProperty("price_per_mb");
  await stage.button("Change terms").click();
  expect(await stage.page.getByLabel("Price, WAY per hour").inputValue()).toBe("0.5");
  expect(await stage.page.getByLabel("Price, WAY per GB").inputValue()).toBe("");
});

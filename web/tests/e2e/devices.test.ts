/** *Your devices* in a real browser against the mock node. */

import { expect, test } from "vitest";
import { shoot } from "./browser";
import { Stage } from "./stage";

const stage = new Stage();
const sheet = () => stage.page.getByRole("dialog", { name: "Your devices" });

test("a node is linked by the token that it shows, and removed once that was confirmed", async () => {
  await stage.open();
  await stage.button("Your devices").click();
  await sheet().getByLabel("Token that the new node shows").fill("old");
  await sheet().getByRole("button", { name: "Link it" }).click();
  await sheet().getByText("This token counts no more").waitFor();
  await sheet().getByLabel("Token that the new node shows").fill("byway:device/abc");
  await sheet().getByLabel("Name").fill("Laptop");
  await sheet().getByRole("button", { name: "Link it" }).click();
  await sheet().getByText("Laptop is a device of yours now.").waitFor();
  expect(stage.lastCall("device_link")).toEqual({ token: "byway:device/abc", name: "Laptop" });
  await sheet().getByRole("list", { name: "Devices" }).getByText("there now").waitFor();
  await shoot(stage.page, "devices");
  await sheet().getByRole("button", { name: "Remove Laptop" }).click();
  expect(stage.lastCall("device_remove")).toBeUndefined();
  await sheet().getByRole("button", { name: "Remove it from all conversations" }).click();
  await sheet().getByRole("list", { name: "Devices" }).waitFor({ state: "detached" });
  expect(stage.lastCall("device_remove")).toEqual({ device: expect.stringMatching(/^[0-9a-f]{40}$/) as string });
});

test("a linked device says whose it is, links none, and what its person says is its own", async () => {
  const ada = stage.node.chat.person("Ada", { online: true });
  stage.node.chat.talk(ada, 3);
  // The node is a device of hers.
  stage.node.world.person = ada.identity;
  stage.node.devices.role = "linked";
  await stage.openPage("Messages");
  await stage.page.getByRole("list", { name: "Conversations" }).getByRole("link", { name: /Ada/ }).click();
  const messages = stage.page.getByRole("list", { name: "Messages" }).locator("li.message");
  await messages.nth(2).waitFor();
  const isOwn = await messages.evaluateAll((items) => items.map((item) => item.classList.contains("own")));
  expect(isOwn).toEqual([false, true, true]);
  await stage.button("Your devices").click();
  await sheet().getByText("This node talks as").waitFor();
  expect(await sheet().getByLabel("Token that the new node shows").count()).toBe(0);
});

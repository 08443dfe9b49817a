/** Invites on the page *Wallet* in a real browser against the mock node. */

import { expect, test } from "vitest";
import { Stage } from "./stage";

const stage = new Stage();
const list = () => stage.page.getByRole("list", { name: "Invites" });

async function make(coins: string): Promise<void> {
  await stage.button("New invite").click();
  await stage.page.getByLabel("First coins, WAY").fill(coins);
  await stage.button("Make it").click();
}

test("an invite is made, its link shown once it is paid for, and taken back", async () => {
  await stage.openPage("Wallet");
  await stage.page.getByText("A link that brings somebody into this network").waitFor();
  await make("9999");
  await stage.page.getByText("Your wallet holds 412.50 WAY. Enter less than that.").waitFor();
  expect(stage.lastCall("invite_new")).toBeUndefined();
  await stage.page.getByLabel("First coins, WAY").fill("20");
  await stage.page.getByLabel("Can be taken for").selectOption({ label: "a week" });
  await stage.button("Make it").click();
  const shown = stage.page.getByRole("group", { name: "Invite 1" });
  await shown.getByText("20.00 WAY and the pledge of 1.00 WAY").waitFor();
  expect(stage.lastCall("invite_new")).toMatchObject({ coins: "20", pledge: true, within_seconds: 7 * 86_400, idempotency_key: expect.any(String) });
  await shown.getByRole("img", { name: "QR code of the invite's link" }).waitFor();
  await shown.getByText(/^byway:invite\//).waitFor();
  await shown.getByText("This link is money.").waitFor();
  await stage.button("Copy invite's link").waitFor();
  await list().getByText("open; your node takes it back in 7 days").waitFor();
  await stage.button("Hide").click();
  await shown.waitFor({ state: "detached" });
  await stage.button("Show the link of invite 1").click();
  await shown.getByText(/^byway:invite\//).waitFor();
  await stage.button("Take back invite 1").click();
  await stage.button("Leave it").click();
  expect(stage.lastCall("invite_take_back")).toBeUndefined();
  await stage.button("Take back invite 1").click();
  await stage.button("Take it back").click();
  await list().getByText("taken back, just now").waitFor();
  expect(await shown.count()).toBe(0);
  expect(stage.lastCall("invite_take_back")).toMatchObject({ number: 1 });
});

test("the link comes, too, where the invite is paid for by the time of the answer", async () => {
  stage.node.invitePayMs = 0;
  await stage.openPage("Wallet");
  await make("5");
  await stage.page.getByRole("group", { name: "Invite 1" }).getByText(/^byway:invite\//).waitFor();
});

test("a link that somebody has used goes from the screen", async () => {
  await stage.openPage("Wallet");
  await make("5");
  const shown = stage.page.getByRole("group", { name: "Invite 1" });
  await shown.getByText(/^byway:invite\//).waitFor();
  stage.node.world.noteInvite(1, "taken");
  await shown.getByText("Somebody has taken it.").waitFor();
  expect(await shown.getByRole("img").count()).toBe(0);
  await list().getByText(/^taken, /).waitFor();
});

test("an invite that is made again after an unsure outcome carries the same key", async () => {
  await stage.openPage("Wallet");
  stage.node.holdNext("invite_new");
  await make("5");
  await expect.poll(() => stage.lastCall("invite_new")).toBeDefined();
  stage.node.setRpcUp(false);
  await stage.page.locator("#invites").getByText("The link to your node is down.").waitFor();
  stage.node.setRpcUp(true);
  await expect.poll(() => stage.button("Make it").isEnabled()).toBe(true);
  await stage.button("Make it").click();
  await list().getByText("#1").waitFor();
  const keys = stage.node.calls.filter(({ method }) => method === "invite_new").map(({ params }) => (params as { idempotency_key: string }).idempotency_key);
  expect(keys).toHaveLength(2);
  expect(keys[0]).toBe(keys[1]);
});

test("an invite that this node accepted is told of", async () => {
  stage.node.world.accepted = [{ accepted_ms: 0, amount: "21", stage: "depositing", transaction_id: "ab" }];
  await stage.openPage("Wallet");
  await list().getByText("Accepted: 21.00 WAY").waitFor();
  await list().getByText("in the wallet, on the way to the account").waitFor();
});

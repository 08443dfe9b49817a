/** The page *Wallet* in a real browser against the mock node. */

import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { Stage } from "./stage";

const stage = new Stage();

test("problems are told before the node is asked, and by the node after", async () => {
  await stage.openPage("Wallet");
  await stage.button("Review").click();
  await stage.page.getByText("Paste the receiver's address.").waitFor();
  await stage.page.getByText("Enter an amount.").waitFor();
  expect(stage.node.calls.some((call) => call.method === "wallet_send")).toBe(false);
  await stage.page.getByLabel("To", { exact: true }).fill(stage.node.world.address.slice(0, 100));
  await stage.page.getByLabel("Amount, WAY").fill("1.5");
  await stage.page.getByLabel("Amount, WAY").press("Enter");
  await stage.page.getByText("An address has 139 characters, and this has 100.").waitFor();
  await stage.page.getByLabel("To", { exact: true }).fill("nonsense");
  await stage.page.getByLabel("Amount, WAY").press("Enter");
  await stage.button("Send it").click();
  await stage.page.getByText("That is not an address of this network.").waitFor();
});

test("a payment is shown once more before it is sent, and can be changed", async () => {
  await stage.openPage("Wallet");
  await stage.page.getByLabel("To", { exact: true }).fill(stage.node.world.address);
  await stage.page.getByLabel("Amount, WAY").fill("1.5");
  await stage.page.getByLabel("Amount, WAY").press("Enter");
  const check = stage.page.getByRole("group", { name: "Check the payment" });
  await check.getByText(stage.node.world.address.slice(0, 8), { exact: true }).waitFor();
  expect(stage.node.calls.some((call) => call.method === "wallet_send")).toBe(false);
  await stage.button("Change it").click();
  await stage.page.getByLabel("Amount, WAY").fill("2");
  await stage.page.getByLabel("Amount, WAY").press("Enter");
  await check.getByText("2 WAY").waitFor();
  await stage.page.keyboard.press("Enter");
  await stage.page.getByText("2.00 WAY sent.").waitFor();
  const call = stage.node.calls.find(({ method }) => method === "wallet_send");
  expect(call?.params).toMatchObject({ amount: "2", to: stage.node.world.address });
});

test("the view key is shown only to who knows what it opens, and hidden again", async () => {
  await stage.openPage("Wallet");
  expect(await stage.button("Show the view key").isDisabled()).toBe(true);
  await stage.page.getByLabel("I know that it can't be taken back.").check();
  await stage.button("Show the view key").click();
  await stage.page.getByText(stage.node.world.viewKey).waitFor();
  await stage.button("Hide").click();
  expect(await stage.page.getByText(stage.node.world.viewKey).count()).toBe(0);
  expect(await stage.button("Show the view key").isDisabled()).toBe(true);
});

test("the history is filtered, and exported as it is filtered", async () => {
  await stage.openPage("Wallet");
  const entries = stage.page.getByRole("list", { name: "Entries" }).getByRole("listitem");
  expect(await entries.count()).toBe(4);
  await stage.page.getByRole("radio", { name: "Own moves" }).check();
  expect(await entries.count()).toBe(2);
  await stage.page.getByLabel("Search the history").fill("pledge");
  expect(await entries.count()).toBe(1);
  const [download] = await Promise.all([stage.page.waitForEvent("download"), stage.button("Export CSV").click()]);
  const lines = (await readFile(await download.path(), "utf8")).split("\r\n");
  expect(lines).toHaveLength(3);
  expect(lines[1]).toContain("pledge,own,1,WAY");
  await stage.page.getByLabel("Search the history").fill("nothing like it");
  await stage.button("Show all").click();
  expect(await entries.count()).toBe(4);
});

test("groups are listed where there are any", async () => {
  stage.node.world.groups = [{ address: `way2of3-${"ab".repeat(40)}`, threshold: 2, members: 3, number: 0, balances: [{ amount: "7.5", asset: "WAY" }] }];
  await stage.openPage("Wallet");
  await stage.page.locator("#groups").getByText("2 of 3").waitFor();
  await stage.page.locator("#groups").getByText("7.50 WAY").waitFor();
});

test("an asset beside WAY is shown and sent, no finer than it is counted", async () => {
  await stage.openPage("Wallet");
  const { asset, symbol } = stage.node.world.asset;
  await stage.page.getByRole("list", { name: "Other assets" }).getByText("250.00 TEST").waitFor();
  await stage.page.getByLabel("Asset", { exact: true }).selectOption(asset);
  await stage.page.getByLabel("To", { exact: true }).fill(stage.node.world.address);
  await stage.page.getByLabel(`Amount, ${symbol}`).fill("1.005");
  await stage.page.getByLabel(`Amount, ${symbol}`).press("Enter");
  await stage.page.getByText("TEST has 2 digits after the point.").waitFor();
  expect(stage.node.calls.some((call) => call.method === "wallet_send")).toBe(false);
  await stage.page.getByLabel(`Amount, ${symbol}`).fill("12.25");
  await stage.page.getByLabel(`Amount, ${symbol}`).press("Enter");
  await stage.button("Send it").click();
  await stage.page.getByText(/^12\.25 TEST (handed to the kernel|included by the kernel|sent)/).first().waitFor();
  await stage.page.getByRole("list", { name: "Other assets" }).getByText("237.75 TEST").waitFor();
  const call = stage.node.calls.find(({ method }) => method === "wallet_send");
  expect(call?.params).toMatchObject({ amount: "12.25", asset });
});

test("a deposit moves the money and becomes final", async () => {
  await stage.openPage("Wallet");
  await stage.button("Deposit").click();
  await stage.page.getByLabel("Amount, WAY").fill("12.25");
  await stage.page.getByLabel("Amount, WAY").press("Enter");
  await stage.page.getByText("12.25 WAY moved to the account.").waitFor();
  await stage.page.getByTitle("37.25 WAY", { exact: true }).waitFor();
  const call = stage.node.calls.find(({ method }) => method === "wallet_deposit");
  expect(call?.params).toMatchObject({ amount: "12.25", idempotency_key: expect.stringMatching(/^[0-9a-f]{32}$/) });
});

test("a withdrawal goes to the wallet, or to an address that is compared first", async () => {
  await stage.openPage("Wallet");
  await stage.button("Withdraw").click();
  const form = stage.page.getByRole("form", { name: "Withdraw" });
  await form.getByLabel("To", { exact: true }).fill("way12");
  await form.getByLabel("Amount, WAY").fill("2.5");
  await form.getByRole("button", { name: "Review" }).click();
  await form.getByText("An address has 139 characters, and this has 5.").waitFor();
  await form.getByLabel("To", { exact: true }).fill(` ${stage.node.world.address} `);
  await form.getByRole("button", { name: "Review" }).click();
  const check = stage.page.getByRole("group", { name: "Check the payment" });
  await check.getByText(stage.node.world.address.slice(0, 8), { exact: true }).waitFor();
  expect(stage.lastCall("wallet_withdraw")).toBeUndefined();
  await stage.button("Withdraw to it").click();
  await stage.page.getByText(/^2\.50 WAY on the way to way/).waitFor();
  expect(stage.lastCall("wallet_withdraw")).toMatchObject({ amount: "2.5", to: stage.node.world.address });
  await stage.page.locator("#balances").getByTitle(stage.node.world.address).waitFor();
  await form.getByLabel("Amount, WAY").fill("1");
  await form.getByRole("button", { name: "Withdraw", exact: true }).click();
  await stage.page.getByText("1.00 WAY on the way to the wallet.").waitFor();
  expect(stage.lastCall("wallet_withdraw")).not.toHaveProperty("to");
});

test("a payment repeated after an unsure outcome carries the same key", async () => {
  await stage.openPage("Wallet");
  await stage.button("Deposit").click();
  await stage.page.getByLabel("Amount, WAY").fill("1");
  stage.node.holdNext("wallet_deposit");
  await stage.page.getByLabel("Amount, WAY").press("Enter");
  await expect.poll(() => stage.node.calls.some(({ method }) => method === "wallet_deposit")).toBe(true);
  stage.node.setRpcUp(false);
  await stage.page.getByText("The link to your node is down.").waitFor();
  stage.node.setRpcUp(true);
  const submit = stage.page.getByRole("form", { name: "Deposit" }).getByRole("button", { name: "Deposit", exact: true });
  await submit.click();
  await stage.page.getByText("1.00 WAY moved to the account.").waitFor();
  const keys = stage.node.calls.filter(({ method }) => method === "wallet_deposit")
    .map(({ params }) => (params as { idempotency_key: string }).idempotency_key);
  expect(keys).toHaveLength(2);
  expect(keys[0]).toBe(keys[1]);
});

test("what is owed to us can be settled; what we owe is for its payee to settle", async () => {
  const payer = "77".repeat(20);
  stage.node.world.promises = [...stage.node.world.promises, {
    direction: "in", counterparty: payer, serial: "1", amount: "0.25", settled: "0", backing: "account",
    updated_ms: Date.now(), settled_ms: null,
  }];
  await stage.open();
  await stage.button("Connect").click();
  await stage.page.getByText("Connected through", { exact: true }).waitFor();
  await stage.page.getByRole("link", { name: "Wallet", exact: true }).click();
  await stage.page.getByText("still open", { exact: true }).waitFor();
  expect(await stage.button(/^Settle with/).count()).toBe(0);
  await stage.page.getByRole("link", { name: "Provide", exact: true }).click();
  await stage.button(/^Settle with/).waitFor();
  await stage.button(/^Settle with/).click();
  await stage.page.getByText("Settled on the ledger.").waitFor();
  expect(await stage.button(/^Settle with/).count()).toBe(0);
  await stage.page.getByRole("link", { name: "Wallet", exact: true }).click();
  await stage.page.getByRole("list", { name: "Entries" }).getByText("Earned").first().waitFor();
});

test("spending limits are shown and can be changed or removed", async () => {
  await stage.open();
  await stage.button("Change limits").click();
  await stage.page.getByLabel("A day at most").fill("7,5");
  await stage.button("Save limits").click();
  await stage.page.getByText("Use a point for decimals").waitFor();
  await stage.page.getByLabel("A day at most").fill("7.5");
  await stage.page.getByLabel("A session at most").fill("");
  await stage.button("Save limits").click();
  await stage.page.getByText("of 7.50 WAY").waitFor();
  expect(stage.node.world.limits).toEqual({ day_max: "7.5", session_max: null });
});

test("the address is shown with its code", async () => {
  await stage.openPage("Wallet");
  await stage.button("Receive").click();
  await stage.page.getByRole("img", { name: /QR code/ }).waitFor();
  await stage.page.getByText(stage.node.world.address).waitFor();
});

test("a payment is asked for by a link, and seen when it arrives", async () => {
  await stage.openPage("Wallet");
  await stage.button("Receive").click();
  await stage.button("Ask for an amount").click();
  await stage.page.getByLabel("Amount, WAY").fill("2,5");
  await stage.page.getByLabel("What for").fill("Fahrräder");
  await stage.button("Make the link").click();
  await stage.page.getByText("Use a point for decimals").waitFor();
  await stage.page.getByText("Only plain letters, digits and signs").waitFor();
  expect(stage.lastCall("wallet_request")).toBeUndefined();
  await stage.page.getByLabel("Amount, WAY").fill("2.5");
  await stage.page.getByLabel("What for").fill("Invoice 271");
  await stage.page.getByLabel("Can be paid").selectOption({ label: "an hour" });
  await stage.button("Make the link").click();
  await stage.page.getByRole("img", { name: "QR code of your payment link" }).waitFor();
  await stage.page.getByText(/^byway:pay\?network=.*&amount=2\.5&note=Invoice%20271&expires=/).waitFor();
  await stage.page.getByText("2.50 WAY, ends in 60 min").waitFor();
  await stage.page.getByText("Not paid yet.").waitFor();
  stage.node.receive("2.4");
  stage.node.receive("2.5");
  await stage.page.getByText("2.50 WAY arrived.").waitFor();
  // It is still there after a look at something else.
  await stage.page.getByRole("link", { name: "Browse", exact: true }).click();
  await stage.page.getByRole("link", { name: "Wallet", exact: true }).click();
  await stage.button("Receive").click();
  await stage.page.getByText("2.50 WAY arrived.").waitFor();
  await stage.button("Address").click();
  await stage.page.getByRole("img", { name: "QR code of your address" }).waitFor();
});

test("a pasted link says what it asks for, and is paid after one more look", async () => {
  await stage.openPage("Wallet");
  const to = stage.page.getByLabel("To", { exact: true });
  const { link } = stage.node.world.request({ amount: "2.5", asset: "WAY", note: "Invoice 271", expires_ms: Date.now() + 3_600_000 });
  await to.fill(link.slice(0, -3));
  await stage.page.getByText("Copy the whole link again, or ask for a new one.").waitFor();
  await to.fill(stage.node.world.request({ asset: "WAY", expires_ms: 1 }).link);
  await stage.page.getByText("The time of this payment link is over.").waitFor();
  await to.fill(link);
  await stage.page.getByText("The link asks for 2.50 WAY, ends in 60 min for “Invoice 271”.").waitFor();
  const amount = stage.page.getByLabel("Amount, WAY");
  expect([await amount.inputValue(), await amount.isEditable()]).toEqual(["2.5", false]);
  await stage.button("Review").click();
  const check = stage.page.getByRole("group", { name: "Check the payment" });
  await check.getByText(stage.node.world.address.slice(0, 8), { exact: true }).waitFor();
  await check.getByText("“Invoice 271”").waitFor();
  await stage.button("Send it").click();
  await stage.page.getByText("2.50 WAY sent.").waitFor();
  expect(stage.lastCall("wallet_pay")).toEqual({ link, idempotency_key: expect.stringMatching(/^[0-9a-f]{32}$/) });
});

test("a link without an amount leaves it to the payer", async () => {
  await stage.openPage("Wallet");
  const { link } = stage.node.world.request({ asset: "WAY" });
  await stage.page.getByLabel("To", { exact: true }).fill(link);
  await stage.page.getByText("The link asks for any amount of WAY.").waitFor();
  await stage.page.getByLabel("Amount, WAY").fill("1.25");
  await stage.page.getByLabel("Amount, WAY").press("Enter");
  await stage.button("Send it").click();
  await stage.page.getByText("1.25 WAY sent.").waitFor();
  expect(stage.lastCall("wallet_pay")).toMatchObject({ link, amount: "1.25" });
});

test("a sub-account is made, its token shown once, what it spends seen, and it is revoked", async () => {
  await stage.openPage("Wallet");
  await stage.page.getByText("A budget with a token of its own").waitFor();
  await stage.button("New sub-account").click();
  await stage.button("Make it").click();
  await stage.page.getByText("Give it a name, as in customer-7.").waitFor();
  expect(stage.lastCall("sub_account_create")).toBeUndefined();
  await stage.page.getByLabel("Name", { exact: true }).fill("customer 7");
  await stage.page.getByLabel("May spend, WAY").fill("5");
  await stage.button("Make it").click();
  await stage.page.getByText("A name has letters, digits and hyphens. Correct it and try again.").waitFor();
  await stage.page.getByLabel("Name", { exact: true }).fill("customer-7");
  await stage.button("Make it").click();
  const token = stage.page.getByRole("group", { name: "Token of customer-7" });
  await token.getByText(/^[0-9a-f]{64}$/).waitFor();
  expect(stage.lastCall("sub_account_create")).toEqual({ name: "customer-7", limit: "5", per: "day" });
  await stage.button("I have it").click();
  expect(await token.count()).toBe(0);
  stage.node.world.subAccounts[0]!.spent = "1.25";
  const list = stage.page.getByRole("list", { name: "Sub-accounts" });
  await list.getByText("1.25 of 5.00 WAY today").waitFor();
  await stage.button("Revoke customer-7").click();
  await stage.button("Revoke for good").click();
  await list.getByText("customer-7, revoked").waitFor();
  await stage.button("New sub-account").click();
  await stage.page.getByLabel("Name", { exact: true }).fill("customer-7");
  await stage.button("Make it").click();
  await stage.page.getByText("This name is taken").waitFor();
});

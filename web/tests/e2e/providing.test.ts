/** The page *Provide* in a real browser against the mock node. */

import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { MethodError } from "../mock/methods";
import { Stage } from "./stage";

const stage = new Stage();

test("selling is begun, changed and ended", async () => {
  stage.node.world.isRegistered = false;
  await stage.openPage("Provide");
  await stage.button("Register this identity").click();
  await stage.page.getByText("Registered. The pledge is locked on the ledger.").waitFor();
  await stage.button("Start selling").click();
  await stage.button("Publish the offer").click();
  await stage.page.getByText("Two letters, as in DE.").waitFor();
  expect(stage.node.calls.some((call) => call.method === "offer_publish")).toBe(false);
  await stage.page.getByLabel("Country").fill("de");
  await stage.page.getByLabel("Network (AS number)").fill("64496");
  await stage.page.getByLabel("Price, WAY per GB").fill("0.5");
  await stage.page.getByLabel("Mbit/s for a session").fill("100");
  await stage.button("Publish the offer").click();
  const offers = stage.page.getByRole("list", { name: "Your offers" });
  await offers.getByText("Proxy, Germany").waitFor();
  const call = stage.node.calls.find(({ method }) => method === "offer_publish");
  expect(call?.params).toMatchObject({ country: "DE", asn: 64_496, price_per_mb: "0.0005", bandwidth_bps: 100e6 });
  await stage.button("Change terms").click();
  expect(await stage.page.getByLabel("Price, WAY per GB").inputValue()).toBe("0.5");
  await stage.page.getByLabel("Price, WAY per GB").fill("0.6");
  await stage.button("Publish the change").click();
  await offers.getByText("0.60").waitFor();
  await stage.button("Stop selling").click();
  await stage.button("Keep it").click();
  await stage.button("Stop selling").click();
  await stage.button("Stop selling it").click();
  await stage.page.getByText("This node sells nothing.").waitFor();
});

test("what was served and earned is added up, by day, by month and by client, and exported", async () => {
  stage.node.world.sellForDays();
  await stage.openPage("Provide");
  const earnings = stage.page.locator("#earnings");
  await earnings.getByText("0.1095").waitFor();
  expect(await stage.page.getByRole("table", { name: "Earned per day" }).getByRole("row").count()).toBe(30);
  const [file] = await Promise.all([stage.page.waitForEvent("download"), earnings.getByRole("button", { name: "Export CSV" }).click()]);
  expect(file.suggestedFilename()).toMatch(/^byway-earnings-by-day-/);
  expect((await readFile(await file.path(), "utf8")).split("\r\n")).toHaveLength(1 + 2 * stage.node.world.earned.length + 1);
  await stage.button("12 months").click();
  await expect.poll(() => stage.page.getByRole("table", { name: "Earned per month" }).getByRole("row").count()).toBe(12);
  const clients = stage.page.locator("#clients tbody tr");
  await clients.first().waitFor();
  expect(await clients.count()).toBe(3);
  const served = stage.page.locator("#served tbody tr");
  await served.first().getByText("open now").waitFor();
  expect(await served.count()).toBe(3);
  await stage.page.getByRole("link", { name: "Browse", exact: true }).click();
  const used = stage.page.locator("#sessions tbody tr");
  await used.first().waitFor();
  expect(await used.count()).toBe(4);
});

test("caps are shown with what is used of them, or that there are none", async () => {
  stage.node.world.sellForDays();
  await stage.openPage("Provide");
  const load = stage.page.locator("#load");
  await load.getByText("of 50.0 GB").waitFor();
  await load.getByText("1 of 10", { exact: true }).waitFor();
  await load.getByText("200 Mbit/s for all clients together, 50 Mbit/s for each").waitFor();
  stage.node.world.caps = {};
  await stage.page.reload();
  await load.getByText("1, no cap").waitFor();
});

test("after a complaint a destination is blocked, and the block is lifted", async () => {
  stage.node.world.sellForDays();
  await stage.openPage("Provide");
  await stage.page.getByText("Nothing beside what is always closed").waitFor();
  await stage.button("Block a destination").click();
  await stage.page.getByLabel("Domain, address or network").fill("https://Scanned.example/wp-login");
  await stage.button("Block it").click();
  await stage.page.getByText("Only the name, without what is before and after it: scanned.example").waitFor();
  await stage.page.getByLabel("Domain, address or network").fill("sc%nned");
  await stage.button("Block it").click();
  await stage.page.getByRole("alert").getByText("it is no domain, address or network.").waitFor();
  await stage.page.getByLabel("Domain, address or network").fill("Scanned.example");
  await stage.page.getByLabel("How long").selectOption({ label: "for a week" });
  await stage.page.getByLabel("Note, for yourself").fill("abuse@ of 27 November");
  await stage.button("Block it").click();
  await stage.page.getByText("No client gets to scanned.example any more.").waitFor();
  const call = stage.node.calls.filter(({ method }) => method === "market_block").at(-1);
  expect(call?.params).toEqual({ destination: "Scanned.example", for_ms: 7 * 86_400_000, note: "abuse@ of 27 November" });
  await stage.page.getByRole("list", { name: "Blocked destinations" }).getByText(/ends in 7 days · abuse@/).waitFor();
  await stage.button("Lift the block of scanned.example").click();
  await stage.page.getByText("Clients get to scanned.example again.").waitFor();
  expect(stage.node.world.blocks).toEqual([]);
});

test("a refusal to publish is shown in the node's words", async () => {
  await stage.openPage("Provide");
  await stage.button("Start selling").click();
  for (const [label, text] of [["Country", "DE"], ["Network (AS number)", "1"], ["Price, WAY per GB", "1"], ["Mbit/s for a session", "10"]] as const) {
    await stage.page.getByLabel(label).fill(text);
  }
  stage.node.failNext("offer_publish", new MethodError(1005, "not_supported", "Others can't reach this stage.node. Open its UDP port."));
  await stage.button("Publish the offer").click();
  await stage.page.getByText("Others can't reach this stage.node.").waitFor();
});

test("cashing out settles what is open, then withdraws the account but for what is kept", async () => {
  stage.node.world.sellForDays();
  await stage.openPage("Provide");
  await stage.button("Cash out").click();
  const form = stage.page.getByRole("form", { name: "Cash out" });
  await form.getByText("withdraws the account (25.00 WAY)").waitFor();
  await form.getByLabel("Keep in the account, WAY").fill("5,5");
  await form.getByText("Use a point for decimals").waitFor();
  await form.getByLabel("Keep in the account, WAY").fill("5.5");
  await stage.button("Cash out now").click();
  await stage.page.getByText("19.6095 WAY are on the way to the wallet").waitFor();
  expect(stage.lastCall("promise_settle")).toMatchObject({ counterparty: stage.node.world.sessions[0]!.client });
  expect(stage.lastCall("wallet_withdraw")).toMatchObject({ amount: "19.6095" });
});

test("cashing out to an address: it is compared before anything leaves, and named until it has arrived", async () => {
  stage.node.world.sellForDays();
  await stage.openPage("Provide");
  await stage.button("Cash out").click();
  const to = stage.page.getByRole("form", { name: "Cash out" }).getByLabel("To", { exact: true });
  await to.fill(stage.node.world.address.slice(0, 100));
  await stage.button("Review").click();
  await stage.page.getByText("An address has 139 characters, and this has 100.").waitFor();
  await to.fill(stage.node.world.address);
  await to.press("Enter");
  const check = stage.page.getByRole("group", { name: "Check the address" });
  await check.getByText(stage.node.world.address.slice(-3), { exact: true }).waitFor();
  expect(stage.lastCall("wallet_withdraw")).toBeUndefined();
  await stage.button("Change it").click();
  await stage.page.getByLabel("Keep in the account, WAY").fill("20");
  await stage.button("Review").click();
  await check.getByText("sends the account, but for 20 WAY, to this address").waitFor();
  await stage.page.keyboard.press("Enter");
  await stage.page.getByText(/^5\.1095 WAY are on the way to way\w{3}…\w{4}, where they arrive/).waitFor();
  expect(stage.lastCall("wallet_withdraw")).toMatchObject({ amount: "5.1095", to: stage.node.world.address });
  await stage.page.getByRole("link", { name: "Wallet", exact: true }).click();
  await stage.page.locator("#balances").getByText(/^5\.1095 WAY reach way\w{3}…\w{4} in 10 min$/).waitFor();
  await stage.page.locator("#balances").getByTitle(stage.node.world.address).waitFor();
  await stage.page.getByRole("list", { name: "Entries" }).getByText("Cashed out to").waitFor();
});

test("a program whose service is sold says how it does", async () => {
  stage.node.world.sellForDays();
  stage.node.world.services.sold = [
    { name: "http-fetch", service: "service-5", price_per_mb: "0.002", state: "failed", sessions: 0, restarts: 3, reason: "it ended with code 1" },
  ];
  await stage.openPage("Provide");
  await stage.page.getByRole("list", { name: "Programs" }).getByText("failed, restarted 3 times: it ended with code 1").waitFor();
});

test("what is about to leave the account is left there", async () => {
  stage.node.world.sellForDays();
  stage.node.world.withdrawing = [{ amount: "3", available_ms: Date.now() + 600_000, to: null }];
  const before = stage.node.world.account;
  await stage.openPage("Wallet");
  await stage.page.locator("#balances").getByText("reach").waitFor();
  await stage.button("Leave it in the account").click();
  await stage.button("Leave it in the account").waitFor({ state: "detached" });
  expect(stage.node.world.account - before).toBe(3n * 10n ** 18n);
  await stage.page.getByText("Withdrawal called off").first().waitFor();
});

test("ports of clients are seen, and one is closed after a second look", async () => {
  stage.node.world.sellForDays();
  const given = { port: 40_017, client: "ab".repeat(20), session_id: "cd".repeat(16), since_ms: Date.now(), open: true, bytes_down: 1e6, bytes_up: 2e6 };
  stage.node.world.givenPorts = [{ ...given, protocol: "tcp" }, { ...given, protocol: "udp", client: "ef".repeat(20) }];
  await stage.openPage("Provide");
  const ports = stage.page.getByRole("list", { name: "Ports of your clients" });
  await expect.poll(() => ports.getByRole("listitem").count()).toBe(2);
  await stage.button("Close port 40017 (UDP)").click();
  expect(stage.lastCall("market_port_close")).toBeUndefined();
  await stage.button("Really close port 40017 (UDP)").click();
  await stage.page.getByText("40017 (UDP) is closed.").waitFor();
  expect(stage.lastCall("market_port_close")).toEqual({ port: 40_017, protocol: "udp" });
  await expect.poll(() => ports.getByRole("listitem").count()).toBe(1);
});

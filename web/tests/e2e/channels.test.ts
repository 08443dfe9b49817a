/** The page *Channels* in a real browser against the mock node. */

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { MethodError } from "../mock/error";
import { parseAmount } from "../../src/lib/amount";
import { Stage } from "./stage";

const CONTRACT = join(import.meta.dirname, "../../../examples/contracts/compiled/HiddenMoves.json");
const stage = new Stage();
const list = () => stage.page.getByRole("list", { name: "Channels", exact: true });
const form = (name: string) => stage.page.getByRole("form", { name, exact: true });
const channelOf = (index: number) => stage.node.channels.list[index]!;
const heading = () => stage.page.getByRole("heading", { level: 1, name: /^Channel with/ });
const callsOf = (method: string) => stage.node.calls.filter((call) => call.method === method);

async function begin(): Promise<void> {
  stage.node.channels.begin(stage.node.world.pulse.commits);
  await stage.openPage("Channels");
}

async function look(index: number): Promise<void> {
  await begin();
  await list().locator(`a[href$="${channelOf(index).channel}"]`).click();
  await heading().waitFor();
}

describe("payments over several channels", () => {
  test("are shown while they are on their way, with what a hub earns and why it takes none", async () => {
    await begin();
    await list().waitFor();
    expect(await stage.page.locator("#hub").count()).toBe(0);
    stage.node.channels.beginHub();
    const card = stage.page.locator("#hub");
    await card.getByText("0.85965").waitFor();
    await card.getByText("in 1,284 payments").waitFor();
    const payments = card.getByRole("list", { name: "Payments on their way" }).getByRole("listitem");
    expect(await payments.count()).toBe(3);
    await payments.nth(0).getByText("waits to be taken").waitFor();
    await payments.nth(1).getByText("awaits the other parts").waitFor();
    await payments.nth(2).getByText("from you").waitFor();
    expect(await card.getByRole("row").count()).toBe(3);
    const hub = stage.node.channels.hub;
    stage.node.channels.hub = { ...hub, on_their_way: [], unready: { code: "funds", message: "the wallet has less than the 0.00028 WAY that a forced call costs" } };
    await card.getByText("It takes no payments now: the wallet has less than the 0.00028 WAY that a forced call costs.").waitFor();
    await card.getByText("nothing is locked").waitFor();
  });
});

describe("a hub that guarantees virtual channels", () => {
  test("says which, what it has put in for them, and what it has declined", async () => {
    await begin();
    await list().waitFor();
    stage.node.channels.beginHub();
    stage.node.channels.beginGuaranteeing();
    const card = stage.page.locator("#hub");
    const guarantees = card.getByRole("list", { name: "Virtual channels that it guarantees" }).getByRole("listitem");
    await guarantees.first().getByText("stands").waitFor();
    await guarantees.nth(1).getByText("being accepted").waitFor();
    await card.getByText("for 2 channels").waitFor();
    await card.getByText("1.50 WAY put in").waitFor();
    await card.getByRole("button", { name: "Show 2 declined" }).click();
    await card.getByText("It has not enough room for that.").waitFor();
  });
});

describe("opening", () => {
  test("without a channel the page says what one is good for, and opens one with a card", async () => {
    await stage.openPage("Channels");
    await stage.page.getByText("A channel is money that you and one other lock together").waitFor();
    await stage.button("Open a channel").click();
    await stage.button("Propose it").click();
    await stage.page.getByText("Paste the peer's identity or card.").waitFor();
    await stage.page.getByLabel("With", { exact: true }).fill("byway:net/abc");
    await stage.page.getByText("That is another kind of link.").waitFor();
    await stage.page.getByLabel("With", { exact: true }).fill("byway:peer/abc");
    await stage.page.getByLabel("You put in, WAY").fill("26");
    await stage.page.getByText("Your account holds 25.00 WAY. Enter at most that.").waitFor();
    expect(stage.lastCall("channel_open")).toBeUndefined();
    await stage.page.getByLabel("You put in, WAY").fill("10");
    await stage.button("Propose it").click();
    await stage.page.getByText(/^The channel with .* is open\./).waitFor();
    expect(stage.lastCall("channel_open")).toEqual({ peer: "byway:peer/abc", deposit: "10", remainder: "halves", idempotency_key: expect.any(String) });
    await list().getByText("10.00 WAY yours").waitFor();
    await stage.page.getByRole("link", { name: "Look at it" }).click();
    await heading().waitFor();
  });

  test("while the peer thinks, the list says so, and what came of it is told on every part of the page", async () => {
    stage.node.channels.isSilent = true;
    stage.node.channels.openMs = 1_500;
    await begin();
    await stage.button("Open a channel").click();
    await stage.page.getByLabel("With", { exact: true }).fill("byway:peer/abc");
    await stage.page.getByLabel("You put in, WAY").fill("10");
    await stage.button("More options").click();
    await stage.page.getByLabel("Time to answer on the ledger, minutes").fill("90");
    await stage.page.getByLabel("What contracts hold at the end").selectOption({ label: "goes to you" });
    await stage.button("Propose it").click();
    await list().getByText("waits for the peer's answer").waitFor();
    await form("Open a channel").waitFor({ state: "detached" });
    await stage.page.getByText("The channel was not opened: the peer declined.").waitFor();
    await list().getByText("waits for the peer's answer").waitFor({ state: "detached" });
    expect(stage.lastCall("channel_open")).toMatchObject({ lock_seconds: 5_400, remainder: "ours" });
  });

  test("a peer that can't be reached is told of in the node's words", async () => {
    await stage.openPage("Channels");
    await stage.button("Open a channel").click();
    await stage.page.getByLabel("With", { exact: true }).fill("abcdef");
    await stage.page.getByLabel("You put in, WAY").fill("10");
    await stage.button("Propose it").click();
    await stage.page.getByText("abcdef can't be reached: it sells nothing. Ask for its card").waitFor();
    expect(await stage.page.getByLabel("With", { exact: true }).inputValue()).toBe("abcdef");
  });

  test("the own card is shown when it is asked for, as text and QR code", async () => {
    await stage.openPage("Channels");
    expect(stage.lastCall("identity_card")).toBeUndefined();
    await stage.button("Show your card").click();
    await stage.page.getByText(/^byway:peer\//).waitFor();
    await stage.page.getByRole("img", { name: "QR code of your card" }).waitFor();
    await stage.button("Copy card").waitFor();
  });
});

describe("a virtual channel", () => {
  const hubForm = () => form("Open a channel");
  const answer = () => stage.page.getByRole("group", { name: "What the hub asks" });

  async function fill(deposit: string, days: string): Promise<void> {
    await hubForm().getByLabel("You put in, WAY").fill(deposit);
    await hubForm().getByLabel("For how many days").fill(days);
  }

  test("is opened over a hub that was chosen, after it is said what the hub asks, and paid in", async () => {
    await begin();
    const hub = channelOf(0).peer;
    stage.node.channels.hubs = [{ hub, fee_base: "0.001", connected: true, channels: 1 }, { hub: "ee".repeat(20), fee_base: "0.002", connected: false, channels: 0 }];
    await stage.button("Open a channel").click();
    await stage.button("Virtual, over a hub").click();
    await hubForm().getByLabel("With", { exact: true }).fill("byway:peer/abc");
    await stage.button("See what the hub asks").click();
    await stage.page.getByText("Choose a hub, or paste its identity.").waitFor();
    await hubForm().getByLabel("Over", { exact: true }).selectOption(hub);
    await fill("1", "31");
    await hubForm().getByLabel("The peer puts in, WAY").fill("0.5");
    await stage.button("See what the hub asks").click();
    await answer().getByText("The hub guarantees none for more than 30 days.").waitFor();
    expect(await stage.button("Propose it").count()).toBe(0);
    await fill("1", "4");
    await answer().waitFor({ state: "detached" });
    await stage.button("See what the hub asks").click();
    await answer().getByText("0.0015 WAY").waitFor();
    await answer().getByText("1.0015 WAY").waitFor();
    expect(stage.lastCall("hub_ask")).toEqual({ hub, deposit: "1", their_deposit: "0.5", days: 4 });
    expect(stage.lastCall("channel_open")).toBeUndefined();
    await stage.button("Propose it").click();
    await stage.page.getByText(/^The channel with .* is open\./).waitFor();
    expect(stage.lastCall("channel_open")).toEqual({ peer: "byway:peer/abc", deposit: "1", their_deposit: "0.5", via: hub, days: 4, remainder: "halves", idempotency_key: expect.any(String) });
    await list().getByText(/^virtual, over .* ends in 4 days$/).waitFor();
    await stage.page.getByRole("link", { name: "Look at it" }).click();
    const card = stage.page.locator("#guarantee");
    await card.getByText("guaranteed", { exact: true }).waitFor();
    expect(await stage.button("Deposit").count()).toBe(0);
    await form("Pay").getByLabel("Amount, WAY").fill("0.25");
    await form("Pay").getByRole("button", { name: "Pay" }).click();
    await form("Pay").getByText("0.25 WAY are paid since round 1.").waitFor();
    await card.getByRole("link", { name: "your channel with the hub" }).click();
    await stage.page.locator("#channel-balances").getByText("17.25 WAY").waitFor();
    await stage.page.locator("#channel-balances").getByRole("link", { name: /^the virtual channel with/ }).waitFor();
  });

  test("goes over a hub that was typed, and what that says is told", async () => {
    await begin();
    await stage.button("Open a channel").click();
    await stage.button("Virtual, over a hub").click();
    await hubForm().getByLabel("With", { exact: true }).fill("byway:peer/abc");
    await hubForm().getByLabel("Over", { exact: true }).selectOption({ label: "Another, by its identity" });
    await hubForm().getByLabel("The hub's identity").fill("77ab");
    await fill("1", "");
    await stage.button("See what the hub asks").click();
    await stage.page.getByText("An identity has 40 digits").waitFor();
    await hubForm().getByLabel("The hub's identity").fill("77".repeat(20));
    await stage.button("See what the hub asks").click();
    await stage.page.getByText(/^There is no open channel with 7777/).waitFor();
    expect(await hubForm().getByLabel("You put in, WAY").inputValue()).toBe("1");
  });

  test("is proposed by a peer in words of its own, and needs nothing of the account", async () => {
    stage.node.world.account = 0n;
    await stage.openPage("Channels");
    const hub = "77".repeat(20);
    const channel = stage.node.channels.add({ state: "proposed", initiated: false, ours: "0.5", theirs: "1", reserve: "0", round: 0, id: undefined,
      guaranteed: { hub, until_ms: Date.now() + 5 * 86_400_000, state: "awaited" } });
    stage.node.publishChannel(channel);
    await stage.page.getByRole("heading", { name: "A peer proposes a virtual channel" }).waitFor();
    await stage.page.getByText("You put in 0.50 WAY out of your channel with the hub, and the peer 1.00 WAY.").waitFor();
    expect(await stage.button("Accept, and put in 0.50 WAY").isEnabled()).toBe(true);
  });
});

describe("other assets", () => {
  test("are put in when a channel is opened, and what is missing in the account is moved there", async () => {
    await stage.openPage("Channels");
    const { asset } = stage.node.world.asset;
    await stage.button("Open a channel").click();
    await stage.page.getByLabel("With", { exact: true }).fill("byway:peer/abc");
    await stage.page.getByLabel("You put in, WAY").fill("10");
    await stage.button("Put in another asset, too").click();
    await stage.page.getByLabel("You put in, TEST").fill("40");
    await stage.button("Propose it").click();
    await stage.page.getByText("Your account holds 0.00 of TEST.").waitFor();
    expect(stage.lastCall("channel_open")).toBeUndefined();
    await stage.page.getByText("40.00 TEST are missing in your account").waitFor();
    await stage.button("Move them there").click();
    await stage.page.getByText("are missing in your account").waitFor({ state: "detached" });
    expect(stage.lastCall("wallet_deposit")).toEqual({ asset, amount: "40", idempotency_key: expect.any(String) });
    await stage.button("Propose it").click();
    await stage.page.getByText(/^The channel with .* is open\./).waitFor();
    expect(stage.lastCall("channel_open")).toMatchObject({ assets: [{ asset, ours: "40" }] });
    await list().getByText("40.00 TEST yours").waitFor();
  });

  test("are paid in, and contracts may take of them what was allowed and can be taken back", async () => {
    await look(0);
    const { purses, deployed } = channelOf(0);
    const card = stage.page.locator("#channel-purses");
    await card.getByText("120.00 ABC").waitFor();
    await card.getByText("9.50 ABC").waitFor();
    const pay = form("Pay");
    await pay.getByRole("group", { name: "What to pay in" }).getByRole("button", { name: "ABC" }).click();
    expect(await pay.getByLabel("By promise").count()).toBe(0);
    await pay.getByLabel("Amount, ABC").fill("121");
    await pay.getByRole("button", { name: "Pay", exact: true }).click();
    await pay.getByText("In this channel you have 120.00 ABC. Enter at most that.").waitFor();
    await pay.getByLabel("Amount, ABC").fill("20");
    await pay.getByRole("button", { name: "Pay", exact: true }).click();
    await pay.getByText("20.00 ABC are paid since round 28.").waitFor();
    expect(stage.lastCall("channel_pay")).toEqual({ channel: channelOf(0).channel, asset: purses![0]!.asset, amount: "20", idempotency_key: expect.any(String) });
    await card.getByText("100.00 ABC").waitFor();
    await card.getByRole("button", { name: "Let a contract take some" }).click();
    const allow = form("Let a contract take some");
    await allow.getByLabel("Contract").selectOption(deployed[1]!.contract);
    await allow.getByLabel("At most, ABC").fill("5");
    await allow.getByRole("button", { name: "Allow it" }).click();
    const may = card.getByRole("list", { name: "What contracts may take of yours" });
    await may.getByText("5.00 ABC").waitFor();
    expect(stage.lastCall("channel_call")).toMatchObject({ contract: purses![0]!.contract, input: expect.stringMatching(/^0x095ea7b3/) });
    await may.getByRole("button", { name: /^Allow .* nothing more of ABC$/ }).click();
    await may.waitFor({ state: "detached" });
  });
});

describe("contracts on the ledger", () => {
  const card = () => stage.page.locator("#ledger-contracts");

  test("are listed, looked at and called, and one whose contents are missing says what to do", async () => {
    await begin();
    expect(await card().count()).toBe(0);
    stage.node.channels.leave();
    await card().waitFor();
    await card().getByText("contents missing").waitFor();
    await card().getByRole("button", { name: /^Look at/ }).first().click();
    await card().getByText(/was refused by the contract, 22,018 gas/).waitFor();
    const call = form("Call the contract on the ledger");
    await call.getByLabel("Input in hex").fill("0x4e71d92d");
    await call.getByRole("button", { name: "Look", exact: true }).click();
    await call.getByText("It would return, for 23,410 gas. Nothing was changed.").waitFor();
    await call.getByLabel("With it, WAY").fill("99");
    await call.getByRole("button", { name: "Call on the ledger" }).click();
    await call.getByText("Your account holds 25.00 WAY. Enter at most that.").waitFor();
    expect(stage.lastCall("contract_call")).toBeUndefined();
    await call.getByLabel("With it, WAY").fill("1");
    await call.getByRole("button", { name: "Call on the ledger" }).click();
    await call.getByText("The ledger executed it, for 23,410 gas.").waitFor();
    const { channel, contract } = stage.node.channels.onLedger[0]!;
    expect(stage.lastCall("contract_call")).toEqual({ contract: `${channel}/${contract}`, input: "0x4e71d92d", value: "1", idempotency_key: expect.any(String) });
    await card().getByText("3.50 WAY").waitFor();
    await card().getByText("Call 3 by").waitFor();
    await card().getByRole("button", { name: /^Look at/ }).click();
    await card().getByText("byway contract import FILE").waitFor();
  });
});

describe("what a peer proposes", () => {
  const terms = () => stage.page.getByRole("list", { name: "What agreeing means" });

  test("is said in plain words, marked beside the page's name, and accepted", async () => {
    await begin();
    await stage.page.getByRole("link", { name: /Channels.*a peer proposes one/ }).waitFor();
    await terms().getByText("You put in 5.00 WAY from your account, and the peer 20.00 WAY.").waitFor();
    await terms().getByText("goes half to each").waitFor();
    await stage.button("Accept, and put in 5.00 WAY").click();
    await stage.page.getByText(/^The channel with .* is open\./).waitFor();
    await terms().waitFor({ state: "detached" });
    expect(stage.lastCall("channel_accept")).toEqual({ channel: channelOf(1).channel });
    await list().getByText("20.00 WAY theirs").waitFor();
  });

  test("can be declined", async () => {
    await begin();
    await stage.button(/^Decline the channel with/).click();
    await terms().waitFor({ state: "detached" });
    expect(stage.lastCall("channel_decline")).toMatchObject({ channel: expect.any(String) });
    await expect.poll(() => list().getByRole("listitem").count()).toBe(4);
  });

  test("can't be accepted with an account that holds less", async () => {
    stage.node.world.account = parseAmount("4");
    await begin();
    await stage.page.getByText("Your account holds 4.00 WAY, which is not enough.").waitFor();
    expect(await stage.button("Accept, and put in 5.00 WAY").isDisabled()).toBe(true);
  });
});

describe("one channel", () => {
  test("is paid in by an update and by promise, and what is promised is taken in", async () => {
    await look(0);
    const pay = form("Pay");
    await pay.getByLabel("Amount, WAY").fill("99");
    await pay.getByRole("button", { name: "Pay" }).click();
    await pay.getByText("Above the reserve your part has 18.24 WAY. Enter at most that.").waitFor();
    expect(stage.lastCall("channel_pay")).toBeUndefined();
    await pay.getByLabel("Amount, WAY").fill("1.5");
    await pay.getByRole("button", { name: "Pay" }).click();
    await pay.getByText("1.50 WAY are paid since round 28.").waitFor();
    expect(stage.lastCall("channel_pay")).toEqual({ channel: channelOf(0).channel, amount: "1.5", idempotency_key: expect.any(String) });
    await stage.page.getByRole("log").getByText("We pay 1.5 WAY.").waitFor();
    await pay.getByLabel("By promise").check();
    await pay.getByLabel("Amount, WAY").fill("0.8");
    await pay.getByRole("button", { name: "Pay" }).click();
    await pay.getByText("0.80 WAY are promised to the peer.").waitFor();
    expect(stage.lastCall("channel_pay")).toMatchObject({ amount: "0.8", lane: true });
    await stage.page.locator("#channel-balances").getByText("2.00 WAY", { exact: true }).first().waitFor();
    await stage.button("Take them in").click();
    await stage.page.getByText("0.35 WAY are in your balance.").waitFor();
    expect(await stage.button("Take them in").count()).toBe(0);
    await stage.page.locator("#channel-balances").getByText("17.10 WAY").waitFor();
  });

  test("has money set aside, put in and taken out", async () => {
    await look(0);
    await stage.button("Set aside").first().click();
    const aside = form("Set aside");
    expect(await aside.getByLabel("Set aside in all, WAY").inputValue()).toBe("4");
    await aside.getByLabel("Set aside in all, WAY").fill("1");
    await aside.getByRole("button", { name: "Set aside" }).click();
    await aside.getByText("1.20 WAY of it are promised. Enter at least that.").waitFor();
    await aside.getByLabel("Set aside in all, WAY").fill("6");
    await aside.getByRole("button", { name: "Set aside" }).click();
    await aside.getByText("6.00 WAY are set aside since round 28.").waitFor();
    expect(stage.lastCall("channel_lane")).toEqual({ channel: channelOf(0).channel, capacity: "6" });
    await stage.button("Deposit").click();
    await form("Deposit").getByLabel("Amount, WAY").fill("3");
    await form("Deposit").getByRole("button", { name: "Deposit" }).click();
    await form("Deposit").getByText("3.00 WAY are in the channel.").waitFor();
    expect(stage.lastCall("channel_fund")).toMatchObject({ movement: "deposit", amount: "3", idempotency_key: expect.any(String) });
    await stage.page.getByText("43.00 WAY in all").waitFor();
    await stage.button("Withdraw").click();
    await form("Withdraw").getByLabel("Amount, WAY").fill("2");
    await form("Withdraw").getByRole("button", { name: "Withdraw" }).click();
    await form("Withdraw").getByText("2.00 WAY are in your account.").waitFor();
    expect(stage.lastCall("channel_fund")).toMatchObject({ movement: "withdraw", amount: "2" });
  });

  test("an update that the silent peer leaves waiting is told of and taken back, and nothing is paid twice", async () => {
    await look(0);
    stage.node.channels.isSilent = true;
    await form("Pay").getByLabel("Amount, WAY").fill("1");
    await form("Pay").getByRole("button", { name: "Pay" }).click();
    await form("Pay").getByText("The peer has not signed round 28 in time; it may still do so.").waitFor();
    const waits = stage.page.getByRole("group", { name: "An update waits" });
    await waits.getByText("Round 28 waits for the peer's signature.").waitFor();
    await waits.getByRole("button", { name: "Take it back" }).click();
    await waits.waitFor({ state: "detached" });
    expect(stage.lastCall("channel_cancel")).toEqual({ channel: channelOf(0).channel });
    await stage.page.locator("#channel-balances").getByText("18.25 WAY").waitFor();
    stage.node.channels.isSilent = false;
    stage.node.holdNext("channel_pay");
    const before = callsOf("channel_pay").length;
    await form("Pay").getByRole("button", { name: "Pay" }).click();
    await expect.poll(() => callsOf("channel_pay").length).toBe(before + 1);
    stage.node.setRpcUp(false);
    await form("Pay").getByText("The link to your node is down.").waitFor();
    stage.node.setRpcUp(true);
    await expect.poll(() => form("Pay").getByRole("button", { name: "Pay" }).isEnabled()).toBe(true);
    await form("Pay").getByRole("button", { name: "Pay" }).click();
    await form("Pay").getByText("1.00 WAY are paid since round 30.").waitFor();
    const keys = callsOf("channel_pay").map(({ params }) => (params as { idempotency_key: string }).idempotency_key);
    expect([keys[1] === keys[2], keys[0] === keys[1]]).toEqual([true, false]);
  });

  test("what happens is shown as it happens, and the node is asked for the channel only once", async () => {
    await look(0);
    await expect.poll(() => callsOf("channel_show").filter(({ params }) => (params as { channel: string }).channel === channelOf(0).channel).length).toBe(1);
    const log = stage.page.getByRole("log");
    for (const amount of ["0.4", "0.5", "0.6"]) {
      stage.node.channels.note(channelOf(0), "promised", `the peer promised ${amount} WAY in all`);
      stage.node.publishChannel(channelOf(0));
      await log.getByText(`The peer promised ${amount} WAY in all.`).waitFor();
    }
    expect(await log.getByRole("listitem").first().textContent()).toContain("0.6 WAY");
    expect(callsOf("channel_show").filter(({ params }) => (params as { channel: string }).channel === channelOf(0).channel)).toHaveLength(1);
    expect(await log.getByRole("listitem").count()).toBe(8);
    expect(callsOf("channel_log")).toHaveLength(0);
    const each = stage.page.getByLabel("Each message of the two nodes too");
    await each.check();
    await log.getByText("You say propose: 156 bytes.").waitFor();
    const before = callsOf("channel_log").length;
    stage.node.publishChannel(channelOf(0));
    await expect.poll(() => callsOf("channel_log").length).toBe(before + 1);
    await each.uncheck();
    await expect.poll(() => log.getByText("You say propose: 156 bytes.").count()).toBe(0);
    channelOf(0).connected = false;
    stage.node.publishChannel(channelOf(0));
    await stage.page.getByText("The peer isn't connected. What needs its signature waits until it is back.").waitFor();
  });

  test("leads back to the list, and an address of none says so", async () => {
    await look(0);
    expect(await stage.page.evaluate(() => document.activeElement?.tagName)).toBe("H1");
    await stage.page.goBack();
    await list().waitFor();
    await stage.page.evaluate(() => (location.hash = "channels/00ff"));
    await stage.page.getByText("There is no such channel here").waitFor();
    await stage.page.getByRole("link", { name: "All channels" }).click();
    await list().waitFor();
  });
});

describe("contracts", () => {
  test("what the peer wants to be done to one is agreed to", async () => {
    await look(0);
    const { contract } = channelOf(0).consents[0]!;
    await stage.page.getByText("The peer wants to let").waitFor();
    await stage.button("Let it leave, too").click();
    await stage.page.getByText("The peer wants to let").waitFor({ state: "detached" });
    expect(stage.lastCall("channel_leave")).toEqual({ channel: channelOf(0).channel, contract });
    expect(await stage.page.getByRole("list", { name: "Contracts", exact: true }).getByRole("listitem").count()).toBe(1);
  });

  test("one is added out of the compiler's file", async () => {
    await look(0);
    await stage.button("Add a contract").click();
    const add = form("Add a contract");
    await add.getByRole("button", { name: "Add it" }).click();
    await add.getByText("Choose a file.").waitFor();
    await add.getByLabel("File of the compiler: its JSON, or hex").setInputFiles({ name: "a.json", mimeType: "application/json", buffer: Buffer.from('{"abi":[]}') });
    await add.getByText("There is no code in this file.").waitFor();
    await add.getByLabel("File of the compiler: its JSON, or hex").setInputFiles(CONTRACT);
    await add.getByText(/bytes of code\.$/).waitFor();
    await add.getByLabel("What the constructor takes, in hex").fill("0xabc");
    await add.getByText("two hex digits for each byte").waitFor();
    await add.getByLabel("What the constructor takes, in hex").fill("0xabcd");
    await add.getByLabel("With it, WAY").fill("2");
    await add.getByRole("button", { name: "Add it" }).click();
    await stage.page.getByText(/^The contract 0x.* is in the channel since round 28\.$/).waitFor();
    expect(stage.lastCall("channel_deploy")).toMatchObject({ code: expect.stringMatching(/^0x60[0-9a-f]+abcd$/), value: "2", idempotency_key: expect.any(String) });
    await expect.poll(() => stage.page.getByRole("list", { name: "Contracts" }).getByRole("listitem").count()).toBe(3);
  });

  test("one is looked at, called, and executed by the ledger", async () => {
    await look(0);
    const contract = channelOf(0).deployed[0]!.contract;
    await stage.button(/^Call /).first().click();
    const call = form("Call the contract");
    await call.getByLabel("Input in hex").fill("0x4e71d92");
    await call.getByRole("button", { name: "Look" }).click();
    await call.getByText("The input has two hex digits for each byte, and one is missing.").waitFor();
    await call.getByLabel("Input in hex").fill("0x4e71d92d");
    await call.getByRole("button", { name: "Look" }).click();
    await call.getByText("It would return, for 23,410 gas. Nothing was changed.").waitFor();
    await call.getByText("42", { exact: true }).waitFor();
    expect(stage.lastCall("channel_look")).toEqual({ channel: channelOf(0).channel, contract, input: "0x4e71d92d" });
    await call.getByLabel("Input in hex").fill("0xdeadbeef");
    await call.getByRole("button", { name: "Look" }).click();
    await call.getByText("It would not return, for 21,912 gas.").waitFor();
    await call.getByText("“it is not your move”").waitFor();
    await call.getByRole("button", { name: "Call", exact: true }).click();
    await call.getByText("The contract does not return: it is not your move.").waitFor();
    await call.getByLabel("Input in hex").fill("0x4e71d92d");
    await call.getByLabel("With it, WAY").fill("0.5");
    await call.getByLabel("Gas at most").fill("90000");
    await call.getByRole("button", { name: "Call", exact: true }).click();
    await call.getByText("Both signed it: round 28, for 23,410 gas.").waitFor();
    expect(stage.lastCall("channel_call")).toMatchObject({ contract, input: "0x4e71d92d", value: "0.5", gas: 90_000, idempotency_key: expect.any(String) });
    await call.getByRole("button", { name: "Force…" }).click();
    expect(stage.lastCall("channel_force")).toBeUndefined();
    await call.getByText("the ledger executes the call in its place").waitFor();
    await call.getByRole("button", { name: "Have the ledger execute it" }).click();
    await call.getByText("The ledger executed it: round 29").waitFor();
    expect(stage.lastCall("channel_force")).toMatchObject({ contract, input: "0x4e71d92d" });
    // What stands in the form is still there after events.
    expect(await call.getByLabel("Input in hex").inputValue()).toBe("0x4e71d92d");
  });
});

describe("the end", () => {
  test("together: both are asked, and it can still be closed alone", async () => {
    await look(0);
    await stage.button("Close the channel").click();
    const close = form("Close the channel");
    await close.getByText("Contracts hold 3.25 WAY and 9.50 ABC. Have them pay that out before: what they still hold goes half to each.").waitFor();
    await close.getByRole("button", { name: "Close it together" }).click();
    await stage.page.getByText("both are parting", { exact: true }).waitFor();
    expect(stage.lastCall("channel_close")).toEqual({ channel: channelOf(0).channel });
    expect(await stage.page.locator("#channel-move").count()).toBe(0);
    await stage.button("Close it alone").first().click();
    await close.getByRole("button", { name: "Close it alone" }).click();
    expect(await stage.page.getByRole("timer").textContent()).toContain("of time left");
    expect(stage.lastCall("channel_close")).toEqual({ channel: channelOf(0).channel, alone: true });
    await stage.page.getByText("You closed it. The ledger has round 27.").waitFor();
  });

  test("a dispute counts down with the ledger, and says who began it and what the node does", async () => {
    await look(2);
    await stage.page.getByText("The peer closed it, with round 14. Both of you signed round 17, which is newer.").waitFor();
    await stage.page.getByText("Your node shows the ledger the newer state by itself").waitFor();
    const commits = async (): Promise<number> => Number(/([\d,]+)\s*commits/.exec((await stage.page.getByRole("timer").innerText()))?.[1]?.replace(",", ""));
    const first = await commits();
    expect(first).toBeGreaterThan(5_000);
    await expect.poll(commits).toBeLessThan(first);
    channelOf(2).dispute = { ...channelOf(2).dispute!, until_ms: Date.now() - 1_000, until_commits: 1 };
    channelOf(2).state = "locked";
    stage.node.publishChannel(channelOf(2));
    await stage.page.getByRole("heading", { name: "About to be paid out" }).waitFor();
    channelOf(2).state = "closed";
    channelOf(2).dispute = null;
    stage.node.publishChannel(channelOf(2));
    await stage.page.getByRole("timer").waitFor({ state: "detached" });
  });

  test("a frozen channel says why, and can only be closed alone", async () => {
    await look(3);
    await stage.page.getByText("There are two states of one round with both signatures").waitFor();
    expect(await stage.page.locator("#channel-move").count()).toBe(0);
    await stage.button("Close the channel").click();
    expect(await form("Close the channel").getByRole("radio", { name: /^Together/ }).isDisabled()).toBe(true);
    stage.node.failNext("channel_close", new MethodError(1504, "channel_not_ready", "The channel can't do that now: it was just closed. `byway channel show` says how it stands."));
    await form("Close the channel").getByRole("button", { name: "Close it alone" }).click();
    await stage.page.getByText("The channel can't do that now: it was just closed.").waitFor();
    await form("Close the channel").getByRole("button", { name: "Close it alone" }).click();
    await stage.page.getByText("You closed it. The ledger has round 41.").waitFor();
  });
});

test("where channels can't be listed at first, the page comes up all the same and asks again", async () => {
  stage.node.failNext("channel_list", new MethodError(-32603, "internal", "Something went wrong inside the node. See its log."));
  await stage.open();
  await stage.page.getByRole("link", { name: "Channels", exact: true }).click();
  await stage.page.getByText("No channel yet").waitFor();
});

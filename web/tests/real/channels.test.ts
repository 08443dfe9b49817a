/** The page *Channels* over real nodes: a virtual channel over a real hub, and an asset that is paid on the page. */

import { afterAll, beforeAll, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { Network } from "../../../clients/typescript/test/network";
import { Browser, shoot } from "../e2e/browser";
import { RealNode } from "./nodes";

const ACCEPTS = '[channels]\naccept_max = "5"\n';
const HUB = `[channels]\naccept_max = "20"\n[hub]\nguarantee = true\nguarantee_fee_base = "0.002"\nguarantee_fee_per_million = 0\n`;

let network: Network;
let [own, hub, peer]: RealNode[] = [];
let browser: Browser;
let page: Page;
const form = (name: string) => page.getByRole("form", { name, exact: true });
const list = () => page.getByRole("list", { name: "Channels", exact: true });

beforeAll(async () => {
  network = await Network.start();
  own = RealNode.first(network);
  hub = await RealNode.join(network, "hub", HUB, "20");
  peer = await RealNode.join(network, "peer", ACCEPTS, "20");
  const card = await hub.json<{ card: string }>("identity", "card");
  await hub.deposit("8");
  for (const node of [own, peer]) {
    await node.deposit("8");
    await node.says("channel", "open", card.card, "3", "--theirs", "3");
    await node.channel(({ state, connected }) => state === "open" && connected);
  }
  browser = await Browser.start("desktop", "light");
  page = await browser.page(await own.link());
  await page.getByRole("link", { name: /^Channels\b/ }).click();
  await list().waitFor();
});

afterAll(async () => {
  await browser?.stop();
  await network?.stop();
});

test("a virtual channel is opened over a real hub, which says before what it takes, and is paid in", async () => {
  const { card } = await peer!.json<{ card: string }>("identity", "card");
  const parent = await own!.channel(({ guaranteed }) => !guaranteed);
  await page.getByRole("button", { name: "Open a channel", exact: true }).click();
  await page.getByRole("button", { name: "Virtual, over a hub" }).click();
  await form("Open a channel").getByLabel("With", { exact: true }).fill(card);
  await form("Open a channel").getByLabel("Over", { exact: true }).selectOption(parent.peer);
  await form("Open a channel").getByLabel("You put in, WAY").fill("2.999");
  await form("Open a channel").getByLabel("The peer puts in, WAY").fill("0.5");
  await page.getByRole("button", { name: "See what the hub asks" }).click();
  await form("Open a channel").getByText("In the channel with the hub you have 2.99 WAY. Enter at most that.").waitFor();
  await form("Open a channel").getByLabel("You put in, WAY").fill("1");
  await page.getByRole("button", { name: "See what the hub asks" }).click();
  await page.getByRole("group", { name: "What the hub asks" }).getByText("1.002 WAY").waitFor();
  await shoot(page, "real-virtual-form");
  await page.getByRole("button", { name: "Propose it" }).click();
  await page.getByText(/^The channel with .* is open\./).waitFor({ timeout: 120_000 });
  await list().getByText(/^virtual, over/).waitFor();
  await shoot(page, "real-channels");
  await page.getByRole("link", { name: "Look at it" }).click();
  await page.locator("#guarantee").getByText("guaranteed", { exact: true }).waitFor();
  await form("Pay").getByLabel("Amount, WAY").fill("0.25");
  await form("Pay").getByRole("button", { name: "Pay", exact: true }).click();
  await form("Pay").getByText(/^0\.25 WAY are paid since round/).waitFor();
  await shoot(page, "real-virtual");
  const there = await peer!.channel(({ guaranteed, ours }) => guaranteed?.state === "stands" && ours === "0.75");
  expect(there.theirs).toBe("0.75");
  await page.locator("#guarantee").getByRole("link", { name: "your channel with the hub" }).click();
  await page.locator("#channel-balances").getByText("1.998 WAY").waitFor();
  await page.locator("#channel-balances").getByRole("link", { name: /^the virtual channel with/ }).waitFor();
  await shoot(page, "real-parent");
});

test("another asset is put in on the page, and paid", async () => {
  await own!.says("asset", "register", "ABC", "--name", "abc coin", "--wait");
  await own!.says("asset", "issue", "ABC", "100", "--wait");
  const { card } = await peer!.json<{ card: string }>("identity", "card");
  await page.getByRole("button", { name: "Dismiss" }).click();
  await page.evaluate(() => (location.hash = "wallet"));
  await page.getByRole("list", { name: "Other assets" }).getByText("abc coin").waitFor({ timeout: 120_000 });
  await page.evaluate(() => (location.hash = "channels"));
  await list().waitFor();
  await page.getByRole("button", { name: "Open a channel", exact: true }).click();
  await form("Open a channel").getByLabel("With", { exact: true }).fill(card);
  await form("Open a channel").getByLabel("You put in, WAY").fill("1");
  await page.getByRole("button", { name: "Put in another asset, too" }).click();
  await form("Open a channel").getByLabel("Which").selectOption({ label: "ABC · 0.00 in the account" });
  await form("Open a channel").getByLabel("You put in, ABC").fill("40");
  await page.getByRole("button", { name: "Move them there" }).click();
  await page.getByText("are missing in your account").waitFor({ state: "detached", timeout: 120_000 });
  // What was missing takes its room along, and the button moves: it is clicked once it is where it stays.
  await form("Open a channel").locator("option", { hasText: "ABC · 40.00 in the account" }).waitFor({ state: "attached", timeout: 120_000 });
  await page.getByRole("button", { name: "Propose it" }).click();
  // With another asset in it a channel is agreed to by a user alone.
  const asked = await peer!.channel(({ state }) => state === "proposed");
  await peer!.says("channel", "accept", asked.channel);
  await page.getByText(/^The channel with .* is open\./).waitFor({ timeout: 120_000 });
  await page.getByRole("link", { name: "Look at it" }).click();
  await form("Pay").getByRole("button", { name: "ABC", exact: true }).click();
  await form("Pay").getByLabel("Amount, ABC").fill("2.5");
  await form("Pay").getByRole("button", { name: "Pay", exact: true }).click();
  await form("Pay").getByText(/^2\.50 ABC are paid since round/).waitFor();
  await page.locator("#channel-purses").getByText("37.50 ABC").waitFor();
  await shoot(page, "real-asset");
  const there = await peer!.channel(({ purses }) => purses?.[0]?.ours === "2.5");
  expect(there.purses![0]!.symbol).toBe("ABC");
});

/** The page in every combination of size and theme: nothing sticks out, nothing is broken, and a picture of each state. */

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { MockNode } from "../mock/node";
import { Browser, DIST, RESULTS, shoot, type Scheme, type Viewport } from "./browser";

const COMBINATIONS: [Viewport, Scheme][] = [["desktop", "light"], ["desktop", "dark"], ["phone", "light"], ["phone", "dark"]];

describe.each(COMBINATIONS)("%s, %s", (viewport, scheme) => {
  let node: MockNode;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    node = await MockNode.start({ dist: DIST });
    node.bytesPerSecond = 20_000_000;
    browser = await Browser.start(viewport, scheme);
    page = await browser.page(node.link);
  });
  afterAll(async () => {
    await browser?.stop();
    await node?.stop();
  });

  test("idle", async () => {
    await page.getByRole("heading", { name: "Not connected" }).waitFor();
    await page.getByRole("list", { name: "Countries" }).waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-idle`);
  });

  test("connected", async () => {
    await page.getByRole("button", { name: /^Connect to Germany/ }).click();
    await page.getByText("Connected through", { exact: true }).waitFor();
    await page.getByText("Cost so far").waitFor();
    await page.waitForFunction(() => Number(document.querySelector("[data-testid=cost] span")?.textContent) > 0.02);
    await page.getByRole("button", { name: /^Germany/ }).click();
    await page.locator("#protection").getByRole("button", { name: "Change" }).click();
    await page.getByRole("button", { name: "Change limits" }).click();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-connected`);
  });

  test("what goes past the tunnel, or through it alone", async () => {
    const card = page.locator("#protection");
    await card.getByLabel("Sites and networks past").fill("bank.example\nhttps://shop.example/basket/with/a/long/way/to/it?and=more\n192.0.2.0/24\n2001:db8:1234::/48");
    await expectFits(page);
    await card.screenshot({ path: join(RESULTS, `${viewport}-${scheme}-split-outside-form.png`) });
    await card.getByRole("button", { name: "Save" }).click();
    await card.getByText("Saved.").waitFor();
    await expectFits(page);
    await card.screenshot({ path: join(RESULTS, `${viewport}-${scheme}-split-outside.png`) });
    await card.getByRole("button", { name: "Change" }).click();
    await card.getByRole("radio", { name: /^Only what is named/ }).check();
    await card.getByLabel("Sites and networks through").fill("blocked.example\n1.2.3");
    await card.getByRole("button", { name: "Save" }).click();
    await card.getByText("“1.2.3” is neither").waitFor();
    await expectFits(page);
    await card.screenshot({ path: join(RESULTS, `${viewport}-${scheme}-split-inside-form.png`) });
    await card.getByLabel("Sites and networks through").fill("blocked.example\nbücher.example");
    await card.getByRole("button", { name: "Save" }).click();
    await card.getByText("All the rest").waitFor();
    await card.screenshot({ path: join(RESULTS, `${viewport}-${scheme}-split-inside.png`) });
  });

  test("ports", async () => {
    node.world.forwards = [
      { to: "127.0.0.1:8080", protocol: "tcp", proxy_protocol: true, public: "203.0.113.7:40017", visitors: 2 },
      { to: "[2001:db8:1234:5678:9abc:def0:1234:5678]:22", protocol: "tcp", proxy_protocol: false, public: "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:40022", visitors: 0,
        reason: { code: "not_taken", message: "a visitor was turned away, because no program takes connections there" } },
      { to: "192.168.1.5:80", protocol: "tcp", port: 80, proxy_protocol: false, visitors: 0, reason: { code: "refused", message: "this exit forwards no ports; connect to one that does" } },
    ];
    await page.getByRole("button", { name: "New forwarded port" }).click();
    await page.getByRole("button", { name: "Ask for it" }).click();
    await page.getByRole("list", { name: "Forwarded ports" }).getByText("203.0.113.7:40017").waitFor();
    await page.getByRole("button", { name: "Filters" }).click();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-ports`);
    await page.getByRole("button", { name: "Filters" }).click();
  });

  test("paid by time", async () => {
    node.world.sellPlugged("http-fetch");
    await page.getByRole("radio", { name: "Time" }).check();
    await page.getByRole("list", { name: "Countries" }).getByText("Finland").waitFor();
    await page.getByRole("button", { name: "Filters" }).click();
    await page.getByRole("button", { name: "Open a service" }).click();
    await page.getByRole("form", { name: "Open a service" }).getByLabel("Name").fill("http-fetch");
    await page.getByText("3 providers sell http-fetch").waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-time`);
    await page.getByRole("button", { name: "Filters" }).click();
    await page.getByRole("radio", { name: "Traffic" }).check();
  });

  test("stopped at limits", async () => {
    const connection = { state: "connected" as const, since_ms: 0, country: "SE", rate_down_bps: 0, rate_up_bps: 0 };
    node.world.ports = [{ listen: "127.0.0.1:1090", configured: true, country: "SE", connection }];
    node.world.allowed = 5n * 10n ** 18n;
    node.stopAtLimit("day");
    await page.getByRole("button", { name: "Another amount" }).click();
    await page.getByRole("button", { name: "Allow it" }).click();
    await page.getByText("Enter an amount.").waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-limit-day`);
    node.goOn();
    await page.getByText("Connected through", { exact: true }).waitFor();
    node.stopAtLimit("session");
    await page.getByRole("button", { name: "Go on with the next session" }).waitFor();
    await shoot(page, `${viewport}-${scheme}-limit-session`);
    node.stopAtLimit("day", "127.0.0.1:1090");
    await page.getByRole("heading", { name: "Two limits are reached" }).waitFor();
    await expectFits(page);
    await page.getByRole("link", { name: "Wallet", exact: true }).click();
    await page.getByText("Something waits for your word.").waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-limit-hint`);
    await page.getByRole("link", { name: "Browse", exact: true }).click();
    await page.getByRole("button", { name: "Not now" }).click();
    await page.getByRole("button", { name: "Answer" }).first().waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-limit-later`);
    node.goOn();
    await page.getByText("Connected through", { exact: true }).waitFor();
  });

  test("wallet", async () => {
    await page.getByRole("link", { name: "Wallet", exact: true }).click();
    await page.getByLabel("Amount, WAY").fill("9999");
    await page.getByLabel("Amount, WAY").blur();
    await page.getByText("Enter at most that").waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-send`);
    await page.getByLabel("To", { exact: true }).fill(node.world.address);
    await page.getByLabel("Amount, WAY").fill("9");
    await page.getByRole("button", { name: "Review" }).click();
    await page.getByRole("group", { name: "Check the payment" }).waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-confirm`);
    await page.getByRole("button", { name: "Receive", exact: true }).click();
    await page.getByRole("img", { name: /QR code/ }).waitFor();
    await page.getByLabel("I know that it can't be taken back.").check();
    await page.getByRole("button", { name: "Show the view key" }).click();
    await page.getByText(node.world.viewKey).waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-receive`);
    await page.getByRole("button", { name: "Ask for an amount" }).click();
    await page.getByLabel("Amount, WAY").fill("2.5");
    await page.getByLabel("What for").fill("Invoice 271");
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-ask`);
    await page.getByRole("button", { name: "Make the link" }).click();
    await page.getByText("Not paid yet.").waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-asked`);
  });

  test("invites", async () => {
    await page.getByRole("button", { name: "Withdraw", exact: true }).click();
    node.world.invite("12.5", "0", 0, "ab");
    node.world.noteInvite(1, "taken");
    await page.getByRole("button", { name: "New invite" }).click();
    await page.getByLabel("First coins, WAY").fill("20");
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-withdraw-invite`);
    await page.getByRole("button", { name: "Make it" }).click();
    await page.getByRole("img", { name: "QR code of the invite's link" }).waitFor();
    await page.getByRole("list", { name: "Invites" }).getByText(/^open/).waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-invite`);
    await page.getByRole("button", { name: "Take back invite 2" }).click();
    await expectFits(page);
  });

  test("provide", async () => {
    await page.getByRole("link", { name: "Provide", exact: true }).click();
    await page.getByText("This node sells nothing.").waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-provide-nothing`);
    node.world.sellForDays();
    await page.reload();
    await page.getByRole("button", { name: "Block a destination" }).click();
    await page.getByLabel("Domain, address or network").fill("scanned.example");
    await page.getByLabel("Note, for yourself").fill("abuse@ of 27 November");
    await page.getByRole("button", { name: "Block it" }).click();
    await page.getByRole("list", { name: "Blocked destinations" }).waitFor();
    await page.getByRole("button", { name: "Change terms" }).click();
    await page.getByRole("form", { name: "Change terms" }).waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-provide`);
    await page.getByRole("button", { name: "Cash out", exact: true }).click();
    await page.getByRole("form", { name: "Cash out" }).getByLabel("To", { exact: true }).fill(node.world.address);
    await page.getByRole("button", { name: "Review" }).click();
    await page.getByRole("group", { name: "Check the address" }).waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-cash-out`);
  });

  test("channels", async () => {
    await page.getByRole("link", { name: "Channels", exact: true }).click();
    await page.getByText("No channel yet").waitFor();
    await page.getByRole("button", { name: "Open a channel" }).click();
    await page.getByRole("button", { name: "More options" }).click();
    await page.getByRole("button", { name: "Propose it" }).click();
    await page.getByText("Paste the peer's identity or card.").waitFor();
    await page.getByRole("button", { name: "Show your card" }).click();
    await page.getByRole("img", { name: "QR code of your card" }).waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-channels-none`);
    node.channels.begin(node.world.pulse.commits);
    for (const channel of node.channels.list) node.publishChannel(channel);
    await page.getByRole("button", { name: "Hide the form" }).click();
    await page.getByRole("button", { name: /^Accept/ }).waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-channels`);
    node.channels.beginHub();
    node.channels.beginGuaranteeing();
    node.channels.leave();
    await page.getByText("0.85965").waitFor();
    await page.getByRole("button", { name: "Show 2 declined" }).click();
    await page.locator("#ledger-contracts").getByRole("button", { name: /^Look at/ }).first().click();
    await page.getByText("was refused by the contract").waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-channels-hub`);
  });

  test("a virtual channel, and other assets", async () => {
    const hub = node.channels.list[0]!.peer;
    node.channels.hubs = [{ hub, fee_base: "0.001", connected: true, channels: 1 }];
    await page.getByRole("button", { name: "Open a channel" }).click();
    const form = page.getByRole("form", { name: "Open a channel" });
    await form.getByRole("button", { name: "Put in another asset, too" }).click();
    await form.getByLabel("You put in, TEST").fill("40");
    await form.getByRole("button", { name: "Propose it" }).click();
    await expectFits(page);
    await form.screenshot({ path: join(RESULTS, `${viewport}-${scheme}-channel-assets.png`) });
    await form.getByRole("button", { name: "Virtual, over a hub" }).click();
    await form.getByLabel("With", { exact: true }).fill("byway:peer/abc");
    await form.getByLabel("Over", { exact: true }).selectOption(hub);
    await form.getByLabel("You put in, WAY").fill("1");
    await form.getByRole("button", { name: "See what the hub asks" }).click();
    await page.getByRole("group", { name: "What the hub asks" }).waitFor();
    await expectFits(page);
    await form.screenshot({ path: join(RESULTS, `${viewport}-${scheme}-channel-virtual-form.png`) });
    await page.getByRole("button", { name: "Hide the form" }).click();
    await page.evaluate((hash) => (location.hash = hash), `channels/${node.channels.list[4]!.channel}`);
    await page.locator("#guarantee").waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-channel-virtual`);
  });

  test("a channel", async () => {
    const [open, , old, frozen] = node.channels.list;
    const look = (channel: string) => page.evaluate((hash) => (location.hash = hash), `channels/${channel}`);
    await look(open!.channel);
    await page.getByRole("list", { name: "Contracts" }).waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-channel`);
    await page.getByRole("button", { name: "Add a contract" }).click();
    await page.getByRole("button", { name: /^Call / }).first().click();
    await page.getByLabel("Input in hex").fill("0x4e71d92d");
    await page.getByRole("button", { name: "Look", exact: true }).click();
    await page.getByText("It would return").waitFor();
    await page.getByRole("button", { name: "Close the channel" }).click();
    await page.getByRole("form", { name: "Pay" }).getByRole("button", { name: "Pay" }).click();
    await page.getByText("Enter an amount.").waitFor();
    open!.waiting = 28;
    node.publishChannel(open!);
    await page.getByRole("group", { name: "An update waits" }).waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-channel-forms`);
    await look(old!.channel);
    await page.getByRole("timer").waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-channel-dispute`);
    await look(frozen!.channel);
    await page.getByText("There are two states of one round").waitFor();
    await page.getByRole("button", { name: "Close the channel" }).click();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-channel-frozen`);
  });

  test("network", async () => {
    await page.getByRole("link", { name: "Network", exact: true }).click();
    await page.getByRole("row", { name: /alder/ }).waitFor();
    await page.waitForFunction(() => document.querySelectorAll("#checkpoints tbody tr").length > 2);
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-network`);
    await page.getByRole("link", { name: "Browse", exact: true }).click();
  });

  test("link lost", async () => {
    node.setRpcUp(false);
    await page.getByText("The link to your node is lost.").waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-lost`);
  });

  test("no link", async () => {
    await page.evaluate(() => (localStorage.clear(), sessionStorage.clear()));
    await page.reload();
    await page.getByRole("heading", { name: "Open the link from your node" }).waitFor();
    await expectFits(page);
    await shoot(page, `${viewport}-${scheme}-no-link`);
  });
});

/** No sideways scrolling, and no text or control wider than the page. */
async function expectFits(page: Page): Promise<void> {
  const { scroll, inner } = await page.evaluate(() => ({
    scroll: document.documentElement.scrollWidth, inner: document.documentElement.clientWidth,
  }));
  expect(scroll).toBeLessThanOrEqual(inner);
}

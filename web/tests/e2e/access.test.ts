/** For everyone: what axe finds on each page, and whether anything jumps while a page comes up. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type axe from "axe-core";
import type { Page } from "playwright-core";
import { entry } from "../mock/chat_contents";
import { attachment } from "../mock/chat_files";
import { MockNode } from "../mock/node";
import { Browser, DIST, type Scheme, type Viewport } from "./browser";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const COMBINATIONS: [Viewport, Scheme][] = [["desktop", "light"], ["desktop", "dark"], ["phone", "light"], ["phone", "dark"]];

/** All states one after another, also where other things are built beside it. */
const AXE_TIMEOUT_MS = 180_000;

let node: MockNode;
let browser: Browser;
let page: Page;

beforeEach(async () => {
  node = await MockNode.start({ dist: DIST });
  node.connectDelayMs = 150;
  node.world.sellForDays();
  node.world.sellPlugged("http-fetch");
  node.channels.begin(node.world.pulse.commits);
  node.world.forwards = [
    { to: "127.0.0.1:8080", protocol: "tcp", proxy_protocol: true, public: "203.0.113.7:40017", visitors: 2 },
    { to: "127.0.0.1:22", protocol: "tcp", proxy_protocol: false, visitors: 0, reason: { code: "refused", message: "this exit forwards no ports" } },
  ];
});
afterEach(async () => {
  await browser?.stop();
  await node?.stop();
});

const click = (name: string | RegExp) => page.getByRole("button", { name, exact: typeof name === "string" }).click();
const look = (part: string) => page.evaluate((hash) => (location.hash = hash), part === "" ? "messages" : `messages/${part}`);
const go = (name: string) => page.getByRole("link", { name, exact: true }).click();

/** With all that can be opened open. */
const STATES: [string, () => Promise<void>][] = [
  ["browse", async () => {
    await page.getByRole("list", { name: "Countries" }).waitFor();
    await click("Filters");
    await click(/^Germany/);
    await page.locator("#protection").getByRole("button", { name: "Change" }).click();
    await click("Change limits");
    await click(/^Connect to Germany/);
    await page.getByText("Connected through", { exact: true }).waitFor();
  }],
  ["only what is named", async () => {
    const card = page.locator("#protection");
    await card.getByRole("radio", { name: /^Only what is named/ }).check();
    await card.getByLabel("Sites and networks through").fill("1.2.3");
    await card.getByRole("button", { name: "Save" }).click();
    await card.getByText("“1.2.3” is neither").waitFor();
  }],
  ["only that is protected", async () => {
    const card = page.locator("#protection");
    await card.getByLabel("Sites and networks through").fill("https://blocked.example/");
    await card.getByRole("button", { name: "Save" }).click();
    await card.getByText("All the rest").waitFor();
  }],
  ["paid by time", async () => {
    await page.getByRole("radio", { name: "Time" }).check();
    await page.getByRole("list", { name: "Countries" }).getByText("Finland").waitFor();
    await click("Open a service");
    await page.getByRole("form", { name: "Open a service" }).getByLabel("Name").fill("http-fetch");
    await page.getByText("3 providers sell http-fetch").waitFor();
    await click("Open it");
    await page.getByRole("list", { name: "Open services" }).waitFor();
    await page.getByRole("radio", { name: "Traffic" }).check();
  }],
  ["ports", async () => {
    await click("New forwarded port");
    await click("Ask for it");
    await page.getByText("A port of this machine, as in 8080").waitFor();
    await page.getByRole("list", { name: "Forwarded ports" }).getByText("203.0.113.7:40017").waitFor();
  }],
  ["stopped at a limit", async () => {
    node.stopAtLimit("day");
    await click("Another amount");
    await click("Allow it");
    await page.getByText("Enter an amount.").waitFor();
  }],
  ["hint", async () => {
    await go("Wallet");
    await page.getByText("Something waits for your word.").waitFor();
  }],
  ["put off", async () => {
    await go("Browse");
    await click("Not now");
    await page.getByRole("button", { name: "Answer" }).first().waitFor();
  }],
  ["send", async () => {
    await go("Wallet");
    await click("New sub-account");
    await click("Make it");
    await click("Review");
    await page.getByText("Enter an amount.").first().waitFor();
  }],
  ["invites", async () => {
    await click("Withdraw");
    await click("New invite");
    await page.getByLabel("First coins, WAY").fill("20");
    await page.getByRole("form", { name: "New invite" }).getByRole("button", { name: "Make it" }).click();
    await page.getByRole("img", { name: "QR code of the invite's link" }).waitFor();
    await click("Take back invite 1");
  }],
  ["ask", async () => {
    await click("Receive");
    await click("Ask for an amount");
    await click("Make the link");
    await page.getByText("Not paid yet.").waitFor();
  }],
  ["channels", async () => {
    await page.getByRole("link", { name: /^Channels/ }).click();
    await page.getByRole("button", { name: /^Accept/ }).waitFor();
    await click("Open a channel");
    await click("More options");
    await click("Propose it");
    await page.getByText("Paste the peer's identity or card.").waitFor();
    await click("Show your card");
    await page.getByRole("img", { name: "QR code of your card" }).waitFor();
    await click("Show 1 closed");
  }],
  ["a virtual channel proposed, a hub and contracts on the ledger", async () => {
    node.channels.beginHub();
    node.channels.beginGuaranteeing();
    node.channels.leave();
    // It is still open from before.
    await click("Hide the form");
    await click("Open a channel");
    await click("Put in another asset, too");
    await click("Propose it");
    await page.getByText("One of the two puts some in.").waitFor();
    await click("Virtual, over a hub");
    const form = page.getByRole("form", { name: "Open a channel" });
    await form.getByLabel("With", { exact: true }).fill("byway:peer/abc");
    await form.getByLabel("Over", { exact: true }).selectOption(node.channels.list[0]!.peer);
    await form.getByLabel("You put in, WAY").fill("1");
    await form.getByLabel("For how many days").fill("99");
    await click("See what the hub asks");
    await page.getByText("It would not come about.").waitFor();
    await click("Show 2 declined");
    await page.locator("#ledger-contracts").getByRole("button", { name: /^Look at/ }).first().click();
    await page.getByText("was refused by the contract").waitFor();
  }],
  ["a virtual channel", async () => {
    await page.evaluate((hash) => (location.hash = hash), `channels/${node.channels.list[4]!.channel}`);
    await page.locator("#guarantee").waitFor();
  }],
  ["a channel", async () => {
    const [open] = node.channels.list;
    open!.waiting = 28;
    await page.evaluate((hash) => (location.hash = hash), `channels/${open!.channel}`);
    await page.getByRole("group", { name: "An update waits" }).waitFor();
    await click("Add a contract");
    await click("Add it");
    await page.getByRole("button", { name: /^Call / }).first().click();
    await page.getByLabel("Input in hex").fill("0x4e71d92d");
    await click("Look");
    await page.getByText("It would return").waitFor();
    await click("Let a contract take some");
    await click("Allow it");
    await click("Close the channel");
    await page.getByRole("form", { name: "Pay" }).getByRole("button", { name: "Pay" }).click();
  }],
  ["a channel that is closing", async () => {
    await page.evaluate((hash) => (location.hash = hash), `channels/${node.channels.list[2]!.channel}`);
    await page.getByRole("timer").waitFor();
  }],
  ["a frozen channel", async () => {
    await page.evaluate((hash) => (location.hash = hash), `channels/${node.channels.list[3]!.channel}`);
    await page.getByText("There are two states of one round").waitFor();
    await click("Close the channel");
  }],
  ["provide", async () => {
    await go("Provide");
    await click("Block a destination");
    await click("Change terms");
    await page.locator("#earnings").getByText("0.1095").waitFor();
    await click("Cash out");
    await page.getByRole("form", { name: "Cash out" }).getByLabel("To", { exact: true }).fill(node.world.address);
    await click("Review");
    await page.getByRole("group", { name: "Check the address" }).waitFor();
  }],
  ["messages", async () => {
    node.chat.begin();
    await page.reload();
    await page.getByRole("link", { name: /^Messages/ }).click();
    await page.getByRole("list", { name: "Requests" }).waitFor();
  }],
  ["a conversation", async () => {
    await look(node.chat.people[0]!.conversation!);
    await page.getByText("Shall we meet at eight?").first().waitFor();
    await click("Search in the conversation");
    await page.getByLabel("Search in this conversation").fill("parcel");
    await page.getByText("2 of 2").waitFor();
  }],
  ["about somebody", async () => {
    await click(/^About Ada/);
    await page.getByRole("dialog", { name: "Ada" }).waitFor();
  }],
  ["what can't be shown", async () => {
    await page.keyboard.press("Escape");
    await look(node.chat.people[1]!.conversation!);
    await page.getByText("A hologram, which").waitFor();
  }],
  ["polls, lists and files in a group", async () => {
    const [ada] = node.chat.people;
    const group = node.chat.group("Walk", [ada!]);
    node.chat.say(group, { text: "", kind: "poll", poll: { question: "When?", choices_max: 1, closed: false, options: ["at eight", "at nine"].map((text) => ({ text, people: [ada!.identity], chosen: false })) } });
    node.chat.say(group, { text: "", kind: "list", list: { title: "to bring", style: "tasks", entries: [entry("the map", true), entry("tea")] } }, ada);
    node.chat.say(group, { text: "here", attachments: [attachment("a.pdf"), attachment("b.pdf.exe", { number: 1, state: "here", cautions: ["two_endings"] }), attachment("c.bin", { number: 2, state: "coming", size: 9, fetched: 4 })] }, ada);
    node.chat.tellConversation(group);
    await look(group.conversation.conversation);
    await page.getByText("b.pdf.exe").waitFor();
  }],
  ["an entry that is changed, and what can be played", async () => {
    const [ada] = node.chat.people;
    const talk = node.chat.list().find(({ title }) => title === "Walk")!.conversation;
    const item = node.chat.tell(node.chat.named(talk), { text: "", kind: "voice", levels: [9, 90, 200], attachments: [attachment("voice.wav", { media_type: "audio/wav", state: "here", duration_ms: 1_000 })] }, ada!);
    // The head of a recording, with a second of nothing behind it.
    const head = Buffer.from("524946460000000057415645666d74201000000001000100401f0000401f00000100080064617461401f0000", "hex");
    node.chat.files.set(`${item.message} 0`, Buffer.concat([head, Buffer.alloc(8_000, 128)]));
    await click("Play voice.wav");
    await page.getByRole("slider", { name: "Where it plays" }).waitFor();
    await page.getByRole("button", { name: "tea", exact: true }).click();
    await page.getByLabel("Who is to do it").waitFor();
  }],
  ["pictures that are chosen", async () => {
    await page.locator("input[type=file]").setInputFiles([{ name: "a.heic", mimeType: "image/heic", buffer: Buffer.from("....") }]);
    await page.getByRole("list", { name: "Files to send" }).getByText("can't be taken out").waitFor();
  }],
  ["a voice note that is recorded", async () => {
    await browser.context.grantPermissions(["microphone"]);
    await click("Files, polls, lists");
    await page.getByRole("menuitem", { name: "Voice note" }).click();
    await page.getByRole("timer").waitFor();
  }],
  ["a voice note that is heard", async () => {
    await click("Stop");
    await page.getByRole("button", { name: "Play your voice note" }).waitFor();
  }],
  ["the search", async () => {
    await click("Throw away");
    await page.keyboard.press("Control+k");
    await page.getByRole("searchbox", { name: "Search in all messages" }).fill("e from:");
    await page.getByRole("group", { name: "What from: may be" }).waitFor();
  }],
  ["what was found", async () => {
    await page.getByRole("searchbox", { name: "Search in all messages" }).fill("e");
    await page.getByRole("list", { name: "Found, Today" }).getByRole("button").first().waitFor();
    await page.locator(".found[aria-busy=false]").waitFor();
  }],
  ["a reminder", async () => {
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    const notes = node.chat.notes();
    node.chat.tell(notes, { text: "call Zoe", kind: "memo", remind_ms: Date.now() + 50 }, { ...node.chat.people[0]!, identity: node.world.identity });
    await page.getByRole("list", { name: "Reminders" }).waitFor();
    await look("me");
    await click("Files, polls, lists");
    await page.getByRole("menuitem", { name: "Reminder…" }).click();
    await page.getByLabel("Remind me").waitFor();
  }],
  ["who is in the group", async () => {
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await look(node.chat.list().find(({ title }) => title === "Walk")!.conversation);
    await page.getByRole("button", { name: "Members" }).click();
    await page.getByRole("button", { name: "Add somebody…" }).click();
  }],
  ["asking with a poll", async () => {
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Files, polls, lists" }).click();
    await page.getByRole("menuitem", { name: "Poll…" }).click();
    await page.getByLabel("Question").waitFor();
  }],
  ["a request", async () => {
    await page.keyboard.press("Escape");
    await look(node.chat.people.at(-2)!.identity);
    await page.getByText("asks to talk with you, since").waitFor();
  }],
  ["an invite", async () => {
    await look("new");
    await click("Make the link");
    await page.getByRole("img", { name: "QR code of your invite" }).waitFor();
    await click("Use it");
    await page.getByText("Paste the link that you got.").waitFor();
  }],
  ["preferences", async () => {
    await look("");
    await click("Preferences");
    await page.getByRole("dialog", { name: "Preferences" }).waitFor();
  }],
  ["network", async () => {
    await page.keyboard.press("Escape");
    await go("Network");
    await page.getByRole("row", { name: /alder/ }).waitFor();
  }],
];

test.each(COMBINATIONS)("axe finds nothing, %s, %s", async (viewport, scheme) => {
  browser = await Browser.start(viewport, scheme, "reduce");
  page = await browser.page(node.link);
  for (const [state, reach] of STATES) {
    await reach();
    await page.evaluate(AXE);
    const found = await page.evaluate(async () => {
      const { violations } = await (window as unknown as { axe: typeof axe }).axe.run(document, { resultTypes: ["violations"] });
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
    });
    expect(found, state).toEqual([]);
  }
}, AXE_TIMEOUT_MS);

describe.each(COMBINATIONS.filter(([, scheme]) => scheme === "light"))("%s", (viewport, scheme) => {
  /** What a good page keeps below, as browsers' makers have it. */
  const SHIFT_MAX = 0.1;
  const READY: [string, (page: Page) => Promise<void>][] = [
    ["browse", (page) => page.getByRole("list", { name: "Countries" }).waitFor()],
    ["messages", (page) => page.getByRole("link", { name: "Invite somebody" }).last().waitFor()],
    ["wallet", (page) => page.getByRole("list", { name: "Entries" }).waitFor()],
    ["channels", (page) => page.getByRole("list", { name: "What agreeing means" }).waitFor()],
    ["provide", (page) => page.locator("#blocks").getByText("Nothing beside what is always closed").waitFor()],
    ["network", (page) => page.getByRole("row", { name: /alder/ }).waitFor()],
  ];

  test.each(READY)("nothing jumps while the page %s comes up", async (name, ready) => {
    browser = await Browser.start(viewport, scheme);
    await browser.context.addInitScript(() => {
      Object.assign(window, { shift: 0 });
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) (window as unknown as { shift: number }).shift += (entry as unknown as { value: number }).value;
      }).observe({ type: "layout-shift", buffered: true });
    });
    page = await browser.page(node.link);
    await page.getByRole("list", { name: "Countries" }).waitFor();
    const fresh = await browser.page(`http://127.0.0.1:${node.webPort}/#${name}`);
    await ready(fresh);
    expect(await fresh.evaluate(() => (window as unknown as { shift: number }).shift)).toBeLessThan(SHIFT_MAX);
  });
});

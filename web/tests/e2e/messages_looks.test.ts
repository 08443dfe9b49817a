/** The page *Messages* in every combination of size and theme: nothing sticks out, and a picture of each state. */

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Page } from "playwright-core";
import type { ChatPerson } from "@byway/client";
import { entry } from "../mock/chat_contents";
import { attachment } from "../mock/chat_files";
import { MockNode } from "../mock/node";
import { Browser, DIST, RESULTS, type Scheme, type Viewport } from "./browser";

/** One pixel. */
const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
const COMBINATIONS: [Viewport, Scheme][] = [["desktop", "light"], ["desktop", "dark"], ["phone", "light"], ["phone", "dark"]];

describe.each(COMBINATIONS)("%s, %s", (viewport, scheme) => {
  let node: MockNode;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    node = await MockNode.start({ dist: DIST });
    browser = await Browser.start(viewport, scheme);
    page = await browser.page(node.link);
    await page.getByRole("list", { name: "Countries" }).waitFor();
  });
  afterAll(async () => {
    await browser?.stop();
    await node?.stop();
  });

  const look = (part: string): Promise<string> => page.evaluate((hash) => (location.hash = hash), part === "" ? "messages" : `messages/${part}`);

  /** Nothing is wider than the page or than what it stands in, and a picture. */
  async function shoot(name: string): Promise<void> {
    const wide = await page.evaluate(() => {
      const root = document.documentElement;
      const sticksOut = (element: Element): boolean => element.getBoundingClientRect().right > root.clientWidth + 1;
      const all = [...document.querySelectorAll(".messages *, dialog *")].filter((element) => !element.closest(".visually-hidden, pre, bdi") && sticksOut(element));
      return { isPageWide: root.scrollWidth > root.clientWidth, isPageHigh: root.scrollHeight > root.clientHeight, sticking: all.map((element) => element.outerHTML.slice(0, 120)) };
    });
    await page.screenshot({ path: join(RESULTS, `${viewport}-${scheme}-messages-${name}.png`) });
    expect(wide).toEqual({ isPageWide: false, isPageHigh: false, sticking: [] });
  }

  test("nobody yet, and an invite", async () => {
    await look("");
    await page.getByRole("link", { name: "Invite somebody" }).last().waitFor();
    await shoot("none");
    await look("new");
    await page.getByRole("button", { name: "Make the link" }).click();
    await page.getByRole("img", { name: "QR code of your invite" }).waitFor();
    await page.getByRole("button", { name: "Use it" }).click();
    await page.getByText("Paste the link that you got.").waitFor();
    await shoot("invite");
  });

  test("the list, and a request", async () => {
    node.chat.begin();
    const fei = node.chat.person("费 · 🌱 · فاطمة · " + "W".repeat(60), { online: true });
    const talk = node.chat.talk(fei);
    node.chat.say(talk, { text: "W".repeat(400) }, fei);
    talk.conversation.unread = 1_234;
    await page.reload();
    await look("");
    await page.getByRole("list", { name: "Requests" }).waitFor();
    await shoot("list");
    await look(node.chat.people.find(({ standing }) => standing === "asking")!.identity);
    await page.getByText("asks to talk with you, since").waitFor();
    await shoot("request");
  });

  test("a conversation", async () => {
    const ada = node.chat.people[0]!;
    const talk = node.chat.named(ada.conversation!);
    const said = node.chat.say(talk, { text: `# Plan\n1. one\n2. **two** with \`code\`\n\n> quoted ${"long ".repeat(40)}\n\n\`\`\`\nfn main() { println!("${"x".repeat(120)}"); }\n\`\`\`` }, ada);
    node.chat.say(talk, { text: `${"Donaudampfschifffahrt".repeat(12)} https://a.example/${"path/".repeat(60)}`, reply: said.message, edited: true, received: [ada.identity],
      reactions: ["👍", "❤️", "🎉", "🚀", "💯", "👀", "🔥"].map((emoji, at) => ({ emoji, people: at % 2 ? [ada.identity] : [ada.identity, node.world.identity] })) });
    node.chat.say(talk, { text: "השעה 12:30, [כאן](https://maps.example)", sent_ms: Date.now() }, ada);
    node.chat.say(talk, { text: "天気がいいから、散歩しましょう。".repeat(6) });
    await page.reload();
    await look(ada.conversation!);
    await page.getByText("散歩").last().waitFor();
    await shoot("conversation");
    await page.locator(".scroll").evaluate((box) => (box.scrollTop = 0));
    await page.getByText("This is where the conversation begins.").waitFor();
    await shoot("beginning");
    await page.getByText("Shall we meet").first().locator("xpath=ancestor::li[@data-message]").getByRole("button", { name: /^What to do/ }).click();
    await page.getByRole("menuitem", { name: "More emoji" }).click();
    await shoot("menu");
    await page.getByRole("menuitem", { name: /^Answer( R)?$/ }).click();
    await page.getByRole("textbox", { name: "Message to Ada" }).fill("several\nlines\nof text");
    await page.getByRole("button", { name: "Search in the conversation" }).click();
    await page.getByLabel("Search in this conversation").fill("meet");
    await shoot("answer");
    await page.getByRole("button", { name: "Close the search" }).click();
    await page.getByRole("button", { name: /parcel\.example/ }).click();
    await page.getByRole("dialog", { name: "Open this page?" }).waitFor();
    await shoot("link");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: /^About Ada/ }).click();
    await page.getByRole("dialog", { name: "Ada" }).waitFor();
    await shoot("person");
    await page.keyboard.press("Escape");
  });

  test("the search", async () => {
    await look("");
    await page.getByRole("button", { name: "Search in all messages" }).click();
    const sheet = page.getByRole("dialog", { name: "Search" });
    await sheet.getByText("In all that was said").waitFor();
    await shoot("search-empty");
    await sheet.getByLabel("Search in all messages").fill("a from:");
    await sheet.getByRole("group", { name: "What from: may be" }).waitFor();
    await shoot("search-filter");
    await sheet.getByLabel("Search in all messages").fill("a");
    await sheet.locator("button.row").nth(3).waitFor();
    await shoot("search");
    await page.keyboard.press("Escape");
    await sheet.waitFor({ state: "detached" });
  });

  test("polls, lists, files and groups", async () => {
    const people = [...node.chat.people.slice(0, 2), node.chat.made("Zoe", { conversation: null })];
    const [ada, bob, zoe] = people as [ChatPerson, ChatPerson, ChatPerson];
    const talk = node.chat.group(`Sunday walk ${"with a long name ".repeat(4)}`, people, "admin");
    talk.conversation.pinned = true;
    const own = node.world.identity;
    node.chat.say(talk, { text: "", kind: "poll", poll: { question: `When do we meet? ${"And where? ".repeat(8)}`, choices_max: 2, closed: false, closes_ms: Date.now() + 7_200_000, options: [
      { text: "at eight", people: [ada.identity, own], chosen: true }, { text: `at nine ${"or later ".repeat(12)}`, people: [bob.identity], chosen: false }, { text: "W".repeat(80), people: [], chosen: false }] } }, zoe);
    node.chat.say(talk, { text: "", kind: "list", list: { title: "To bring", style: "things", entries: [entry("the map", true), { ...entry("tea, and something to eat with it that does not melt"), assignee: ada.identity }, entry("W".repeat(70))] } });
    const said = node.chat.say(talk, { text: "from the lake", attachments: [
      attachment("lake.png", { media_type: "image/png", state: "here", width: 1600, height: 1000, size: PNG.length }),
      attachment(`${"very-long-name-".repeat(8)}report.pdf.exe`, { number: 1, state: "away", size: 2_400_000, cautions: ["two_endings"] }),
      attachment("film.webm", { number: 2, media_type: "video/webm", state: "coming", size: 9_000_000, fetched: 4_000_000 })] }, ada);
    node.chat.files.set(`${said.message} 0`, PNG);
    node.chat.say(talk, { text: "", kind: "voice", levels: Array.from({ length: 60 }, (_, at) => Math.round(128 + 120 * Math.sin(at))), attachments: [attachment("voice.ogg", { media_type: "audio/ogg", state: "here", duration_ms: 12_000 })] }, bob);
    await page.reload();
    await look(talk.conversation.conversation);
    await page.getByRole("button", { name: "Save voice.ogg" }).waitFor();
    node.chat.publish("sign", { conversation: talk.conversation.conversation, person: zoe.identity, typing: true, until_ms: Date.now() + 600_000 });
    await page.getByText("Zoe is writing…").waitFor();
    await page.locator("input[type=file]").setInputFiles([{ name: `${"chosen-".repeat(20)}.png`, mimeType: "image/png", buffer: PNG }, { name: "b.txt", mimeType: "text/plain", buffer: PNG }]);
    await page.getByRole("list", { name: "Files to send" }).getByText("b.txt").waitFor();
    await shoot("group");
    await page.locator(".picture").scrollIntoViewIfNeeded();
    await page.getByRole("img", { name: "lake.png", exact: true }).waitFor();
    await shoot("files");
    await page.locator(".scroll").evaluate((box) => (box.scrollTop = 0));
    await page.getByText("This is where the conversation begins.").waitFor();
    await shoot("poll");
    await page.getByRole("button", { name: /^tea, and something/ }).click();
    await shoot("entry");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Files, polls, lists" }).click();
    await shoot("make");
    await browser.context.grantPermissions(["microphone"]);
    await page.getByRole("menuitem", { name: "Voice note" }).click();
    await page.getByRole("timer").waitFor();
    await shoot("recording");
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByRole("button", { name: "Play your voice note" }).waitFor();
    await shoot("recorded");
    await page.getByRole("button", { name: "Throw away" }).click();
    await page.getByRole("button", { name: "Files, polls, lists" }).click();
    await page.getByRole("menuitem", { name: "Poll…" }).click();
    await page.getByRole("button", { name: "Ask" }).click();
    await page.getByText("Write the question.").waitFor();
    await shoot("ask");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Members" }).click();
    await page.getByRole("button", { name: "Add somebody…" }).click();
    await shoot("members");
    await page.keyboard.press("Escape");
    await look("new");
    await page.getByRole("checkbox", { name: "Ada" }).scrollIntoViewIfNeeded();
    await shoot("found");
    await look("me");
    await page.getByRole("heading", { name: "Notes to yourself" }).waitFor();
    await shoot("notes");
    const notes = node.chat.notes();
    node.chat.tell(notes, { text: `call Zoe ${"about the walk ".repeat(12)}`, kind: "memo", remind_ms: Date.now() + 100 }, { ...zoe, identity: own });
    await page.getByRole("list", { name: "Reminders" }).waitFor();
    await page.getByRole("button", { name: "Files, polls, lists" }).click();
    await page.getByRole("menuitem", { name: "Reminder…" }).click();
    await page.getByRole("button", { name: "Tomorrow morning" }).click();
    await shoot("reminder");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.getByRole("button", { name: /^Put aside/ }).click();
  });

  test("what can't be shown, other alphabets, and the sheets", async () => {
    await look(node.chat.people[1]!.conversation!);
    await page.getByText("A hologram, which").waitFor();
    await shoot("unknown");
    await look(node.chat.people.find(({ name }) => name === "ليلى")!.conversation!);
    await page.getByText("花火").last().waitFor();
    await shoot("alphabets");
    await look("");
    await page.getByRole("button", { name: "Preferences" }).click();
    await page.getByRole("dialog", { name: "Preferences" }).waitFor();
    await shoot("preferences");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "By keyboard" }).waitFor();
    await shoot("keys");
    await page.keyboard.press("Escape");
  });
});

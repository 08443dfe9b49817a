/** The page *Messages* against the mock node: people, conversations, and what is said in them. */

import { describe, expect, test } from "vitest";
import type { Locator } from "playwright-core";
import { MethodError } from "../mock/error";
import { Stage } from "./stage";

const stage = new Stage();
const conversations = (): Locator => stage.page.getByRole("list", { name: "Conversations" });
const messages = (): Locator => stage.page.getByRole("list", { name: "Messages" });
const message = (text: string): Locator => messages().locator("li.message", { hasText: text });
const field = (name: string): Locator => stage.page.getByRole("textbox", { name: `Message to ${name}` });

async function begin(): Promise<void> {
  stage.node.chat.begin();
  await stage.openPage("Messages");
}

async function openTalk(name: string): Promise<void> {
  await conversations().getByRole("link", { name: new RegExp(name) }).click();
  await messages().locator("li.message").last().waitFor();
}

async function talkWith(messagesThere: number): Promise<{ ada: ReturnType<typeof stage.node.chat.person>; talk: ReturnType<typeof stage.node.chat.talk> }> {
  const ada = stage.node.chat.person("Ada", { online: true });
  const talk = stage.node.chat.talk(ada, messagesThere);
  await stage.openPage("Messages");
  await openTalk("Ada");
  return { ada, talk };
}

describe("people", () => {
  test("a node that knows nobody says what to do first, and makes a link", async () => {
    await stage.openPage("Messages");
    await stage.page.getByRole("heading", { name: "Talk with somebody" }).waitFor();
    await stage.page.getByRole("link", { name: "Invite somebody" }).last().click();
    await stage.page.getByLabel("For whom, for yourself").fill("Ada");
    await stage.button("Make the link").click();
    await stage.page.getByRole("img", { name: "QR code of your invite" }).waitFor();
    expect(stage.lastCall("chat_invite")).toEqual({ days: 7, note: "Ada" });
  });

  test("a link that was given is used, and a wrong one is told in words", async () => {
    await stage.openPage("Messages");
    await stage.page.keyboard.press("n");
    await stage.page.getByLabel(/^An invite/).fill("byway:pay/00");
    await stage.button("Use it").click();
    await stage.page.getByText(/^It is no link of a conversation .* Correct it and try again\.$/).waitFor();
    await stage.page.getByLabel(/^An invite/).fill("byway:chat/00ff");
    await stage.button("Use it").click();
    await stage.page.getByText(/^was asked/).waitFor();
    await stage.page.getByRole("list", { name: "People without a conversation" }).getByText("has not answered yet").waitFor();
  });

  test("who asks is agreed to, and the conversation opens", async () => {
    await begin();
    await stage.page.getByRole("list", { name: "Requests" }).getByRole("link").click();
    await stage.page.getByText(/^asks to talk with you, since/).waitFor();
    await stage.button("Agree").click();
    await field("Mallory").waitFor();
    await stage.page.getByText("Nothing said yet. Whatever you write").waitFor();
    await expect.poll(() => stage.page.title()).toBe("(2) Messages · Byway");
  });

  test("who asks is blocked, and heard again", async () => {
    await begin();
    await stage.page.getByRole("list", { name: "Requests" }).getByRole("link").click();
    await stage.button("Block").click();
    await stage.page.getByText(/^is blocked/).waitFor();
    await stage.page.getByRole("list", { name: "Requests" }).waitFor({ state: "detached" });
    await stage.button("Preferences").click();
    await stage.page.getByRole("list", { name: "Blocked people" }).getByRole("link", { name: "Look" }).click();
    await stage.button("Hear them again").click();
    await expect.poll(() => stage.lastCall("chat_block")).toMatchObject({ blocked: false });
  });

  test("somebody is called otherwise, and blocked from the conversation", async () => {
    await begin();
    await openTalk("Ada");
    await stage.button(/^About Ada/).click();
    const sheet = stage.page.getByRole("dialog", { name: "Ada" });
    await sheet.getByLabel("Safety number", { exact: true }).waitFor();
    await sheet.getByLabel("What you call them").fill("Countess");
    await sheet.getByRole("button", { name: "Save" }).click();
    await stage.page.getByText("They call themselves").waitFor();
    await conversations().getByText("Countess").waitFor();
    await stage.button("Block…").click();
    await stage.button("Block Countess").click();
    await conversations().getByText("Countess").waitFor({ state: "detached" });
    await stage.page.evaluate((part) => (location.hash = `messages/${part}`), stage.node.chat.people[0]!.conversation!);
    await stage.page.getByText("Countess is blocked.").waitFor();
    expect(await stage.page.getByRole("textbox", { name: /^Message to/ }).count()).toBe(0);
  });

  test("whose safety number or words match is marked, in the list too", async () => {
    await begin();
    await openTalk("Ada");
    await stage.button(/^About Ada/).click();
    const sheet = stage.page.getByRole("dialog", { name: "Ada" });
    expect(await sheet.getByLabel("Safety words", { exact: true }).textContent()).toMatch(/^([a-z]+ ){12}$/);
    expect(await stage.page.getByRole("img", { name: "Verified" }).count()).toBe(0);
    await sheet.getByRole("button", { name: "They match" }).click();
    await sheet.getByText("You have compared them.").waitFor();
    expect(stage.lastCall("chat_verify")).toMatchObject({ matches: true });
    await conversations().getByRole("img", { name: "Verified" }).waitFor();
    await stage.page.getByRole("region", { name: "Conversation with Ada" }).getByRole("img", { name: "Verified" }).waitFor();
    await sheet.getByRole("button", { name: "Forget that" }).click();
    await stage.page.getByRole("img", { name: "Verified" }).first().waitFor({ state: "detached" });
    await sheet.getByRole("button", { name: "They match" }).waitFor();
  });

  test("two names that look alike are told apart", async () => {
    const one = stage.node.chat.person("Paypal");
    const other = stage.node.chat.person("Раураl", { looks_like: { identity: one.identity, name: "Paypal", in_directory: false } });
    one.looks_like = { identity: other.identity, name: "Раураl", in_directory: false };
    [one, other].forEach((person) => stage.node.chat.talk(person));
    await stage.openPage("Messages");
    for (const { identity } of stage.node.chat.people) await conversations().getByText(`${identity.slice(0, 6)}…${identity.slice(-4)}`).waitFor();
  });
});

describe("a conversation", () => {
  test("what is written is sent under a key, and a new line isn't", async () => {
    const { talk } = await talkWith(3);
    await field("Ada").pressSequentially("one");
    await stage.page.keyboard.press("Shift+Enter");
    await stage.page.keyboard.type("**two**");
    await stage.page.keyboard.press("Enter");
    await message("one").locator("strong", { hasText: "two" }).waitFor();
    expect(stage.lastCall("chat_send")).toMatchObject({ to: talk.conversation.conversation, text: "one\n**two**", idempotency_key: expect.stringMatching(/^[0-9a-f]{32}$/) });
    expect(await field("Ada").inputValue()).toBe("");
    await message("one").getByText("Sent, has not arrived yet").waitFor({ state: "attached" });
    const said = stage.node.chat.at(talk, 3);
    stage.node.chat.change(talk, { ...said, received: [talk.conversation.peer!] });
    await message("one").getByText("Arrived").waitFor({ state: "attached" });
    stage.node.chat.change(talk, { ...said, received: [talk.conversation.peer!], read: [talk.conversation.peer!] });
    await message("one").getByText("Read", { exact: true }).waitFor({ state: "attached" });
  });

  test("what was not sent stays, and goes out once when it is tried again", async () => {
    const { talk } = await talkWith(1);
    stage.node.failNext("chat_send", new MethodError(1500, "busy", "The node is busy. Try again."));
    await field("Ada").fill("important");
    await stage.page.keyboard.press("Enter");
    await stage.page.getByText("Not sent. The node is busy. Try again.").waitFor();
    const first = stage.lastCall("chat_send") as { idempotency_key: string };
    await stage.button("Try again").click();
    await message("important").waitFor();
    await stage.page.getByRole("group", { name: "Not sent yet" }).waitFor({ state: "detached" });
    expect(stage.lastCall("chat_send")).toMatchObject({ idempotency_key: first.idempotency_key });
    expect(talk.conversation.messages).toBe(2);
  });

  test("a message is answered, reacted to, edited and deleted", async () => {
    await begin();
    await openTalk("Ada");
    await message("Shall we meet").first().hover();
    await message("Shall we meet").first().getByRole("button", { name: /^Answer this message/ }).click();
    await stage.page.getByText("Answering Ada").waitFor();
    await field("Ada").fill("Certainly");
    await stage.page.keyboard.press("Enter");
    await message("Certainly").getByRole("button", { name: /answers/ }).getByText("Shall we meet at eight?").waitFor();
    await message("Shall we meet").first().getByRole("button", { name: /^What to do/ }).click();
    await stage.page.getByRole("menuitem", { name: "React with 🙏" }).click();
    const reaction = message("Shall we meet").first().getByRole("button", { name: "🙏 by you" });
    await reaction.click();
    await reaction.waitFor({ state: "detached" });
    await field("Ada").focus();
    await stage.page.keyboard.press("ArrowUp");
    await stage.page.getByText("Editing").waitFor();
    expect(await field("Ada").inputValue()).toBe("Certainly");
    await field("Ada").fill("Certainly not");
    await stage.page.keyboard.press("Enter");
    await message("Certainly not").getByText("edited").waitFor();
    await message("Certainly not").getByRole("button", { name: /^What to do/ }).click();
    await stage.page.getByRole("menuitem", { name: "Delete…" }).click();
    await stage.page.getByRole("menuitem", { name: "Delete it here and for them" }).click();
    await messages().getByText("This message was deleted.").waitFor();
    await message("Certainly not").waitFor({ state: "detached" });
  });

  test("a draft stays with its conversation, over a reload", async () => {
    await begin();
    await openTalk("Ada");
    await field("Ada").fill("half a thou");
    await openTalk("ليلى");
    await conversations().getByText("Draft:").waitFor();
    await stage.page.reload();
    await openTalk("Ada");
    expect(await field("Ada").inputValue()).toBe("half a thou");
  });

  test("what this page can't show is shown as what it is", async () => {
    await begin();
    await openTalk("Bob");
    await messages().getByText("A hologram, which this page can't show.").waitFor();
    await messages().getByText("This message was deleted.").waitFor();
    await message("I'll be late").getByText("edited").waitFor();
  });

  test("what is new is told, counted, and read when it is looked at", async () => {
    const { ada, talk } = await talkWith(2);
    stage.node.chat.tell(talk, { text: "right *now*" }, ada);
    await message("right now").waitFor();
    await stage.page.getByRole("status").filter({ hasText: "Ada: right now" }).waitFor({ state: "attached" });
    await expect.poll(() => stage.lastCall("chat_mark")).toEqual({ to: talk.conversation.conversation, tell: true });
    await stage.button("Preferences").click();
    await stage.page.getByLabel(/Tell others what I have read/).uncheck();
    await stage.page.keyboard.press("Escape");
    stage.node.chat.tell(talk, { text: "secretly" }, ada);
    await expect.poll(() => stage.lastCall("chat_mark")).toEqual({ to: talk.conversation.conversation, tell: false });
    await stage.page.goto(`${stage.node.link.split("#")[0]}#wallet`);
    await stage.page.getByRole("heading", { level: 1, name: "Wallet" }).waitFor();
    stage.node.chat.tell(talk, { text: "elsewhere" }, ada);
    await stage.page.getByRole("link", { name: "Messages , 1 not read" }).waitFor();
    await expect.poll(() => stage.page.title()).toBe("(1) Wallet · Byway");
  });

  test("what was said while the link was down is there when it is back", async () => {
    const { ada, talk } = await talkWith(2);
    stage.node.setRpcUp(false);
    await stage.page.getByText("The link to your node is lost.").waitFor();
    stage.node.chat.say(talk, { text: "you missed this" }, ada);
    stage.node.setRpcUp(true);
    await message("you missed this").waitFor();
  });
});

describe("hostile text", () => {
  test("HTML is text, a link says where it leads before it is opened, and nothing is fetched", async () => {
    const { ada, talk } = await talkWith(1);
    const asked: string[] = [];
    stage.page.on("request", (request) => asked.push(request.url()));
    stage.node.chat.tell(talk, { text: '<img src="https://evil.example/p.png" onerror="document.title=1"> ![](https://evil.example/q.png) [https://bank.example](https://evil.example/x)\n<script>document.title=2</script>' }, ada);
    await message("<script>document.title=2</script>").waitFor();
    expect(await messages().locator("img, script, iframe, a").count()).toBe(0);
    await messages().getByRole("button", { name: "https://bank.example" }).click();
    const sheet = stage.page.getByRole("dialog", { name: "Open this page?" });
    await sheet.getByText("Its text names bank.example, and it leads elsewhere.").waitFor();
    expect(await sheet.getByRole("link", { name: "Open it" }).getAttribute("href")).toBe("https://evil.example/x");
    expect(await sheet.getByRole("link", { name: "Open it" }).getAttribute("rel")).toContain("noopener");
    await stage.page.keyboard.press("Escape");
    await sheet.waitFor({ state: "detached" });
    expect(asked).toEqual([]);
    expect(await stage.page.title()).toContain("Messages");
    expect(stage.browser.faults).toEqual([]);
  });

  test("no word is wider than the page, and no text turns what stands beside it", async () => {
    const { ada, talk } = await talkWith(1);
    stage.node.chat.tell(talk, { text: `${"W".repeat(3_000)} \u202etxt.exe` }, ada);
    await message("txt.exe").waitFor();
    const widths = await messages().evaluate((list) => [list.scrollWidth, list.clientWidth]);
    expect(widths[0]).toBeLessThanOrEqual(widths[1]!);
    expect(await message("txt.exe").textContent()).not.toContain("\u202e");
  });
});

test("conversations are searched by name and newest message, and messages within what is shown", async () => {
  await begin();
  const search = stage.page.getByLabel("Search people and conversations");
  await search.fill("late garden");
  await expect.poll(() => conversations().getByRole("link").count()).toBe(1);
  await search.fill("nobody at all");
  await stage.page.getByText("Nothing has").waitFor();
  await search.press("Escape");
  await openTalk("Ada");
  await stage.page.keyboard.press("Control+Shift+F");
  await stage.page.getByLabel("Search in this conversation").fill("PARCEL");
  await stage.page.getByText("2 of 2 in 5 messages").waitFor();
  await stage.page.keyboard.press("Enter");
  await stage.page.getByText("1 of 2 in 5 messages").waitFor();
  expect(await messages().locator(".pointed").textContent()).toContain("Did the parcel come?");
  await stage.page.keyboard.press("Escape");
  await stage.page.getByRole("search").waitFor({ state: "detached" });
});

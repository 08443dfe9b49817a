/** Who writes and is there, what others hear, and what is kept of conversations on the page *Messages*. */

import { expect, test } from "vitest";
import type { Locator } from "playwright-core";
import { MethodError } from "../mock/error";
import { Stage } from "./stage";

const stage = new Stage();
const conversations = (): Locator => stage.page.getByRole("list", { name: "Conversations" });
const row = (name: string): Locator => conversations().getByRole("listitem").filter({ hasText: name });
const field = (): Locator => stage.page.getByRole("textbox", { name: "Message to Ada" });
const header = (): Locator => stage.page.locator(".conversation > header");
const called = (method: string): unknown[] => stage.node.calls.filter((call) => call.method === method).map(({ params }) => params);

async function talk(messages = 2): Promise<{ ada: ReturnType<typeof stage.node.chat.person>; talk: ReturnType<typeof stage.node.chat.talk> }> {
  const ada = stage.node.chat.person("Ada", { online: true });
  const talk = stage.node.chat.talk(ada, messages);
  stage.node.chat.talk(stage.node.chat.person("Bob"), 1);
  await stage.openPage("Messages");
  await conversations().getByRole("link", { name: /Ada/ }).click();
  await field().waitFor();
  return { ada, talk };
}

async function choose(name: string, what: string): Promise<void> {
  await row(name).hover();
  await row(name).getByRole("button", { name: `What to do with ${name}` }).click();
  await stage.page.getByRole("menuitem", { name: what }).click();
}

test("who writes is shown until they have said it, and what they are", async () => {
  const { ada, talk: with_ada } = await talk();
  const sign = { conversation: with_ada.conversation.conversation, person: ada.identity, until_ms: Date.now() + 600_000 };
  stage.node.chat.publish("sign", { ...sign, typing: true });
  await header().getByText("is writing…").waitFor();
  stage.node.chat.tell(with_ada, { text: "there" }, ada);
  await header().getByText("here now").waitFor();
  stage.node.chat.publish("sign", { ...sign, presence: "busy" });
  await header().getByText("busy").waitFor();
});

test("that one writes is said until it is sent, and that one is here while the page is", async () => {
  const { talk: with_ada } = await talk();
  const to = with_ada.conversation.conversation;
  await field().fill("hello");
  await expect.poll(() => called("chat_typing")).toEqual([{ to, typing: true }]);
  await stage.page.keyboard.press("Enter");
  await expect.poll(() => called("chat_typing")).toEqual([{ to, typing: true }, { to, typing: false }]);
  await expect.poll(() => called("chat_presence")).toEqual([{ presence: "here" }]);
  await stage.page.getByRole("link", { name: /^Wallet/ }).click();
  await expect.poll(() => called("chat_presence")).toEqual([{ presence: "here" }, { presence: "away" }]);
});

test("what others hear is chosen, and what they may not hear is not said", async () => {
  stage.node.chat.tells = { typing: true, presence: false, read_marks: true };
  const { ada, talk: with_ada } = await talk();
  await stage.button("Preferences").click();
  expect(await stage.page.getByLabel(/Tell others that I am here/).isChecked()).toBe(false);
  await stage.page.getByLabel(/Tell others that I am writing/).uncheck();
  await expect.poll(() => stage.lastCall("chat_tells")).toEqual({ typing: false });
  stage.node.failNext("chat_tells", new MethodError(1500, "busy", "The node is busy. Try again."));
  await stage.page.getByLabel(/Tell others that I am here/).click();
  await stage.page.getByText("The node is busy. Try again.").waitFor();
  expect(await stage.page.getByLabel(/Tell others that I am here/).isChecked()).toBe(false);
  await stage.page.keyboard.press("Escape");
  await field().pressSequentially("secretly");
  await stage.page.keyboard.press("Enter");
  stage.node.chat.tell(with_ada, { text: "seen" }, ada);
  await expect.poll(() => called("chat_mark").length).toBe(1);
  expect([called("chat_typing"), called("chat_presence")]).toEqual([[], []]);
});

test("a draft is kept by the node, and there on another page of it", async () => {
  const { talk: with_ada } = await talk();
  await field().fill("half a thou");
  await expect.poll(() => stage.lastCall("chat_keep")).toEqual({ to: with_ada.conversation.conversation, draft: "half a thou" });
  await stage.page.reload();
  await field().waitFor();
  await expect.poll(() => field().inputValue()).toBe("half a thou");
  await field().press("Enter");
  await expect.poll(() => stage.lastCall("chat_keep")).toEqual({ to: with_ada.conversation.conversation, draft: "" });
});

test("a conversation is pinned, muted and marked as unread in the list", async () => {
  const { talk: with_ada } = await talk();
  const titles = (): Promise<string[]> => conversations().locator(".name").allTextContents();
  stage.node.chat.tell(with_ada, { text: "newest" }, stage.node.chat.people[0]!);
  await expect.poll(titles).toEqual(["Ada", "Bob"]);
  await choose("Bob", "Pin");
  await expect.poll(titles).toEqual(["Bob", "Ada"]);
  await row("Bob").getByRole("img", { name: "Pinned" }).waitFor();
  await choose("Ada", "Mute for 8 hours");
  await row("Ada").getByRole("img", { name: "Muted" }).waitFor();
  await choose("Ada", "Unmute");
  await row("Ada").getByRole("img", { name: "Muted" }).waitFor({ state: "detached" });
  await choose("Ada", "Mark as unread");
  await row("Ada").getByText(", marked as unread").waitFor({ state: "attached" });
  await expect.poll(() => stage.page.title()).toBe("(1) Messages · Byway");
  await conversations().getByRole("link", { name: /Ada/ }).click();
  await row("Ada").getByText(", marked as unread").waitFor({ state: "detached" });
  stage.node.failNext("chat_keep", new MethodError(1500, "busy", "The node is busy. Try again."));
  await choose("Bob", "Unpin");
  await stage.page.getByText("The node is busy. Try again.").waitFor();
});

test("what is answered is quoted wherever it stands, and led to", async () => {
  const { ada, talk: with_ada } = await talk(900);
  stage.node.chat.tell(with_ada, { text: "as I said", reply: stage.node.chat.at(with_ada, 7).message }, ada);
  const quote = stage.page.locator("li.message", { hasText: "as I said" }).getByRole("button", { name: /answers/ });
  await quote.getByText("Message 7", { exact: true }).waitFor();
  expect(called("chat_show").length).toBe(1);
  await quote.click();
  await stage.page.locator("li.message.pointed", { hasText: "Message 7" }).waitFor();
});

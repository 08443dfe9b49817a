/** Polls, lists and notes on the page *Messages*: made at the field, and used in place. */

import { expect, test } from "vitest";
import type { Locator } from "playwright-core";
import type { ChatItem, ChatPerson } from "@byway/client";
import { MethodError } from "../mock/error";
import { entry } from "../mock/chat_contents";
import { Stage } from "./stage";

const stage = new Stage();
const messages = (): Locator => stage.page.getByRole("list", { name: "Messages" });
const newest = (): Locator => stage.newest();

const option = (name: RegExp): Locator => newest().locator("fieldset input").and(stage.page.getByRole("radio", { name }).or(stage.page.getByRole("checkbox", { name })));

async function choose(what: string): Promise<void> {
  await stage.button("Files, polls, lists").click();
  await stage.page.getByRole("menuitem", { name: what }).click();
}

test("a poll is asked, voted in, taken back, and closed", async () => {
  const { ada, talk: with_ada } = await stage.talk();
  await choose("Poll…");
  await stage.page.getByLabel("Question").fill("When?");
  await stage.page.getByLabel(/^Options/).fill("at eight");
  await stage.button("Ask").click();
  await stage.page.getByText("Write at least two options that differ.").waitFor();
  await stage.page.getByLabel(/^Options/).fill("at eight\nat nine\n");
  await stage.button("Ask").click();
  await stage.page.getByRole("dialog").waitFor({ state: "detached" });
  expect(stage.lastCall("chat_poll")).toEqual({
    to: with_ada.conversation.conversation, question: "When?", options: ["at eight", "at nine"], choices_max: 1, idempotency_key: expect.stringMatching(/^[0-9a-f]{32}$/),
  });
  await newest().getByRole("group", { name: "When?" }).waitFor();
  await option(/^at nine/).click();
  await newest().getByText("1 has voted").waitFor();
  expect(await option(/^at nine/).isChecked()).toBe(true);
  const asked = stage.node.chat.at(with_ada, 2);
  const [eight, nine] = asked.poll!.options;
  stage.node.chat.change(with_ada, { ...asked, poll: { ...asked.poll!, options: [{ ...eight!, people: [ada.identity] }, nine!] } });
  await newest().getByText("2 have voted").waitFor();
  await option(/^at nine/).click();
  await newest().getByText("1 has voted").waitFor();
  expect(stage.lastCall("chat_vote")).toMatchObject({ message: asked.message, choices: [] });
  await newest().getByRole("button", { name: "Close the poll…" }).click();
  await newest().getByRole("button", { name: "Close it for good" }).click();
  await newest().getByText("Closed", { exact: true }).waitFor();
  expect(await option(/^at nine/).isEnabled()).toBe(false);
});

test("in somebody else's poll of several choices no more can be chosen than it allows, and it is theirs to close", async () => {
  const { ada, talk: with_ada } = await stage.talk();
  stage.node.chat.tell(with_ada, { text: "", kind: "poll", poll: { question: "<b>Which?</b>", choices_max: 2, closed: false, options: ["one", "two", "three"].map((text) => ({ text, people: [], chosen: false })) } }, ada);
  await newest().getByRole("group", { name: "<b>Which?</b>" }).waitFor();
  await option(/^one/).click();
  await option(/^two/).click();
  await expect.poll(() => option(/^three/).isEnabled()).toBe(false);
  expect(stage.lastCall("chat_vote")).toMatchObject({ choices: [0, 1] });
  expect(await newest().getByRole("button", { name: /^Close/ }).count()).toBe(0);
  stage.node.failNext("chat_vote", new MethodError(1625, "poll_closed", "The poll is closed."));
  await option(/^one/).click();
  await newest().getByRole("alert").getByText("The poll is closed.").waitFor();
  expect(await option(/^one/).isChecked()).toBe(true);
});

test("a list is begun, checked, added to, written anew, and taken from", async () => {
  const { talk: with_ada } = await stage.talk();
  await choose("List…");
  await stage.page.getByLabel("What it is called").fill("shopping");
  await stage.page.getByLabel("It has").selectOption("things");
  await stage.page.getByLabel(/^Entries/).fill("bread\ncheese");
  await stage.button("Begin it").click();
  const list = newest().getByRole("group", { name: "shopping", exact: true });
  await list.getByText("0 of 2 got").waitFor();
  expect(stage.lastCall("chat_list")).toMatchObject({ title: "shopping", style: "things", entries: ["bread", "cheese"] });
  await list.getByRole("checkbox", { name: "bread" }).click();
  await list.getByText("1 of 2 got").waitFor();
  await list.getByRole("textbox", { name: "Add to shopping" }).fill("wine");
  await stage.page.keyboard.press("Enter");
  await list.getByRole("checkbox", { name: "wine" }).waitFor();
  await expect.poll(() => list.getByRole("textbox", { name: "Add to shopping" }).inputValue()).toBe("");
  await list.getByRole("button", { name: "cheese", exact: true }).click();
  await list.getByRole("textbox", { name: "What it says" }).fill("old cheese");
  await stage.page.keyboard.press("Enter");
  await list.getByRole("checkbox", { name: "old cheese" }).waitFor();
  await list.getByRole("button", { name: "Take off bread" }).click();
  await list.getByRole("checkbox", { name: "bread" }).waitFor({ state: "detached" });
  const item: ChatItem = stage.node.chat.at(with_ada, 2);
  expect(item.list!.entries.map(({ text, done }) => [text, done])).toEqual([["old cheese", false], ["wine", false]]);
  stage.node.chat.change(with_ada, { ...item, list: { ...item.list!, entries: [...item.list!.entries, entry("from Ada")] } });
  await list.getByRole("checkbox", { name: "from Ada" }).waitFor();
});

test("the first note begins the conversation with oneself, and the next is a note, too", async () => {
  await stage.talk();
  await stage.page.getByRole("link", { name: "Notes to yourself" }).click();
  await stage.page.getByLabel("Note", { exact: true }).fill("buy *bread*");
  await stage.button("Note it").click();
  const field = stage.page.getByRole("textbox", { name: "Message to Notes to yourself" });
  await field.waitFor();
  await messages().getByText("buy bread").waitFor();
  await stage.page.getByText("only you read what is here").waitFor();
  await field.fill("and wine");
  await stage.page.keyboard.press("Enter");
  await messages().getByText("and wine").waitFor();
  expect(stage.lastCall("chat_memo")).toMatchObject({ text: "and wine" });
  expect(stage.node.calls.some(({ method }) => method === "chat_send")).toBe(false);
  expect(await messages().getByText("Sent, has not arrived yet").count()).toBe(0);
});

test("an entry is handed to somebody, taken back, and moved", async () => {
  const { ada, talk: with_ada } = await stage.talk();
  const own = stage.node.world.identity;
  stage.node.chat.tell(with_ada, { text: "", kind: "list", list: { title: "trip", style: "tasks", entries: [entry("map"), entry("tea"), entry("tent")] } }, ada);
  const list = newest().getByRole("group", { name: "trip", exact: true });
  const texts = (): string[] => stage.node.chat.at(with_ada, 2).list!.entries.map(({ text }) => text);
  await list.getByRole("button", { name: "tent", exact: true }).click();
  await list.getByRole("button", { name: "Move it up" }).click();
  await expect.poll(texts).toEqual(["map", "tent", "tea"]);
  await expect.poll(() => list.getByRole("button", { name: "Move it up" }).evaluate((button) => button === document.activeElement)).toBe(true);
  await stage.page.keyboard.press("Enter");
  await expect.poll(texts).toEqual(["tent", "map", "tea"]);
  await expect.poll(() => list.getByRole("button", { name: "Move it up" }).isEnabled()).toBe(false);
  await list.getByRole("button", { name: "Move it down" }).click();
  await expect.poll(texts).toEqual(["map", "tent", "tea"]);
  await list.getByLabel("Who is to do it").selectOption({ label: "for you" });
  await expect.poll(() => stage.node.chat.at(with_ada, 2).list!.entries[1]!.assignee).toBe(own);
  await list.getByLabel("Who is to do it").selectOption({ label: "for Ada" });
  await expect.poll(() => stage.node.chat.at(with_ada, 2).list!.entries[1]!.assignee).toBe(ada.identity);
  await list.getByRole("button", { name: "Save" }).click();
  await list.getByText("for Ada").waitFor();
  await list.getByRole("button", { name: "tent for Ada" }).click();
  await list.getByLabel("Who is to do it").selectOption({ label: "for nobody" });
  await expect.poll(() => stage.node.chat.at(with_ada, 2).list!.entries[1]!.assignee).toBeNull();
  await stage.page.keyboard.press("Escape");
  await list.getByText("for Ada").waitFor({ state: "detached" });
});

test("one is reminded of a note when its time has come, and looks at it or puts it aside", async () => {
  stage.node.chat.say(stage.node.chat.notes(), { text: "call **Zoe**", kind: "memo", remind_ms: Date.now() - 60_000, sent_ms: Date.now() - 7_200_000 });
  await stage.talk();
  const reminders = stage.page.getByRole("list", { name: "Reminders" });
  await reminders.getByText("call Zoe").waitFor();
  await reminders.getByRole("button", { name: "Look" }).click();
  await messages().getByText("call Zoe").waitFor();
  await reminders.getByRole("button", { name: "Put aside: call Zoe" }).click();
  await reminders.waitFor({ state: "detached" });
  await choose("Reminder…");
  const sheet = stage.page.getByRole("dialog", { name: "A reminder" });
  await sheet.getByLabel("Note", { exact: true }).fill("water the plants");
  await sheet.getByRole("button", { name: "Note it" }).click();
  await sheet.getByText("Choose a time that is still to come.").waitFor();
  await sheet.getByRole("button", { name: "Tomorrow morning" }).click();
  await sheet.getByRole("button", { name: "Note it" }).click();
  await messages().getByText("water the plants").waitFor();
  const { remind_ms } = stage.lastCall("chat_memo") as { remind_ms: number };
  const tomorrow = new Date();
  expect(remind_ms).toBe(new Date(tomorrow.getFullYear(), tomorrow.getMonth(), tomorrow.getDate() + 1, 9).getTime());
  // Another page of the node sets one that is due at once.
  stage.node.chat.tell(stage.node.chat.notes(), { text: "now", kind: "memo", remind_ms: Date.now() + 300 }, { identity: stage.node.world.identity } as ChatPerson);
  await reminders.getByText("now", { exact: true }).waitFor();
  // What was told once is not told again.
  await stage.page.reload();
  await messages().getByText("water the plants").waitFor();
  expect(await reminders.count()).toBe(0);
});

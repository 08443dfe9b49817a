/** Polls, lists and notes on the page *Messages*: made at the field, and used in place. */

import { expect, test } from "vitest";
import type { Locator } from "playwright-core";
import type { ChatItem } from "@byway/client";
import { MethodError } from "../mock/error";
import { entry } from "../mock/chat_contents";
import { Stage } from "./stage";

const stage = new Stage();
const messages = (): Locator => stage.page.getByRole("list", { name: "Messages" });
const newest = (): Locator => messages().locator("li.message").last();

const option = (name: RegExp): Locator => newest().locator("fieldset input").and(stage.page.getByRole("radio", { name }).or(stage.page.getByRole("checkbox", { name })));

async function talk(): Promise<{ ada: ReturnType<typeof stage.node.chat.person>; talk: ReturnType<typeof stage.node.chat.talk> }> {
  const ada = stage.node.chat.person("Ada", { online: true });
  const talk = stage.node.chat.talk(ada, 2);
  await stage.openPage("Messages");
  await stage.page.getByRole("list", { name: "Conversations" }).getByRole("link", { name: /Ada/ }).click();
  await newest().waitFor();
  return { ada, talk };
}

async function choose(what: string): Promise<void> {
  await stage.button("Files, polls, lists").click();
  await stage.page.getByRole("menuitem", { name: what }).click();
}

test("a poll is asked, voted in, taken back, and closed", async () => {
  const { ada, talk: with_ada } = await talk();
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
  const { ada, talk: with_ada } = await talk();
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
  const { talk: with_ada } = await talk();
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
  await talk();
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

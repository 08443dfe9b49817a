/** What a first message costs, and address books of groups, on the page *Messages*. */

import { expect, test } from "vitest";
import type { Locator } from "playwright-core";
import { DEAR, PRICE } from "../mock/chat_books";
import { Stage } from "./stage";

const stage = new Stage();
const sheet = (): Locator => stage.page.getByRole("dialog");
const entry = (name: string): Locator => sheet().getByRole("list", { name: "Address book" }).getByRole("listitem").filter({ hasText: name });

test("whoever is asked says what it costs, and is asked again with that", async () => {
  await stage.openPage("Messages");
  await stage.page.getByRole("link", { name: "Add somebody" }).first().click();
  await stage.page.getByRole("textbox", { name: /^An invite/ }).fill(DEAR);
  await stage.button("Use it").click();
  await stage.page.getByText(new RegExp(`^They ask ${PRICE} WAY for a first message`)).waitFor();
  expect(stage.lastCall("chat_ask")).toEqual({ who: DEAR });
  await stage.button(`Set ${PRICE} WAY aside and ask`).click();
  await stage.page.getByText(/^was asked/).waitFor();
  expect(stage.lastCall("chat_ask")).toEqual({ who: DEAR, pay: PRICE });
});

test("who does not hear one is shown with what they ask for, and who asks with what they have paid", async () => {
  const { chat } = stage.node;
  chat.people.push(chat.made("Dear", { identity: DEAR, standing: "asked", conversation: null, refused: { reason: "price", price: PRICE, text: "" } }));
  chat.people.push(chat.made("Payer", { standing: "asking", conversation: null, paid: "0.5" }));
  await stage.openPage("Messages");
  await stage.page.getByRole("link", { name: /Payer/ }).click();
  await stage.page.getByText(/^They have set 0\.5 WAY aside for it/).waitFor();
  await stage.page.getByRole("link", { name: /Dear/ }).click();
  await stage.button(`Set ${PRICE} WAY aside and ask`).click();
  await stage.button(`Set ${PRICE} WAY aside and ask`).waitFor({ state: "detached" });
  expect(stage.lastCall("chat_ask")).toEqual({ who: DEAR, pay: PRICE });
});

test("a group's address book is read, written in, and asked from", async () => {
  const [ada, bob] = ["Ada", "Bob"].map((name) => stage.node.chat.person(name));
  const talk = stage.node.chat.group("Walk", [ada!], "member");
  const zoe = { identity: "7".repeat(40), name: "Zoe", note: "knows the way", by: ada!.identity, reachable: true, member: false };
  stage.node.chat.books.set(talk.conversation.conversation, [zoe]);
  await stage.openPage("Messages");
  await stage.page.getByRole("list", { name: "Conversations" }).getByRole("link", { name: /Walk/ }).click();
  await stage.button("Members").click();
  await sheet().getByRole("button", { name: "Address book" }).click();
  await entry("Zoe").getByText(/knows the way/).waitFor();
  await stage.button("Ask Zoe").click();
  await stage.button("Ask Zoe").waitFor({ state: "detached" });
  expect(stage.lastCall("chat_ask")).toEqual({ who: zoe.identity, from: talk.conversation.conversation });

  await stage.button("Put somebody in…").click();
  await stage.button("Put in, for all").click();
  await sheet().getByText(/^Write whom/).waitFor();
  await sheet().getByLabel("Whom").fill("Bob");
  await sheet().getByLabel("Note").fill("has a map");
  await stage.button("Put in, for all").click();
  await entry("Bob").getByText(/has a map/).waitFor();
  expect(stage.lastCall("chat_book_change")).toEqual({ to: talk.conversation.conversation, what: "put", who: "Bob", note: "has a map" });
  // Another member takes somebody out meanwhile.
  const left = stage.node.chat.books.get(talk.conversation.conversation)!.filter(({ name }) => name !== "Zoe");
  stage.node.chat.books.set(talk.conversation.conversation, left);
  stage.node.chat.publish("book", { conversation: talk.conversation.conversation, people: left });
  await entry("Zoe").waitFor({ state: "detached" });
  await stage.button("Take Bob out").click();
  await sheet().getByText("Nobody is in it yet.", { exact: false }).waitFor();
  expect(stage.lastCall("chat_book_change")).toMatchObject({ what: "remove", who: bob!.identity });
});

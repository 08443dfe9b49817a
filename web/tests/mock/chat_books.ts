/** What a first message costs, and address books of groups, as the mock node has them. */

import type { ChatBookPerson, Method, Methods } from "@byway/client";
import { MethodError } from "./error";
import type { MockNode } from "./node";
import { hex } from "./world";

type Handlers = { [M in Method]?:
  (node: MockNode, params: Methods[M]["params"]) => Methods[M]["result"] | Promise<Methods[M]["result"]> };

/** Who asks for money, and how much. */
export const DEAR = hex(4_300, 40);
export const PRICE = "0.01";

function bookOf({ chat }: MockNode, to: string): { conversation: string; people: ChatBookPerson[] } {
  const { conversation } = chat.named(to);
  if (!conversation.group) throw new MethodError(1609, "not_a_group", "The conversation is one of two.");
  // Where they stand is told as it is when it is asked for.
  const shown = (person: ChatBookPerson): ChatBookPerson => {
    const standing = chat.people.find(({ identity }) => identity === person.identity)?.standing;
    return standing ? { ...person, standing } : person;
  };
  const people = (chat.books.get(conversation.conversation) ?? []).map(shown);
  return { conversation: conversation.conversation, people: people.sort((a, b) => a.name.localeCompare(b.name)) };
}

export const bookHandlers: Handlers = {
  chat_book: (node, { to }) => bookOf(node, to),
  chat_book_change: (node, { to, what, who, name, note = "" }) => {
    const { conversation, people } = bookOf(node, to);
    const known = node.chat.people.find((person) => person.identity === who || person.name === who);
    const identity = known?.identity ?? who;
    if (!/^[0-9a-f]{40}$/.test(identity)) throw new MethodError(1651, "name_not_found", `Nobody has the name ${who}.`);
    const others = people.filter((person) => person.identity !== identity);
    if (what === "remove" && others.length === people.length) throw new MethodError(1661, "not_in_address_book", `${who} is not in that group's address book.`);
    const put = { identity, name: name ?? known?.name ?? "", note, by: node.chat.own, reachable: true, member: false, ...(known ? { standing: known.standing } : {}) };
    node.chat.books.set(conversation, what === "put" ? [...others, put] : others);
    node.chat.publish("book", bookOf(node, to));
    return bookOf(node, to);
  },
  chat_ask: (node, { who, pay, from }) => {
    const inBook = from ? bookOf(node, from).people.find(({ identity }) => identity === who) : undefined;
    if (who === DEAR && Number(pay ?? 0) < Number(PRICE)) {
      const known = node.chat.people.find(({ identity }) => identity === DEAR) ?? node.chat.made("", { identity: DEAR, conversation: null });
      node.chat.tellPerson({ ...known, standing: "asked", refused: { reason: "price", price: PRICE, text: `a first message costs ${PRICE}` } });
      throw new MethodError(1656, "first_message_costs", `They ask ${PRICE} WAY for a first message from somebody whom they do not know.`, { price: PRICE, peer: who });
    }
    if (who === DEAR || inBook) {
      const known = node.chat.people.find(({ identity }) => identity === who) ?? node.chat.made(inBook?.name ?? "", { identity: who, conversation: null });
      const { refused: _, ...person } = known;
      return node.chat.tellPerson({ ...person, standing: "asked" });
    }
    return node.chat.accept(who);
  },
  chat_price: (_, { price = PRICE }) => ({ price }),
};

/** What is true for a moment, what others hear, and what is kept of conversations by the mock node. */

import type { Method, Methods } from "@byway/client";
import type { MockNode } from "./node";

type Handlers = { [M in Method]?:
  (node: MockNode, params: Methods[M]["params"]) => Methods[M]["result"] | Promise<Methods[M]["result"]> };

export const signHandlers: Handlers = {
  chat_typing: () => ({}),
  chat_presence: () => ({}),
  chat_tells: ({ chat }, change) => (chat.tells = { ...chat.tells, ...change }),
  chat_keep: ({ chat }, { to, ...kept }) => {
    const talk = chat.named(to);
    Object.assign(talk.conversation, kept);
    return chat.tellConversation(talk);
  },
  chat_show: ({ chat }, { to, message }) => chat.find(chat.named(to), message),
};

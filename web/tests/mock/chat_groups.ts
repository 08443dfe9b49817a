/** Groups of the mock node. */

import type { ChatGroup, Method, Methods } from "@byway/client";
import { MethodError } from "./error";
import type { MockNode } from "./node";

type Handlers = { [M in Method]?:
  (node: MockNode, params: Methods[M]["params"]) => Methods[M]["result"] | Promise<Methods[M]["result"]> };

function changed(node: MockNode, group: ChatGroup, what: Methods["chat_group_change"]["params"]["what"], who: string[]): ChatGroup {
  const isMeant = (identity: string): boolean => who.includes(identity);
  const added = who.map((identity) => ({ identity, name: node.chat.known(identity).name, role: "member" as const }));
  switch (what) {
    case "add": return { ...group, members: [...group.members, ...added] };
    case "remove": return { ...group, members: group.members.filter(({ identity }) => !isMeant(identity)) };
    case "promote":
    case "demote": return { ...group, members: group.members.map((member) => (isMeant(member.identity) ? { ...member, role: what === "promote" ? "admin" : "member" } : member)) };
    case "leave": return { ...group, leaving: true };
    case "rename": return group;
  }
}

export const groupHandlers: Handlers = {
  chat_group_create: ({ chat }, { title, with: people }) => chat.tellConversation(chat.group(title, people.map((identity) => chat.known(identity)))),
  chat_group_change: (node, { to, what, who = [], title }) => {
    const talk = node.chat.named(to);
    if (!talk.conversation.group) throw new MethodError(1609, "not_a_group", "The conversation is one of two.");
    talk.conversation.group = changed(node, talk.conversation.group, what, who);
    talk.conversation.members = talk.conversation.group.members.map(({ identity }) => identity);
    if (what === "rename") talk.conversation.title = title ?? "";
    return node.chat.tellConversation(talk);
  },
};

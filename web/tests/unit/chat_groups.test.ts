/** Groups: who may do what in them. */

import { describe, expect, test } from "vitest";
import type { ChatConversation, ChatGroup, ChatPerson } from "@byway/client";
import { addable, mayRemove, rightsIn, sortedMembers, titleProblem, type Role } from "../../src/lib/chat_groups";
import { namedIn, personName, searchedConversations } from "../../src/lib/chat_words";

const group = (roles: Record<string, Role>, more: Partial<ChatGroup> = {}): ChatGroup =>
  ({ awaited: [], leaving: false, members: Object.entries(roles).map(([identity, role]) => ({ identity, name: identity, role })), ...more });
const person = (identity: string, standing: ChatPerson["standing"] = "contact"): ChatPerson => ({ identity, name: identity, standing, since_ms: 0, online: false, waiting: 0, safety_number: "", safety_words: "" });

describe("what one may do", () => {
  test.each<[string, ChatGroup, [boolean, boolean, boolean]]>([
    ["the founder everything", group({ me: "founder" }), [true, true, true]],
    ["an admin says nobody's role", group({ me: "admin", her: "founder" }), [true, true, false]],
    ["an admin does where the founder is gone", group({ me: "admin" }), [true, true, true]],
    ["a member nothing", group({ me: "member", her: "founder" }), [false, false, false]],
    ["nor a member where the founder is gone", group({ me: "member" }), [false, false, false]],
    ["nor who leaves", group({ me: "founder" }, { leaving: true }), [false, false, false]],
    ["nor who is not in it", group({ her: "founder" }), [false, false, false]],
  ])("%s", (_, of, may) => {
    const { adds, renames, setsRoles } = rightsIn(of, "me");
    expect([adds, renames, setsRoles]).toEqual(may);
  });

  test.each<[Role, string[]]>([["founder", ["admin", "member"]], ["admin", ["member"]], ["member", []]])("%s removes", (role, removed) => {
    const of = group({ founder: "founder", admin: "admin", member: "member", me: role });
    expect(of.members.filter((member) => mayRemove(of, "me", member) && member.identity !== "founder").map(({ identity }) => identity)).toEqual(removed);
  });
});

test("contacts are added who are neither in it nor about to be", () => {
  const people = [person("a"), person("b"), person("c"), person("d", "asking"), person("e", "blocked")];
  expect(addable(group({ a: "founder" }, { awaited: ["b"] }), people).map(({ identity }) => identity)).toEqual(["c"]);
});

test("who leads stands first", () => {
  expect(sortedMembers(group({ z: "member", b: "admin", a: "member", c: "founder" })).map(({ identity }) => identity)).toEqual(["c", "b", "a", "z"]);
});

test("a title is some bytes, and not too many", () => {
  expect([titleProblem("  "), titleProblem("花".repeat(43)), titleProblem("花".repeat(42))].map((problem) => problem === null)).toEqual([false, false, true]);
});

test("members who are no contacts have the names that they give themselves, and contacts those that one gives them", () => {
  const of: ChatConversation = { conversation: "01", member: true, members: ["a", "b"], messages: 0, since_ms: 0, title: "walk", unread: 0, group: group({ a: "founder", b: "member" }) };
  const named = namedIn(of, [{ ...person("a"), name: "Ada" }, { ...person("b"), name: "" }]);
  expect([personName(named, "a"), personName(named, "b"), personName(named, "c".repeat(40))]).toEqual(["Ada", "b", "cccccc…cccc"]);
  expect(searchedConversations([of], null, "b").length).toBe(1);
});

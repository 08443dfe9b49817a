import { describe, expect, test } from "vitest";
import type { ChatConversation } from "@byway/client";
import { askedAt, callable, called, matching, typed, written, type Callable } from "../../src/lib/mentions";

const [ADA, BOB, ZOE, OWN] = ["a", "b", "c", "d"].map((digit) => digit.repeat(40)) as [string, string, string, string];
const somebody = (identity: string, name: string, ...others: string[]): Callable => ({ identity, name, others });
const PEOPLE = [somebody(ADA, "Ada", "ada-of-the-garden"), somebody(BOB, "Bob [work]", "Bob"), somebody(BOB.replace("b", "e"), "Kim"), somebody(ZOE, "Kim", "Zoë")];

describe("what is typed", () => {
  test.each([
    ["hello @Ada", `hello [@Ada](mention:${ADA})`],
    ["(@ADA, @bob)!", `([@ADA](mention:${ADA}), [@bob](mention:${BOB}))!`],
    ["@Bob [work] @Zoë", `[@Bob \\[work\\]](mention:${BOB}) [@Zoë](mention:${ZOE})`],
    ["@Kim", "@Kim"],
    ["@Adam @Carol @ @@Ada me@Ada é@Ada \\@Ada `@Ada`", "@Adam @Carol @ @@Ada me@Ada é@Ada \\@Ada `@Ada`"],
    ["🎉@Ada", `🎉[@Ada](mention:${ADA})`],
  ])("%s", (text, said) => expect(called(text, PEOPLE)).toBe(said));

  test("is the same again when it is edited", () => {
    for (const person of PEOPLE) {
      const said = called(`see ${written(person, PEOPLE)} there`, PEOPLE);
      expect(said).toContain(`(mention:${person.identity})`);
      expect(called(typed(said, PEOPLE), PEOPLE)).toBe(said);
    }
    expect(typed(`[@Eve](mention:${ADA}) [@x](mention:${OWN})`, PEOPLE)).toBe(`@Ada [@x](mention:${OWN})`);
  });
});

test.each([
  ["@", 1, ""],
  ["hello @bob w", 12, "bob w"],
  ["hello @bob", 6, null],
  ["me@ad", 5, null],
  ["@\n", 2, null],
  ["@ a", 3, null],
])("asked for after %j at %i", (text, caret, query) => expect(askedAt(text, caret)?.query ?? null).toBe(query));

test("offered are others by the beginning of any word of a name", () => {
  expect(matching(PEOPLE, "WOR").map(({ identity }) => identity)).toEqual([BOB]);
  expect(matching(PEOPLE, "zo").map(({ identity }) => identity)).toEqual([ZOE]);
  expect(matching(PEOPLE, "da")).toEqual([]);
  const members = [{ identity: ZOE, name: "Zoë", role: "member" as const }, { identity: OWN, name: "Me", role: "founder" as const }, { identity: ADA, name: "Ada", role: "member" as const }];
  const group = { members: [OWN, ZOE, ADA], group: { members, awaited: [], leaving: false } } as unknown as ChatConversation;
  expect(callable(group, null, OWN)).toEqual([somebody(ADA, "Ada"), somebody(ZOE, "Zoë")]);
});

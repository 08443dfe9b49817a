/** Markdown of messages: the tree, and that nothing in it can do anything. */

import { describe, expect, test } from "vitest";
import { addressOf, cautionsOf } from "../../src/lib/chat_links";
import { harmlessLine, harmlessText } from "../../src/lib/harmless";
import { parseMarkdown, plainText, type Block, type Inline } from "../../src/lib/markdown";

/** A tree in short: `strong(a)`, `[text](host)`. */
const line = (part: Inline): string => {
  if (part.kind === "text") return part.text;
  if (part.kind === "break") return "⏎";
  if (part.kind === "code") return `code(${part.text})`;
  if (part.kind === "link") return `[${part.text}](${part.address.host})`;
  if (part.kind === "mention") return `@${part.identity.slice(0, 4)}`;
  return `${part.kind}(${part.inlines.map(line).join("")})`;
};
const short = (block: Block): string => {
  if (block.kind === "paragraph") return block.inlines.map(line).join("");
  if (block.kind === "quote") return `quote{${block.blocks.map(short).join(" | ")}}`;
  if (block.kind === "code") return `block(${block.code})`;
  return `list${block.start ?? ""}{${block.items.map((item) => item.map(short).join(" | ")).join(" ; ")}}`;
};
const tree = (source: string): string => parseMarkdown(source).map(short).join(" | ");

test.each([
  ["plain", "plain"],
  ["one\ntwo", "one⏎two"],
  ["one\n\ntwo", "one | two"],
  ["**a** and *b*, __c__ _d_ ~~e~~", "strong(a) and emphasis(b), strong(c) emphasis(d) strike(e)"],
  ["***both***", "strong(emphasis(both))"],
  ["**a *b* c**", "strong(a emphasis(b) c)"],
  ["snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"],
  ["*open and **open", "*open and **open"],
  ["`a*b*` and ``c`d``", "code(a*b*) and code(c`d)"],
  ["\\*not\\*", "*not*"],
  ["# Loud", "strong(Loud)"],
  ["> said\n> so\n\nme", "quote{said⏎so} | me"],
  ["- a\n- b\n  more", "list{a ; b⏎more}"],
  ["3. a\n4. b", "list3{a ; b}"],
  ["```js\nlet a = '<b>';\n```\nafter", "block(let a = '<b>';) | after"],
  ["```\nnever closed", "block(never closed)"],
  ["see https://a.example/x_(y), and (https://b.example).", "see [https://a.example/x_(y)](a.example), and ([https://b.example](b.example))."],
  ["[text](https://a.example)", "[text](a.example)"],
  ["![picture](https://a.example/p.png)", "[picture](a.example)"],
  ["<https://a.example>", "[https://a.example](a.example)"],
  ["[@Eve](mention:00112233445566778899aabbccddeeff00112233)", "@0011"],
])("%j", (source, expected) => expect(tree(source)).toBe(expected));

describe("hostile", () => {
  test.each([
    ["<script>alert(1)</script>", "<script>alert(1)</script>"],
    ["<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"],
    ["[x](javascript:alert(1))", "x)"],
    ["[x](data:text/html,hi)", "x"],
    ["[x](https://user:pass@a.example)", "x"],
    ["[x](http:a.example)", "x"],
    ["[x](mailto:a@b.example?body=hi)", "x"],
  ])("%j leads nowhere", (source, expected) => expect(tree(source)).toBe(expected));

  test.each([
    ["many openings", "*a ".repeat(5_000)], ["many closings", "**a** ".repeat(2_500)], ["nested", "*_".repeat(8_000)], ["brackets", "[".repeat(16_000)],
    ["ticks", Array.from({ length: 170 }, (_, at) => "`".repeat(at)).join(" ")], ["quotes", ">".repeat(16_000)], ["lists", "- ".repeat(8_000)], ["marks", "*".repeat(16_000)],
    ["links", "[a](https://a.example/".repeat(700)], ["stars and words", "*a*b".repeat(4_000)],
  ])("%s end, and lose nothing that is no mark", (_, source) => {
    const shown = plainText(parseMarkdown(source), () => "");
    expect(shown.replace(/[^a-z]/g, "")).toBe(source.slice(0, 16_384).replace(/[^a-z]/g, ""));
  });

  test("depth is bounded", () => {
    const depth = (blocks: Block[]): number => 1 + Math.max(0, ...blocks.map((block) => (block.kind === "quote" ? depth(block.blocks) : block.kind === "list" ? Math.max(...block.items.map(depth)) : 0)));
    expect(depth(parseMarkdown("> ".repeat(500) + "deep"))).toBe(17);
  });

  test("what turns directions or can't be seen goes, what writing needs stays", () => {
    expect(harmlessText("a\u202egpj.exe\u2066b\u200b")).toBe("agpj.exeb");
    expect(harmlessText("می\u200cخواهم 👩\u200d👧 ❤\ufe0f")).toBe("می\u200cخواهم 👩\u200d👧 ❤\ufe0f");
    expect(harmlessText(`z${"\u0301".repeat(40)}`)).toBe(`z${"\u0301".repeat(6)}`);
    expect(harmlessLine(" a\r\n b\u0000 ")).toBe("a b");
  });
});

test.each<[href: string, text: string, cautions: RegExp[]]>([
  ["https://bank.example/", "the bank", []],
  ["https://www.bank.example/", "bank.example", []],
  ["https://evil.example/", "https://bank.example/login", [/names bank\.example/]],
  ["https://аррӏе.example/", "apple", [/other alphabets/]],
  ["https://203.0.113.7/", "here", [/a number/]],
  ["http://[::1]/", "here", [/a number/, /not encrypted/]],
])("%s shown as %j", (href, text, cautions) => {
  const found = cautionsOf(addressOf(href)!, text);
  expect(found).toHaveLength(cautions.length);
  cautions.forEach((caution, at) => expect(found[at]).toMatch(caution));
});

import { expect, test } from "vitest";
import type { TunnelSettings } from "@byway/client";
import { carriesAll, listWords, namedFrom, namedIn, settingsOf, sideOf, textOf, understood } from "../../src/lib/split";

const EVERYTHING: TunnelSettings = {
  closed: false, local_network: false, outside: [], outside_domains: [], inside: [], inside_domains: [], name_servers: [], programs: "all", partial: false,
};

test.each([
  "192.0.2.0/24", "10.0.0.1", "0.0.0.0/0", "2001:db8::/32", "::1", "::ffff:192.0.2.1", "fe80::1/128", "2001:DB8:1:2:3:4:5:6",
])("%s is a network", (text) => expect(namedFrom(text)).toEqual({ sites: [], networks: [text], taken: [], problem: null }));

test.each([
  "example.com", "*.example.com", "WWW.Example.com.", "Bücher.example", "例え。example", "xn--r8jz45g.example", "_sip.a-b.example", "printer", "3.example",
])("%s is a site", (text) => expect(namedFrom(text)).toEqual({ sites: [text], networks: [], taken: [], problem: null }));

test.each([
  "1.2.3", "192.0.2.256", "192.0.2.0/33", "192.0.2.0/24/8", "192.0.2.0/", "010.0.0.1", "2001:db8::/129", "2001:db8:::1", "1::2::3", "fe80::1%eth0",
  ".", "*", "a..b", "ex!ample.com", "a:b:c.example", `${"a".repeat(64)}.example`, `${"abc.".repeat(64)}example`, "https://", "//",
])("%s is neither, and named as wrong", (text) => {
  const { sites, networks, problem } = namedFrom(`example.com ${text}`);
  expect([sites, networks]).toEqual([["example.com"], []]);
  expect(problem).toContain(`“${text}” is neither a site nor a network.`);
});

test.each([
  ["https://example.com/path?q=1#top", "example.com"],
  ["http://someone:secret@Bücher.example:8080/", "Bücher.example"],
  ["example.com/path", "example.com"],
  ["example.com:443", "example.com"],
  ["me@example.com", "example.com"],
])("of %s the site is taken, and it is said", (text, host) => {
  const named = namedFrom(text);
  expect(named).toEqual({ sites: [host], networks: [], taken: [{ from: text, host }], problem: null });
  expect(understood("outside", named)).toBe(`1 site. Of ${text} the host is taken: ${host}.`);
});

test.each([
  ["https://192.0.2.7/path", "192.0.2.7"],
  ["https://[2001:db8::1]:8443/", "2001:db8::1"],
  ["192.0.2.7:443", "192.0.2.7"],
])("of %s the address is taken", (text, host) => {
  expect(namedFrom(text)).toEqual({ sites: [], networks: [host], taken: [{ from: text, host }], problem: null });
});

test("sites and networks are told apart, whatever parts them, and none is named twice", () => {
  const { sites, networks, problem } = namedFrom("b.example\n 192.0.2.0/24, a.example;10.0.0.1\r\nB.example https://a.example/x\n");
  expect([sites, networks, problem]).toEqual([["b.example", "a.example"], ["192.0.2.0/24", "10.0.0.1"], null]);
  expect(namedFrom(" \n")).toEqual({ sites: [], networks: [], taken: [], problem: null });
});

test("no more are named than a call takes", () => {
  const many = (count: number, one: (index: number) => string) => namedFrom(Array.from({ length: count }, (_, index) => one(index)).join("\n")).problem;
  expect(many(64, (index) => `10.0.${index}.0/24`)).toBeNull();
  expect(many(65, (index) => `10.0.${index}.0/24`)).toBe("Name at most 64 networks.");
  expect(many(256, (index) => `a${index}.example`)).toBeNull();
  expect(many(257, (index) => `a${index}.example`)).toBe("Name at most 256 sites.");
});

test("what is named goes to the side that was chosen, and the other is emptied", () => {
  const named = namedFrom("example.com 192.0.2.0/24");
  expect(settingsOf({ side: "outside", named, localNetwork: true, programsOutside: true })).toEqual({
    programs: "all-but-outside", local_network: true, outside: ["192.0.2.0/24"], outside_domains: ["example.com"], inside: [], inside_domains: [],
  });
  expect(settingsOf({ side: "outside", named: namedFrom(""), localNetwork: false, programsOutside: false }).programs).toBe("all");
  expect(settingsOf({ side: "inside", named, localNetwork: true, programsOutside: true })).toEqual({
    programs: "only-inside", inside: ["192.0.2.0/24"], inside_domains: ["example.com"], outside: [], outside_domains: [],
  });
});

test("what holds is read back as it was typed", () => {
  const outside = { ...EVERYTHING, outside: ["192.0.2.0/24"], outside_domains: ["example.com"] };
  expect([sideOf(outside), textOf(namedIn(outside))]).toEqual(["outside", "example.com\n192.0.2.0/24"]);
  const inside = { ...EVERYTHING, inside_domains: ["a.example", "b.example"], partial: true };
  expect([sideOf(inside), textOf(namedIn(inside))]).toEqual(["inside", "a.example\nb.example"]);
});

test.each<[Partial<TunnelSettings>, boolean]>([
  [{}, true],
  [{ outside: ["192.0.2.0/24"] }, false],
  [{ outside_domains: ["a.example"] }, false],
  [{ local_network: true }, false],
  [{ programs: "all-but-outside" }, false],
  [{ programs: "only-inside", partial: true }, false],
])("with %o the tunnel carries everything: %s", (change, expected) => expect(carriesAll({ ...EVERYTHING, ...change })).toBe(expected));

test("the page says what it understood", () => {
  expect(understood("outside", namedFrom("a.example b.example 10.0.0.1"))).toBe("2 sites, 1 network.");
  expect(understood("outside", namedFrom(""))).toBe("No site or network is named.");
  expect(understood("inside", namedFrom(""))).toBe("No site or network is named: only programs of byway exec --inside go through the tunnel.");
});

test("of a pasted list of pages the first are told, and how many more there are", () => {
  const pages = Array.from({ length: 5 }, (_, index) => `https://${index}.example/`);
  expect(understood("outside", namedFrom(pages.join("\n")))).toMatch(/^5 sites\..* 2\.example\. So with 2 more\.$/);
});

test("a long list is cut, and it is said how many more there are", () => {
  const list = Array.from({ length: 10 }, (_, index) => `${index}.example`);
  expect(listWords([])).toBe("none");
  expect(listWords(list.slice(0, 8))).toBe(list.slice(0, 8).join(", "));
  expect(listWords(list)).toBe(`${list.slice(0, 8).join(", ")} and 2 more`);
});

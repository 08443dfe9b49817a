import { expect, test } from "vitest";
import type { ForwardedPort } from "@byway/client";
import { forwardOf, forwardPlace, forwardProblems, forwardTrouble, forwardWords, isWaiting, needsExit } from "../../src/lib/forwards";
import { closedWords, portWords } from "../../src/lib/given_ports";

test.each([
  ["8080", "127.0.0.1:8080"], [" 08080 ", "127.0.0.1:8080"], ["192.168.1.5:80", "192.168.1.5:80"], ["localhost:22", "127.0.0.1:22"],
  ["[::1]:22", "[::1]:22"], ["[FE80::1]:22", "[fe80::1]:22"],
  ["", null], ["0", null], ["65536", null], ["192.168.1.5", null], ["192.168.1.256:80", null], ["nas:80", null], ["::1:22", null], ["[]:22", null],
  ["http://127.0.0.1:80", null], ["127.0.0.1:", null], ["1e3", null],
])("a program at %j is %s", (to, program) => {
  const input = { protocol: "tcp" as const, to, port: "", tellsFrom: false };
  expect(forwardProblems(input).to === null).toBe(program !== null);
  if (program !== null) expect(forwardOf(input)).toEqual({ to: program });
});

test("what was left empty is not asked for", () => {
  const input = { protocol: "tcp" as const, to: "80", port: " 40022 ", tellsFrom: true };
  expect(forwardOf(input)).toEqual({ to: "127.0.0.1:80", port: 40_022, proxy_protocol: true });
  expect(forwardOf({ ...input, protocol: "udp" })).toEqual({ to: "127.0.0.1:80", protocol: "udp", port: 40_022 });
  expect(["", " ", "1", "65535", "0", "65536", "x"].map((port) => forwardProblems({ ...input, port }).port === null))
    .toEqual([true, true, true, true, false, false, false]);
});

const open: ForwardedPort = { to: "127.0.0.1:80", protocol: "tcp", proxy_protocol: false, public: "203.0.113.7:40017", visitors: 0 };
const without = (code: string, message: string): ForwardedPort => ({ ...open, public: null, reason: { code, message } });

test.each<[ForwardedPort, string, string, string | null]>([
  [open, "203.0.113.7:40017", "leads to 127.0.0.1:80 · nobody there now", null],
  [{ ...open, protocol: "udp" }, "203.0.113.7:40017", "leads to 127.0.0.1:80 by UDP · nobody there now", null],
  [{ ...open, visitors: 1, proxy_protocol: true }, "203.0.113.7:40017", "leads to 127.0.0.1:80 · 1 visitor now · told where visitors come from", null],
  [{ ...open, visitors: 2, reason: { code: "not_taken", message: "a visitor was turned away" } }, "203.0.113.7:40017", "leads to 127.0.0.1:80 · 2 visitors now",
    "A visitor was turned away."],
  [without("waiting", "the exit is asked for it"), "Asking the exit…", "leads to 127.0.0.1:80", null],
  [without("not_connected", "there is no exit; `byway connect`"), "No port yet", "leads to 127.0.0.1:80", "The exit that you connect to is asked for it."],
  [{ ...without("refused", "this exit forwards no ports; connect to one that does"), port: 22 }, "No port 22 yet", "leads to 127.0.0.1:80",
    "This exit forwards no ports; connect to one that does."],
])("%j", (forward, place, words, trouble) => {
  expect([forwardPlace(forward), forwardWords(forward), forwardTrouble(forward)]).toEqual([place, words, trouble]);
});

test("which are waited for, and which want another exit", () => {
  const forwards = [open, ...["waiting", "not_connected", "refused"].map((code) => without(code, "x")), { ...open, reason: { code: "refused", message: "x" } }];
  expect(forwards.map(isWaiting)).toEqual([false, true, false, false, false]);
  expect(forwards.map(needsExit)).toEqual([false, false, true, true, false]);
});

test("a given port says whose it is, and what closing it did", () => {
  const given = { port: 40_017, protocol: "tcp" as const, client: "ab".repeat(20), session_id: "s", since_ms: 0, open: true, bytes_down: 1_500_000, bytes_up: 20 };
  expect(portWords(given, 0)).toMatch(/^abab.* · since .* · 1\.50 MB in, 20 B out$/);
  expect(portWords({ ...given, open: false }, 0)).toMatch(/kept for it, its connection broke$/);
  expect(closedWords([given])).toMatch(/^40017 \(TCP\) is closed\. abab.* gets no port here for a day\.$/);
  expect(closedWords([given, { ...given, protocol: "udp" }])).toMatch(/^40017 \(TCP\) and 40017 \(UDP\) are closed\./);
});

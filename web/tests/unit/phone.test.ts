import { expect, test } from "vitest";
import { parseFragment, rpcUrl, storedLink, storeLink } from "../../src/lib/link";
import { codeOf, fingerprintLines, handIn } from "../../src/lib/phone";

const TOKEN = "ab".repeat(32);

function answering(status: number, body: unknown): typeof fetch {
  return () => Promise.resolve(new Response(JSON.stringify(body), { status }));
}

test.each([
  ["#link=abcdefghijklm234", "abcdefghijklm234"],
  ["#link=ABCDEFGHIJKLM234", null],
  ["#link=abc", null],
  ["#token=abcdefghijklm234", null],
  ["", null],
])("the code in %s is %s", (fragment, code) => expect(codeOf(fragment)).toBe(code));

test("a code is handed in for a token, and what is wrong is said", async () => {
  const asked: unknown[] = [];
  const send = ((...args) => (asked.push(args), answering(200, { name: "Phone", token: TOKEN })(...args))) as typeof fetch;
  expect(await handIn("abcdefghijklm234", send)).toEqual({ token: TOKEN, rpcPort: 0, phone: "Phone" });
  expect(asked).toMatchObject([["/link", { method: "POST", body: '{"code":"abcdefghijklm234"}' }]]);
  await expect(handIn("x", answering(403, { error: {} }))).rejects.toMatchObject({ code: "phone_code_refused" });
  await expect(handIn("x", answering(200, { name: "Phone", token: "<b>" }))).rejects.toMatchObject({ code: "phone_code_refused" });
  await expect(handIn("x", answering(200, null))).rejects.toMatchObject({ code: "phone_code_refused" });
  await expect(handIn("x", () => Promise.reject(new TypeError()))).rejects.toMatchObject({ code: "link_lost" });
});

test("a phone's link is kept, and leads to where the page came from", () => {
  const kept = new Map<string, string>();
  const storage = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value), removeItem: (key: string) => void kept.delete(key) };
  const link = { token: TOKEN, rpcPort: 0, phone: "Phone" };
  storeLink([storage], link);
  expect(storedLink([storage])).toEqual(link);
  const place = { hostname: "192.168.1.20", host: "192.168.1.20:7072" };
  expect(rpcUrl(link, place)).toBe("wss://192.168.1.20:7072/");
  expect(rpcUrl(parseFragment(`#token=${TOKEN}`)!, { hostname: "localhost", host: "localhost:7070" })).toBe("ws://localhost:7071/");
});

test("a fingerprint is shown whole", () => {
  const pairs = Array.from({ length: 32 }, (_, at) => at.toString(16).toUpperCase().padStart(2, "0"));
  const lines = fingerprintLines(pairs.join(":"));
  expect(lines).toHaveLength(4);
  expect(lines.join(":").replaceAll("  ", ":").split(":")).toEqual(pairs);
});

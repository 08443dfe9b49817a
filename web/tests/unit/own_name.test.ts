/** Names in the directory, in words. */

import { expect, test } from "vitest";
import type { NameShown, NameWanted } from "@byway/client";
import { dayOfYear, isUnderWay, standingWords, wantedWords } from "../../src/lib/own_name";

const NOON = new Date(2026, 2, 14, 12).getTime();
const OWNER = "ab".repeat(20);
const shown = (more: Partial<NameShown>): NameShown => ({ name: "alice", standing: "free", primary: false, price_year: "1.5", price_commit: "0.001", ...more });
const wanted = (stage: NameWanted["stage"], reason?: string): NameWanted => ({ name: "alice", years: 1, stage, began_ms: NOON, transaction_id: "00".repeat(32), ...(reason ? { reason } : {}) });

test.each<[Partial<NameShown>, RegExp]>([
  [{}, /^alice is free\. A year costs 1\.50 WAY, and the commitment before it 0\.001 WAY\.$/],
  [{ standing: "in_use", owner: OWNER, looks_like: "a1ice" }, /^alice can't be taken: it looks like a1ice, which is ababab…abab's\.$/],
  [{ standing: "contested", owner: OWNER }, /^alice has just been taken by ababab…abab, /],
  [{ standing: "in_use", owner: OWNER }, /^alice is ababab…abab's\.$/],
  [{ standing: "in_grace", owner: OWNER, free_ms: NOON + 86_400_000 * 3 }, /^The time of alice is over\. Its owner, ababab…abab, can renew it; in .* anybody can take it\.$/],
])("%j", (more, words) => expect(standingWords(shown(more), NOON)).toMatch(words));

test("how far a name is", () => {
  expect(wantedWords(wanted("failed", "somebody else has taken it"))).toBe("Not taken: somebody else has taken it.");
  expect(isUnderWay([wanted("failed")])).toBe(false);
  expect(isUnderWay([wanted("failed"), wanted("contested")])).toBe(true);
  expect(dayOfYear(NOON)).toBe("14 Mar 2026");
});

import { expect, test } from "vitest";
import type { AcceptedInvite, GivenInvite } from "@byway/client";
import { acceptedWords, coinsProblem, INVITE_TIMES, inviteOf, inviteSum, inviteWords, sortedInvites } from "../../src/lib/invites";

const WAY = 10n ** 18n;
const NOW = 1_700_000_000_000;
const open: GivenInvite = { number: 3, coins: "20", pledge: "1", stage: "open", created_ms: NOW, expires_ms: NOW + 7 * 86_400_000, transaction_id: "a" };

test("the coins of an invite are some, and no more than the wallet holds", () => {
  expect(coinsProblem("", WAY)).toBe("Enter an amount.");
  expect(coinsProblem("0", WAY)).toBe("Enter an amount above zero.");
  expect(coinsProblem("1.5", WAY)).toBe("Your wallet holds 1.00 WAY. Enter less than that.");
  expect(coinsProblem("0.5", WAY)).toBeNull();
});

test("an invite is asked for as it was typed", () => {
  expect(inviteOf({ coins: " 20.50 ", pledge: false, seconds: 3_600 }, "k")).toEqual({ coins: "20.5", pledge: false, within_seconds: 3_600, idempotency_key: "k" });
  expect(INVITE_TIMES[0]).toEqual({ label: "30 days", seconds: 2_592_000 });
});

test("what is in an invite, and how it stands", () => {
  expect(inviteSum(open)).toBe("20.00 WAY and the pledge of 1.00 WAY");
  expect(inviteSum({ ...open, pledge: "0" })).toBe("20.00 WAY");
  expect(inviteWords(open, NOW)).toBe("open; your node takes it back in 7 days");
  expect(inviteWords({ ...open, stage: "paying" }, NOW)).toBe("being paid for");
  expect(inviteWords({ ...open, stage: "taken", ended_ms: NOW }, NOW + 60_000)).toBe("taken, 1 min ago");
  expect(inviteWords({ ...open, stage: "failed" }, NOW)).toBe("not paid: the coins are in the wallet");
  expect(sortedInvites([open, { ...open, number: 11 }]).map(({ number }) => number)).toEqual([11, 3]);
});

test("how an accepted one stands", () => {
  const one: AcceptedInvite = { accepted_ms: NOW, amount: "21", stage: "lost", reason: "somebody else took it before", transaction_id: "a" };
  expect(acceptedWords(one)).toBe("lost: somebody else took it before");
  expect((["claiming", "depositing", "done"] as const).map((stage) => acceptedWords({ ...one, stage })))
    .toEqual(["being taken", "in the wallet, on the way to the account", "taken"]);
});

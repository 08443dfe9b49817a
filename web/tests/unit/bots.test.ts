/** Bots on the market, in words. */

import { expect, test } from "vitest";
import type { BotHire, BotOffer } from "@byway/client";
import { parseAmount } from "../../src/lib/amount";
import { hireWords, limitOf, offerWords } from "../../src/lib/bots";

const offer: BotOffer = { bot: "79".repeat(20), name: "keyword", about: "", commands: ["help", "hours"], price: "0.01", score: 1, hired: false };
const hire: BotHire = { bot: offer.bot, name: "keyword", served: true, price_max: "0.01", limit: "0.5", spent: "0.03", asked: 3, answered: 2, waiting: 1, overcharged: 0 };

test("what a bot costs, and has cost", () => {
  expect(offerWords(offer)).toBe("0.01 WAY an answer · help, hours");
  expect(offerWords({ ...offer, commands: [] })).toBe("0.01 WAY an answer");
  expect(hireWords(hire)).toMatch(/^2 of 3 messages answered, 1 wait · 0\.03 WAY of 0\.50? WAY spent$/);
  expect(hireWords({ ...hire, asked: 1, answered: 1, waiting: 0 })).toMatch(/^1 of 1 message answered · /);
});

test.each<[string, string, { limit: string } | { problem: string }]>([
  ["", "0", { limit: "0.1" }],
  ["", "0.03", { limit: "0.13" }],
  ["0.5", "0.03", { limit: "0.5" }],
  ["0.03", "0.03", { problem: "An answer costs 0.01 WAY: allow that much at least." }],
  ["much", "0", { problem: "An amount of WAY, as in 0.5." }],
])("%s on top of %s", (typed, spent, expected) => expect(limitOf(typed, offer, parseAmount(spent))).toEqual(expected));

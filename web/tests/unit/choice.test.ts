import { expect, test } from "vitest";
import type { Offer, Price, Promise as PaymentPromise } from "@byway/client";
import { amountToWire } from "../../src/lib/amount";
import { parseFragment, rpcUrl, storedLink, storeLink } from "../../src/lib/link";
import {
  byCountry, chosenOffers, CHOICE_DEFAULT, comparedAmount, filterOf, filtersOn, otherPrice, priceExact, priceWords, qualityWords, queryOf, targetOf,
  targetsOf, unfiltered, type OfferChoice,
} from "../../src/lib/offers";
import { lastSettlement, openDebts, openWith } from "../../src/lib/promises";
import { rateScale, smoothPath, withRate } from "../../src/lib/rates";

function offer(offer_id: string, amount: string, more: Partial<Offer> = {}): Offer {
  const price: Price = { unit: "mb", amount, asset: "WAY", min_reputation: 0 };
  return {
    offer_id, provider: `p${offer_id}`, serial: "1", service: "socks", country: "DE", exit_country: "DE", asn: 1,
    bandwidth_bps: 1, prices: [price], price, exit_policy: [], contacts: [], published_ms: 0, expires_ms: 1e15,
    preferred: false, forwards: false, ...more,
  };
}
const ids = (offers: Offer[]) => offers.map(({ offer_id }) => offer_id);
const perSecond: Price = { unit: "second", amount: "0.0000001", asset: "WAY", min_reputation: 0 };

const byPrice: OfferChoice = { ...CHOICE_DEFAULT, order: "price" };
const quality = (score: number) => ({ score, own_sessions: 1, attesters: 2, own_score: null });

test("preferred first, then by unit, then by price compared as numbers", () => {
  const offers = [offer("a", "0.0010"), offer("b", "0.00095"), offer("c", "5", { preferred: true }), offer("d", "0", { price: perSecond })];
  expect(ids(chosenOffers(offers, byPrice, 0))).toEqual(["c", "b", "a", "d"]);
});

test("expired offers, other places and what costs more are left out", () => {
  const offers = [offer("a", "1"), offer("b", "2"), offer("c", "1", { expires_ms: 5 }), offer("d", "1", { exit_country: "SE" }), offer("e", "0", { price: perSecond })];
  expect(ids(chosenOffers(offers, { ...CHOICE_DEFAULT, maxPrice: "1000.0", search: "germ" }, 10))).toEqual(["a"]);
  expect(ids(chosenOffers(offers, { ...CHOICE_DEFAULT, search: " se " }, 10))).toEqual(["d"]);
  expect(chosenOffers(offers, { ...CHOICE_DEFAULT, search: "AS1" }, 10)).toHaveLength(4);
  expect(chosenOffers(offers, { ...CHOICE_DEFAULT, search: "2" }, 10)).toEqual([]);
  expect(chosenOffers(offers, { ...CHOICE_DEFAULT, maxPrice: "x" }, 10)).toHaveLength(4);
});

test("offers are sorted as the node sorts them: by price, by quality, or by what is got for the price", () => {
  const offers = [offer("a", "3", { quality: quality(950) }), offer("b", "2"), offer("c", "1", { quality: quality(0) }), offer("d", "2", { bandwidth_bps: 9 })];
  const sorted = (order: OfferChoice["order"]) => ids(chosenOffers(offers, { ...CHOICE_DEFAULT, order }, 0));
  expect(sorted("price")).toEqual(["c", "d", "b", "a"]);
  expect(sorted("quality")).toEqual(["a", "d", "b", "c"]);
  expect(sorted("both")).toEqual(["a", "d", "b", "c"]);
  expect([sorted("name"), sorted("exits")]).toEqual([sorted("both"), sorted("both")]);
});

test("exits that give ports, by the page and by the node", () => {
  const offers = [offer("a", "1", { forwards: true }), offer("b", "2")];
  expect(ids(chosenOffers(offers, { ...CHOICE_DEFAULT, forwards: true }, 0))).toEqual(["a"]);
  expect(filterOf({ ...CHOICE_DEFAULT, forwards: true })).toEqual({ sort: "both", forwards: true });
});

test("quality and speed leave out what is not known to be so good", () => {
  const offers = [offer("a", "1", { quality: quality(700) }), offer("b", "1"), offer("c", "1", { quality: quality(499), bandwidth_bps: 9 })];
  expect(ids(chosenOffers(offers, { ...CHOICE_DEFAULT, minQuality: 500 }, 0))).toEqual(["a"]);
  expect(ids(chosenOffers(offers, { ...CHOICE_DEFAULT, minBandwidthBps: 2 }, 0))).toEqual(["c"]);
  expect(filtersOn({ ...CHOICE_DEFAULT, maxPrice: "1", minQuality: 250, preferredOnly: true, forwards: true, search: "x" })).toBe(4);
  expect(filtersOn(unfiltered({ ...CHOICE_DEFAULT, maxPrice: "1", minBandwidthBps: 5, service: "tunnel" }))).toBe(0);
});

test("the node is given the same filter and order; what it can't filter is tried offer by offer", () => {
  expect(filterOf(CHOICE_DEFAULT)).toEqual({ sort: "both" });
  expect(filterOf({ ...byPrice, maxPrice: ".5" }, "SE")).toEqual({ country: "SE", unit: "mb", max_price: "0.0005", sort: "price" });
  expect(filterOf({ ...CHOICE_DEFAULT, service: "tunnel", minBandwidthBps: 5 })).toEqual({ service: "tunnel", min_bandwidth_bps: 5, sort: "both" });
  const offers = ["a", "b", "c", "d", "e"].map((id) => offer(id, "1", { exit_country: id === "b" ? "SE" : "DE", ...(id === "c" ? { price: null } : {}) }));
  expect(targetsOf(CHOICE_DEFAULT, offers, "DE")).toEqual([{ country: "DE", sort: "both" }]);
  expect(targetsOf({ ...CHOICE_DEFAULT, minQuality: 500 }, offers, "DE")).toEqual([{ offer_id: "a" }, { offer_id: "d" }, { offer_id: "e" }]);
  expect(targetsOf({ ...CHOICE_DEFAULT, hops: 2 }, offers, "DE")).toEqual([{ country: "DE", sort: "both", via: ["best", "best"] }]);
  expect(targetsOf({ ...CHOICE_DEFAULT, minQuality: 500, hops: 0 }, offers, "SE")).toEqual([{ offer_id: "b", via: [] }]);
  expect(queryOf({ ...CHOICE_DEFAULT, hops: 2 })).toEqual({ sort: "both" });
  expect(targetsOf({ ...CHOICE_DEFAULT, preferredOnly: true }, offers)).toHaveLength(3);
  expect(targetsOf({ ...CHOICE_DEFAULT, preferredOnly: true }, [])).toEqual([]);
});

test.each([
  ["ger", {}], ["Germany", { country: "DE" }], ["de", { country: "DE" }], ["icel", { country: "IS" }], ["AS64496", { asn: 64_496 }], ["x", {}], ["", {}],
])("in a large market the node looks for %j", (search, place) => expect(queryOf({ ...CHOICE_DEFAULT, search })).toEqual({ sort: "both", ...place }));

test("countries come with their cheapest price, in the order asked for", () => {
  const offers = [
    offer("a", "0.3"), offer("b", "0.2", { exit_country: "SE", bandwidth_bps: 7 }), offer("c", "0.25"), offer("d", "0", { price: null, exit_country: "AT" }),
  ];
  const by = (order: "price" | "quality" | "name" | "exits") => byCountry(chosenOffers(offers, byPrice, 0), order);
  expect(by("price").map(({ code, cheapest }) => [code, cheapest?.amount ?? null])).toEqual([["SE", "0.2"], ["DE", "0.25"], ["AT", null]]);
  expect(by("name").map(({ name }) => name)).toEqual(["Austria", "Germany", "Sweden"]);
  expect(by("exits")[0]).toMatchObject({ code: "DE", bandwidthMaxBps: 1, offers: [{ offer_id: "c" }, { offer_id: "a" }] });
});

test("countries are as good as their best exit; one that nothing is known of stands in the middle", () => {
  const offers = [
    offer("a", "1", { quality: quality(300) }), offer("b", "2", { quality: quality(900) }), offer("c", "3", { exit_country: "SE", quality: quality(499) }),
    offer("d", "4", { exit_country: "AT" }),
  ];
  const rows = byCountry(chosenOffers(offers, CHOICE_DEFAULT, 0), "quality");
  expect(rows.map(({ code, quality }) => [code, quality?.score ?? null])).toEqual([["DE", 900], ["AT", null], ["SE", 499]]);
  expect(qualityWords(quality(900))).toEqual({ word: "very good", bars: 4, source: "900 of 1000 points, by 1 session of yours and 2 others" });
  expect([0, 250, 500, 1000].map((score) => qualityWords(quality(score)).bars)).toEqual([1, 2, 3, 4]);
});

test("prices are told by the gigabyte and by the hour, others by their unit", () => {
  expect(priceWords(offer("a", "0.0004").price!)).toEqual({ amount: "0.40", unit: "WAY per GB" });
  expect(priceWords({ ...perSecond, amount: "0.0001" })).toEqual({ amount: "0.36", unit: "WAY per hour" });
  expect(priceExact({ ...perSecond, amount: "0.0001" })).toBe("0.0001 WAY per second");
  expect(priceWords({ ...perSecond, unit: "call", asset: "ab" })).toEqual({ amount: "0.0000001", unit: "of another asset per call" });
});

test("what was named by the hour comes out as it was named, though it is cut off by the second", () => {
  for (const hour of ["0.5", "1", "0.07", "123.456789"]) {
    const { max_price } = filterOf({ ...CHOICE_DEFAULT, per: "second", maxPrice: hour });
    expect(amountToWire(comparedAmount({ ...perSecond, amount: max_price! }))).toBe(hour);
  }
});

test("time is asked for where it is chosen, and only there", () => {
  const timed: OfferChoice = { ...CHOICE_DEFAULT, per: "second" };
  expect(filterOf(CHOICE_DEFAULT)).toEqual({ sort: "both" });
  expect(filterOf(timed, "FI")).toEqual({ sort: "both", unit: "second", country: "FI" });
  expect(filterOf({ ...timed, maxPrice: "0.36" })).toEqual({ sort: "both", unit: "second", max_price: "0.0001" });
  const cheap = offer("a", "1", { price: { ...perSecond, amount: "0.0001" } });
  const dear = offer("b", "1", { price: { ...perSecond, amount: "0.0002" }, preferred: true });
  expect(ids(chosenOffers([cheap, dear, offer("c", "0")], { ...timed, maxPrice: "0.36" }, 0))).toEqual(["a"]);
  expect(targetsOf({ ...timed, preferredOnly: true }, [dear])).toEqual([{ offer_id: "b", unit: "second" }]);
  expect([targetOf(dear, "second"), targetOf(dear, "mb")]).toEqual([{ offer_id: "b", unit: "second" }, { offer_id: "b" }]);
  expect(unfiltered({ ...timed, maxPrice: "1" })).toEqual(timed);
});

test("an offer's other price is told where anyone pays it", () => {
  const both = offer("a", "1");
  both.prices.push({ ...perSecond, min_reputation: 5 });
  expect(otherPrice(both, "mb")).toBeNull();
  both.prices.push(perSecond);
  expect(otherPrice(both, "mb")).toEqual(perSecond);
  expect(otherPrice(both, "second")?.unit).toBe("mb");
});

test("promises: what is open, per counterparty and in all", () => {
  const promise = (counterparty: string, serial: string, amount: string, settled: string, direction: "out" | "in" = "out"): PaymentPromise => ({
    direction, counterparty, serial, amount, settled, backing: "account", updated_ms: Number(serial), settled_ms: settled === "0" ? null : 7,
  });
  const promises = [promise("x", "1", "3", "3"), promise("x", "2", "1.5", "0.5"), promise("y", "3", "1", "0"), promise("z", "4", "9", "0", "in")];
  expect(openWith(promises, "x")).toBe(10n ** 18n);
  expect(openWith(promises, undefined)).toBe(2n * 10n ** 18n);
  expect(openDebts(promises).map(({ counterparty }) => counterparty)).toEqual(["z", "y", "x"]);
  expect(lastSettlement(promises)).toBe(7);
  expect(lastSettlement([])).toBeNull();
});

test.each([
  [`#token=${"a1".repeat(32)}&rpc=9000`, { token: "a1".repeat(32), rpcPort: 9000 }],
  [`#token=${"a1".repeat(32)}`, { token: "a1".repeat(32), rpcPort: 7071 }],
  ["", null], ["#rpc=7071", null], [`#token=${"A1".repeat(32)}`, null], ["#token=zz", null],
  [`#token=${"a1".repeat(32)}&rpc=70000`, null], [`#token=${"a1".repeat(32)}&rpc=evil.example:1`, null],
])("fragment %s", (fragment, link) => expect(parseFragment(fragment)).toEqual(link));

test("a link is kept, found again, forgotten; rubbish in storage is nothing", () => {
  const values = new Map<string, string>();
  const storage = {
    getItem: (key: string) => values.get(key) ?? null,
    setItem: (key: string, value: string) => void values.set(key, value),
    removeItem: (key: string) => void values.delete(key),
  };
  const denied = { getItem: () => { throw new Error("denied"); }, setItem: () => { throw new Error("denied"); }, removeItem: () => undefined };
  const link = { token: "a1".repeat(32), rpcPort: 7071 };
  storeLink([denied, storage], link);
  expect(storedLink([denied, storage])).toEqual(link);
  storeLink([storage], null);
  expect(storedLink([storage])).toBeNull();
  values.set("byway.link", '{"token":"x"}');
  expect(storedLink([storage])).toBeNull();
  expect(rpcUrl(link, { hostname: "localhost", host: "localhost:7070" })).toBe("ws://localhost:7071/");
});

test("speeds: a minute is kept, the scale is a round number above all", () => {
  let samples = withRate([], { timeMs: 0, downBps: 3e6, upBps: 0 });
  for (let second = 1; second <= 100; second += 1) samples = withRate(samples, { timeMs: second * 1000, downBps: 33e6, upBps: 1 });
  expect(samples[0]!.timeMs).toBe(38_000);
  expect(rateScale(samples)).toBe(50e6);
  expect(rateScale([])).toBe(1e6);
  expect(smoothPath([])).toBe("");
  expect(smoothPath([[0, 5], [10, 7]])).toBe("M0.0 5.0C5.0 5.0 5.0 7.0 10.0 7.0");
});

/** Limits that ask, in a real browser against the mock node. */

import { expect, test } from "vitest";
import { MethodError } from "../mock/methods";
import { Stage } from "./stage";

const stage = new Stage();
const question = (name: string | RegExp) => stage.page.getByRole("region", { name });
const focused = () => stage.page.evaluate(() => document.activeElement?.id);

test("at the limit of a day the user is asked, and a yes goes on for as much again", async () => {
  stage.node.world.limits = { session_max: null, day_max: "0.002" };
  await stage.open();
  await stage.button(/^Connect to Germany/).click();
  const asked = question("Today's limit is reached");
  await asked.waitFor();
  stage.node.bytesPerSecond = 0;
  await asked.getByText(/^0\.00\d+ of 0\.002 WAY were spent today\. That has stopped the connection\.$/).waitFor();
  await asked.getByText(/a new day begins \(UTC\), in \d+ (h|min|s)/).waitFor();
  await stage.page.getByRole("heading", { level: 1, name: "Limit reached" }).waitFor();
  await stage.page.getByText("Today's spending limit of 0.002 WAY is reached.", { exact: true }).waitFor();
  await asked.getByRole("button", { name: "Go on: 0.002 WAY more today" }).press("Enter");
  await asked.waitFor({ state: "detached" });
  expect(stage.lastCall("spending_allow")).toEqual({});
  await stage.page.getByRole("heading", { level: 1, name: "Germany" }).waitFor();
  expect(await focused()).toBe("connection");
  await stage.page.locator("#limits").getByText(/of 0\.002 \+ 0\.002 WAY/).waitFor();
});

test("another amount is allowed for the day; what is wrong with it is told, by the page or by the node", async () => {
  stage.node.world.limits.day_max = "5";
  await stage.open();
  stage.node.stopAtLimit("day");
  await stage.button("Another amount").click();
  const amount = stage.page.getByLabel("More today, WAY");
  expect(await amount.evaluate((field) => field === document.activeElement)).toBe(true);
  await amount.fill("2,5");
  await amount.press("Enter");
  await stage.page.getByText("Use a point for decimals").waitFor();
  await amount.fill("0");
  await stage.page.getByText("Enter an amount above zero.").waitFor();
  expect(stage.lastCall("spending_allow")).toBeUndefined();
  stage.node.failNext("spending_allow", new MethodError(1008, "storage_failed", "The disk is full. Free some space."));
  await amount.fill("2.50");
  await amount.press("Enter");
  await stage.page.getByRole("alert").getByText("The disk is full. Free some space.").waitFor();
  await stage.button("Allow it").click();
  await question("Today's limit is reached").waitFor({ state: "detached" });
  expect(stage.lastCall("spending_allow")).toEqual({ amount: "2.5" });
  await stage.page.locator("#limits").getByText("of 5.00 + 2.50 WAY").waitFor();
  // The next limit asks anew, and brings nobody into a field.
  await stage.page.getByLabel(/^Search/).first().focus();
  stage.node.stopAtLimit("day");
  await question("Today's limit is reached").waitFor();
  expect(await stage.button("Another amount").getAttribute("aria-expanded")).toBe("false");
  expect(await focused()).toBe("country-search");
});

test("after the limit of a session the next one begins, and no amount is asked for", async () => {
  await stage.open();
  await stage.button(/^Connect to Germany/).click();
  await stage.page.getByText("Connected through", { exact: true }).waitFor();
  const before = stage.node.world.sessions.length;
  stage.node.stopAtLimit("session");
  const asked = question("The limit of a session is reached");
  await asked.getByText("A session has cost 5.00 WAY, as much as one may. That has stopped the connection.").waitFor();
  expect(await stage.button("Another amount").count()).toBe(0);
  await asked.getByRole("button", { name: "Go on with the next session" }).click();
  await stage.page.getByText("Connected through", { exact: true }).waitFor();
  expect([stage.lastCall("spending_allow"), stage.node.world.sessions.length]).toEqual([{}, before + 1]);
  expect(stage.node.world.allowed).toBe(0n);
});

test("it names every way that is stopped, and is put off until another one is", async () => {
  const connection = { state: "connected" as const, since_ms: 0, rate_down_bps: 0, rate_up_bps: 0 };
  stage.node.world.ports = [{ listen: "127.0.0.1:1090", configured: true, country: "SE", connection }];
  await stage.open();
  stage.node.stopAtLimit("day");
  stage.node.stopAtLimit("day", "127.0.0.1:1090");
  const asked = question("Today's limit is reached");
  await asked.getByText("the connection and the port 127.0.0.1:1090").waitFor();
  await stage.page.getByRole("list", { name: "Ports" }).getByText("Sweden · paused: today's spending limit of 20 WAY is reached", { exact: true }).waitFor();
  await asked.getByRole("button", { name: "Not now" }).press("Enter");
  await asked.waitFor({ state: "detached" });
  expect(await focused()).toBe("connection");
  await stage.page.locator("#connection").getByRole("button", { name: "Answer" }).click();
  await asked.getByRole("button", { name: "Not now" }).click();
  await asked.waitFor({ state: "detached" });
  stage.node.stopAtLimit("session");
  await question("Two limits are reached").waitFor();
  await stage.button("Go on: 20.00 WAY more today").waitFor();
});

test("every page tells of it and leads there, and a screen reader hears it without losing its place", async () => {
  await stage.openPage("Wallet");
  const amount = stage.page.getByLabel("Amount, WAY");
  await amount.fill("1");
  stage.node.stopAtLimit("day");
  const told = stage.page.getByRole("status").filter({ hasText: "Today's limit is reached. Stopped: the connection." });
  await told.waitFor();
  expect(await amount.evaluate((field) => field === document.activeElement)).toBe(true);
  const hint = stage.page.getByRole("link", { name: /^Today's limit is reached\. .* Answer$/ });
  await hint.click();
  await stage.button("Go on: 20.00 WAY more today").waitFor();
  expect(await hint.count()).toBe(0);
  stage.node.goOn();
  await question("Today's limit is reached").waitFor({ state: "detached" });
  await expect.poll(() => told.count()).toBe(0);
});

test("a session's limit that is changed leaves what was allowed today", async () => {
  stage.node.world.allowed = 10n ** 18n;
  await stage.open();
  await stage.button("Change limits").click();
  await stage.page.getByLabel("A session at most").fill("2");
  await stage.button("Save limits").click();
  await stage.page.locator("#limits").getByText("of 2.00 WAY").waitFor();
  expect(stage.lastCall("spending_limits_set")).toEqual({ session_max: "2" });
  await stage.page.locator("#limits").getByText("of 20.00 + 1.00 WAY").waitFor();
});

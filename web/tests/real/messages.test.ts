/** The page *Messages* over two real nodes, in two browsers: an invite, and all that is said and done with it. */

import { afterAll, beforeAll, expect, test } from "vitest";
import type { Page } from "playwright-core";
import type { HoldStatus } from "@byway/client";
import { Network } from "../../../clients/typescript/test/network";
import { Browser, shoot } from "../e2e/browser";
import { openPage, RealNode } from "./nodes";
import { askPoll, conversation, field, makeGroup, makeInvite, menu, message, messages, say, sendPicture, takeInvite } from "./talking";

const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");

let network: Network;
let browsers: Browser[] = [];
let [alice, bob]: Page[] = [];
let [alicesNode, bobsNode]: RealNode[] = [];

beforeAll(async () => {
  network = await Network.start();
  const nodes = [RealNode.first(network), await RealNode.join(network, "bob", '[chat]\nname = "Bob"\n', "4")];
  [alicesNode, bobsNode] = nodes;
  browsers = [await Browser.start("desktop", "light"), await Browser.start("phone", "dark")];
  [alice, bob] = await Promise.all(browsers.map((browser, at) => openPage(browser, nodes[at]!, "messages")));
});

afterAll(async () => {
  for (const browser of browsers) await browser.stop();
  await network?.stop();
});

test("two become contacts by an invite, and talk", async () => {
  await alice!.getByRole("link", { name: "Invite somebody" }).last().click();
  await takeInvite(bob!, await makeInvite(alice!));
  await field(bob!).fill("Hello **Alice**");
  await bob!.getByRole("button", { name: "Send" }).click();
  await alice!.getByRole("list", { name: "Conversations" }).getByRole("link", { name: /Bob/ }).click();
  await message(alice!, "Hello Alice").locator("strong", { hasText: "Alice" }).waitFor();
  await message(bob!, "Hello Alice").getByText("Read", { exact: true }).first().waitFor({ state: "attached" });
});

test("an answer, a reaction, an edit and a deletion are seen by the other", async () => {
  await message(alice!, "Hello Alice").hover();
  await message(alice!, "Hello Alice").getByRole("button", { name: /^Answer/ }).click();
  await say(alice!, "Hello yourself");
  await message(bob!, "Hello yourself").getByRole("button", { name: /answers/ }).waitFor();
  await menu(bob!, "Hello yourself", "React with 👍");
  await message(alice!, "Hello yourself").getByRole("button", { name: "👍 by Bob" }).waitFor();
  await field(alice!).press("ArrowUp");
  await say(alice!, "Hello to you");
  await message(bob!, "Hello to you").getByText("edited").waitFor();
  await say(alice!, "never mind");
  await message(bob!, "never mind").waitFor();
  await shoot(alice!, "real-messages-alice");
  await shoot(bob!, "real-messages-bob");
  await menu(alice!, "never mind", "Delete…", "Delete it here and for them");
  await messages(bob!).getByText("This message was deleted.").waitFor();
  await message(bob!, "never mind").waitFor({ state: "detached" });
});

test("both see the same safety number, and what was said after a reload", async () => {
  const numbers: (string | null)[] = [];
  for (const page of [alice!, bob!]) {
    await page.getByRole("button", { name: "Name, safety number, blocking" }).click();
    numbers.push(await page.getByLabel("Safety number", { exact: true }).textContent());
    await page.keyboard.press("Escape");
  }
  expect(numbers[0]).toMatch(/^(\d{5} ){12}$/);
  expect(numbers[1]).toBe(numbers[0]);
  await bob!.reload();
  await message(bob!, "Hello to you").waitFor();
  expect(await messages(bob!).locator("li.message").count()).toBe(3);
  expect(browsers.flatMap(({ faults }) => faults)).toEqual([]);
});

test("a picture and a poll come to the other, and what is chosen comes back", async () => {
  await sendPicture(alice!, "lake.png", PNG, "from the lake");
  const picture = message(bob!, "from the lake").getByRole("img", { name: "lake.png", exact: true });
  await picture.waitFor();
  expect(await picture.getAttribute("src")).toMatch(/^blob:/);
  await askPoll(alice!, "When?", ["at eight", "at nine"]);
  await bob!.getByRole("radio", { name: /^at nine/ }).click();
  await message(alice!, "When?").getByText("1 has voted").waitFor();
  await message(alice!, "When?").getByRole("button", { name: "Close the poll…" }).click();
  await message(alice!, "When?").getByRole("button", { name: "Close it for good" }).click();
  await message(bob!, "When?").getByText("Closed", { exact: true }).waitFor();
});

test("a list is changed by both, and a group is made, renamed and talked in", async () => {
  await makeGroup(alice!, "Sunday walk", ["Bob"]);
  await say(alice!, "Who comes along?");
  await bob!.evaluate(() => (location.hash = "messages"));
  await bob!.getByRole("list", { name: "Conversations" }).getByRole("link", { name: /Sunday walk/ }).click();
  await message(bob!, "Who comes along?").locator("strong.author").waitFor();
  await bob!.getByRole("button", { name: "Files, polls, lists" }).click();
  await bob!.getByRole("menuitem", { name: "List…" }).click();
  await bob!.getByLabel("What it is called").fill("to bring");
  await bob!.getByLabel(/^Entries/).fill("the map");
  await bob!.getByRole("button", { name: "Begin it" }).click();
  await message(alice!, "to bring").getByRole("checkbox", { name: "the map" }).click();
  await message(bob!, "to bring").getByText("1 of 1 done").waitFor();
  await alice!.getByRole("button", { name: "Members" }).click();
  await alice!.getByRole("dialog").getByRole("textbox", { name: "What the group is called" }).fill("Monday walk");
  await alice!.getByRole("button", { name: "Rename" }).click();
  await bob!.getByRole("textbox", { name: "Message to Monday walk" }).waitFor();
  expect(await bob!.getByRole("button", { name: "Rename" }).count()).toBe(0);
  expect(browsers.flatMap(({ faults }) => faults)).toEqual([]);
});

test("what is said to somebody whose node is off is held, and is there once when they are back", async () => {
  const holder = await RealNode.join(network, "holder", "", "2");
  await holder.register();
  await holder.says("hold", "offer", "--price", "0.0001", "--publish");
  await bobsNode!.register();
  await bobsNode!.deposit("2");
  await bobsNode!.until<unknown[]>((offers) => offers.length === 1, "hold", "find");
  await bobsNode!.says("hold", "use", "--price-max", "0.0002");
  await bobsNode!.until<HoldStatus>(({ holders }) => holders.some(({ holding, named }) => holding && named), "hold", "status");
  await alicesNode!.until<{ waiting: number }[]>((people) => people.every(({ waiting }) => waiting === 0), "chat", "contacts");
  await bob!.close();
  await bobsNode!.stop();

  await alice!.evaluate(() => (location.hash = "messages"));
  await conversation(alice!, "Bob").click();
  for (const text of ["Are you asleep?", "See you at nine", "Bring the map"]) await say(alice!, text);
  await holder.until<HoldStatus>(({ clients }) => clients.some(({ held }) => held >= 3), "hold", "status");
  // The one who holds is asked by whoever was away, and lets go of what has arrived.
  await bobsNode!.start();
  bob = await openPage(browsers[1]!, bobsNode!, "messages");
  await conversation(bob, "Alex").click();
  for (const text of ["Are you asleep?", "See you at nine", "Bring the map"]) {
    await message(bob, text).waitFor();
    expect(await message(bob, text).count()).toBe(1);
  }
  await holder.until<HoldStatus>(({ clients }) => clients.every(({ held }) => held === 0), "hold", "status");
  await field(bob).fill("I was away");
  await bob.getByRole("button", { name: "Send" }).click();
  await message(alice!, "I was away").waitFor({ timeout: 120_000 });
  await holder.stop();
});

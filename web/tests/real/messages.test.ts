/** The page *Messages* over two real nodes, in two browsers: an invite, and all that is said and done with it. */

import { afterAll, beforeAll, expect, test } from "vitest";
import type { Locator, Page } from "playwright-core";
import { Network } from "../../../clients/typescript/test/network";
import { Browser, shoot } from "../e2e/browser";
import { openPage, RealNode } from "./nodes";

const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");

let network: Network;
let browsers: Browser[] = [];
let [alice, bob]: Page[] = [];

const messages = (page: Page): Locator => page.getByRole("list", { name: "Messages" });
const message = (page: Page, text: string): Locator => messages(page).locator("li.message", { hasText: text });
const field = (page: Page): Locator => page.getByRole("textbox", { name: /^Message to/ });

async function say(page: Page, text: string): Promise<void> {
  await field(page).fill(text);
  await field(page).press("Enter");
}

async function menu(page: Page, text: string, ...items: string[]): Promise<void> {
  await message(page, text).last().getByRole("button", { name: /^What to do/ }).click();
  for (const item of items) await page.getByRole("menuitem", { name: item }).click();
}

beforeAll(async () => {
  network = await Network.start();
  const nodes = [RealNode.first(network), await RealNode.join(network, "bob", '[chat]\nname = "Bob"\n', "2")];
  browsers = [await Browser.start("desktop", "light"), await Browser.start("phone", "dark")];
  [alice, bob] = await Promise.all(browsers.map((browser, at) => openPage(browser, nodes[at]!, "messages")));
});

afterAll(async () => {
  for (const browser of browsers) await browser.stop();
  await network?.stop();
});

test("two become contacts by an invite, and talk", async () => {
  await alice!.getByRole("link", { name: "Invite somebody" }).last().click();
  await alice!.getByRole("button", { name: "Make the link" }).click();
  const link = await alice!.getByRole("group", { name: "Your invite" }).locator("code").first().textContent();
  expect(link).toMatch(/^byway:chat\//);
  await bob!.evaluate(() => (location.hash = "messages/new"));
  await bob!.getByLabel(/An invite/).fill(link!);
  await bob!.getByRole("button", { name: "Use it" }).click();
  await field(bob!).waitFor();
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
  await alice!.locator("input[type=file]").setInputFiles({ name: "lake.png", mimeType: "image/png", buffer: PNG });
  await alice!.getByRole("list", { name: "Files to send" }).getByText("lake.png").waitFor();
  await field(alice!).fill("from the lake");
  await alice!.getByRole("button", { name: "Send" }).click();
  const picture = message(bob!, "from the lake").getByRole("img", { name: "lake.png", exact: true });
  await picture.waitFor();
  expect(await picture.getAttribute("src")).toMatch(/^blob:/);
  await alice!.getByRole("button", { name: "Files, polls, lists" }).click();
  await alice!.getByRole("menuitem", { name: "Poll…" }).click();
  await alice!.getByLabel("Question").fill("When?");
  await alice!.getByLabel(/^Options/).fill("at eight\nat nine");
  await alice!.getByRole("button", { name: "Ask" }).click();
  await bob!.getByRole("radio", { name: /^at nine/ }).click();
  await message(alice!, "When?").getByText("1 has voted").waitFor();
  await message(alice!, "When?").getByRole("button", { name: "Close the poll…" }).click();
  await message(alice!, "When?").getByRole("button", { name: "Close it for good" }).click();
  await message(bob!, "When?").getByText("Closed", { exact: true }).waitFor();
});

test("a list is changed by both, and a group is made, renamed and talked in", async () => {
  await alice!.evaluate(() => (location.hash = "messages/new"));
  await alice!.getByLabel("What it is called").fill("Sunday walk");
  await alice!.getByRole("checkbox", { name: /Bob/ }).check();
  await alice!.getByRole("button", { name: "Make the group" }).click();
  await field(alice!).waitFor();
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

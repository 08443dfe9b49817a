/** Search in all that was said: found with the node, looked at where it stands, and by keyboard. */

import { expect, test } from "vitest";
import type { Locator } from "playwright-core";
import type { ChatPerson } from "@byway/client";
import type { Talk } from "../mock/chat";
import { attachment } from "../mock/chat_files";
import { MethodError } from "../mock/error";
import { Stage } from "./stage";

const stage = new Stage();
const sheet = (): Locator => stage.page.getByRole("dialog", { name: "Search" });
const field = (): Locator => sheet().getByLabel("Search in all messages");
const hits = (): Locator => sheet().getByRole("list", { name: /^Found, / }).getByRole("button");
const messages = (): Locator => stage.page.getByRole("list", { name: "Messages" });

/** A conversation of a hundred thousand messages, of which one tells of a lighthouse, and another one. */
async function begin(): Promise<{ ada: ChatPerson; long: Talk; short: Talk }> {
  const [ada, bob] = [stage.node.chat.person("Ada", { online: true }), stage.node.chat.person("Bob the Builder")];
  const long = stage.node.chat.talk(ada, 100_000, (place) => (place === 41_250 ? "we saw the lighthouse <b>there</b>" : `Message ${place}`));
  const short = stage.node.chat.talk(bob);
  stage.node.chat.say(short, { text: "A lighthouse is tall" }, bob);
  stage.node.chat.say(short, { text: "", attachments: [attachment("lighthouse.pdf")] });
  await stage.openPage("Messages");
  await stage.page.getByRole("list", { name: "Conversations" }).waitFor();
  return { ada, long, short };
}

test("what was said long ago is found, marked, and looked at where it stands", async () => {
  const { long } = await begin();
  await stage.page.keyboard.press("Control+k");
  await field().fill("Lighthouse");
  await expect.poll(() => hits().count()).toBe(3);
  expect(await hits().nth(0).textContent()).toContain("lighthouse.pdf");
  expect(await hits().nth(2).locator("mark").allTextContents()).toEqual(["lighthouse"]);
  expect(await hits().nth(2).textContent()).toContain("<b>there</b>");
  await hits().nth(2).click();
  await sheet().waitFor({ state: "detached" });
  await messages().getByText("we saw the lighthouse").waitFor();
  await messages().locator(".pointed").getByText("lighthouse").waitFor();
  await messages().getByText("Message 41251", { exact: true }).waitFor();
  await expect.poll(() => messages().locator(".pointed").evaluate((line) => line === document.activeElement)).toBe(true);
  const box = await messages().locator(".pointed").boundingBox();
  expect(box!.y).toBeGreaterThan(100);
  expect(box!.y).toBeLessThan(800);
  // It goes on from there, up and down, and to its end.
  await stage.page.getByRole("button", { name: /Newest/ }).click();
  await messages().getByText("Message 99999", { exact: true }).waitFor();
  // The same in the conversation that is shown already.
  await stage.page.keyboard.press("Control+k");
  await expect.poll(() => field().inputValue()).toBe("Lighthouse");
  await hits().nth(2).click();
  await messages().locator(".pointed").getByText("lighthouse").waitFor();
  expect(await stage.page.evaluate(() => location.hash)).toBe(`#messages/${long.conversation.conversation}`);
});

test("by keyboard: down into what was found, up again, and Enter", async () => {
  const { short } = await begin();
  await stage.page.keyboard.press("Control+k");
  await stage.page.keyboard.type("lighthouse tall");
  await expect.poll(() => hits().count()).toBe(1);
  await stage.page.keyboard.press("ArrowDown");
  await expect.poll(() => hits().first().evaluate((line) => line === document.activeElement)).toBe(true);
  await stage.page.keyboard.press("ArrowUp");
  await expect.poll(() => field().evaluate((line) => line === document.activeElement)).toBe(true);
  await stage.page.keyboard.press("Enter");
  await messages().getByText("A lighthouse is tall").waitFor();
  expect(await stage.page.evaluate(() => location.hash)).toBe(`#messages/${short.conversation.conversation}`);
  await stage.page.keyboard.press("Control+k");
  await sheet().waitFor();
  await stage.page.keyboard.press("Escape");
  await sheet().waitFor({ state: "detached" });
});

test("filters are chosen, filled in, and taken out", async () => {
  await begin();
  await stage.page.getByRole("button", { name: "Search in all messages" }).click();
  await field().fill("lighthouse");
  await sheet().getByRole("button", { name: "from:", exact: true }).click();
  await sheet().getByRole("button", { name: "Bob the Builder" }).click();
  expect(await field().inputValue()).toBe("lighthouse from:\"Bob the Builder\" ");
  await expect.poll(() => hits().count()).toBe(1);
  await sheet().getByRole("button", { name: "Without from:Bob the Builder" }).click();
  await expect.poll(() => hits().count()).toBe(3);
  await sheet().getByRole("button", { name: "has:", exact: true }).click();
  await sheet().getByRole("button", { name: "file", exact: true }).click();
  await expect.poll(() => hits().count()).toBe(1);
  await sheet().getByRole("button", { name: "before:", exact: true }).click();
  await sheet().getByLabel("Which day?").fill("2026-03-14");
  await expect.poll(() => field().inputValue()).toBe("lighthouse has:file before:2026-03-14 ");
});

test("people are found, older hits are asked for, and nothing found is said", async () => {
  await begin();
  await stage.page.getByLabel("Search people and conversations").fill("bob");
  await stage.page.getByRole("button", { name: "Search all messages for “bob”" }).click();
  await sheet().getByRole("list", { name: "People who were found" }).getByRole("link", { name: /Bob the Builder/ }).waitFor();
  await field().fill("message");
  await expect.poll(() => hits().count()).toBe(40);
  await sheet().getByRole("button", { name: "Older ones" }).click();
  await expect.poll(() => hits().count()).toBe(80);
  await field().fill("nobody said this");
  await sheet().getByText("Nothing was found.").waitFor();
});

test("in one conversation, from the search in what is shown", async () => {
  const { long } = await begin();
  await stage.page.getByRole("list", { name: "Conversations" }).getByRole("link", { name: /Ada/ }).click();
  await messages().getByText("Message 99999", { exact: true }).waitFor();
  await stage.page.keyboard.press("Control+Shift+F");
  await stage.page.getByLabel("Search in this conversation").fill("lighthouse");
  await stage.page.getByRole("button", { name: "In all of it" }).click();
  await expect.poll(() => hits().count()).toBe(1);
  expect(stage.lastCall("chat_search")).toMatchObject({ query: "lighthouse", limit: 40, to: long.conversation.conversation });
  await sheet().getByRole("button", { name: "Search in all conversations again" }).click();
  await expect.poll(() => hits().count()).toBe(3);
});

test("what the node refuses is said, and one that can't search leaves it to the page", async () => {
  await begin();
  await stage.page.keyboard.press("Control+k");
  await field().fill("has:dog");
  await sheet().getByText("\"has:dog\" is not known").waitFor();
  stage.node.failNext("chat_search" as never, new MethodError(-32601, "method_not_found", "There is no such method."));
  await field().fill("lighthouse");
  await sheet().getByText("Your node can't search yet").waitFor();
  await expect.poll(() => hits().count()).toBe(1);
  stage.node.failNext("chat_search" as never, new MethodError(1002, "busy", "The node has too much to do."));
  await field().fill("lighthouse tall");
  await sheet().getByText("The node has too much to do.").waitFor();
  expect(await hits().count()).toBe(0);
});

test("messages of one name in two conversations are two", async () => {
  const { ada } = await begin();
  const [one, two] = [stage.node.chat.group("Walk", [ada]), stage.node.chat.group("Garden", [ada])];
  const said = [one, two].map((talk) => stage.node.chat.say(talk, { text: "meet at the fountain" }, ada));
  expect(said[0]!.message).toBe(said[1]!.message);
  [one, two].forEach((talk) => stage.node.chat.tellConversation(talk));
  await stage.page.keyboard.press("Control+k");
  await field().fill("fountain");
  await expect.poll(() => hits().count()).toBe(2);
  await hits().filter({ hasText: "Walk" }).click();
  await stage.page.getByRole("region", { name: "Conversation with Walk" }).waitFor();
});

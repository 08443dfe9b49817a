/** Groups on the page *Messages*: founded, changed by who may, and who said what in them. */

import { expect, test } from "vitest";
import type { Locator } from "playwright-core";
import { MethodError } from "../mock/error";
import { Stage } from "./stage";

const stage = new Stage();
const conversations = (): Locator => stage.page.getByRole("list", { name: "Conversations" });
const message = (text: string): Locator => stage.page.getByRole("list", { name: "Messages" }).locator("li.message", { hasText: text });
const sheet = (): Locator => stage.page.getByRole("dialog");
const member = (name: string): Locator => sheet().getByRole("list", { name: "Members" }).getByRole("listitem").filter({ hasText: name });

async function openSheet(title: string): Promise<void> {
  await conversations().getByRole("link", { name: new RegExp(title) }).click();
  await stage.button("Members").click();
  await sheet().getByText("You", { exact: true }).waitFor();
}

test("a group is founded of contacts", async () => {
  const [ada, bob] = ["Ada", "Bob"].map((name) => stage.node.chat.person(name));
  stage.node.chat.people.push(stage.node.chat.made("Mallory", { standing: "asking", conversation: null }));
  await stage.openPage("Messages");
  await stage.page.getByRole("link", { name: "Add somebody" }).first().click();
  await stage.page.getByLabel("What it is called").fill("Sunday walk");
  await stage.button("Make the group").click();
  await stage.page.getByText("Choose whom it is with.").waitFor();
  expect(await stage.page.getByRole("checkbox").count()).toBe(2);
  await stage.page.getByRole("checkbox", { name: "Ada" }).check();
  await stage.page.getByRole("checkbox", { name: "Bob" }).check();
  await stage.button("Make the group").click();
  await stage.page.getByRole("textbox", { name: "Message to Sunday walk" }).waitFor();
  await stage.page.getByText("Ada, Bob", { exact: true }).waitFor();
  expect(stage.lastCall("chat_group_create")).toMatchObject({ title: "Sunday walk", with: [ada!.identity, bob!.identity], idempotency_key: expect.stringMatching(/^[0-9a-f]{32}$/) });
});

test("the founder renames it, adds, makes admins, removes and leaves", async () => {
  const [ada, bob] = ["Ada", "Bob"].map((name) => stage.node.chat.person(name));
  stage.node.chat.group("Walk", [ada!]);
  await stage.openPage("Messages");
  await openSheet("Walk");
  await sheet().getByLabel("What the group is called").last().fill("Monday walk");
  await stage.button("Rename").click();
  await conversations().getByText("Monday walk").waitFor();
  await stage.button("Add somebody…").click();
  await sheet().getByRole("checkbox", { name: "Bob" }).check();
  await stage.button("Add them").click();
  await member("Bob").waitFor();
  expect(stage.lastCall("chat_group_change")).toMatchObject({ what: "add", who: [bob!.identity] });
  await member("Bob").getByRole("button", { name: "Make an admin" }).click();
  await member("Bob").getByText("admin", { exact: true }).waitFor();
  stage.node.failNext("chat_group_change", new MethodError(1612, "role_does_not_allow", "Only the founder does that."));
  await member("Bob").getByRole("button", { name: "Make a member" }).click();
  await sheet().getByText("Only the founder does that.").waitFor();
  await stage.button("Remove Ada…").click();
  await stage.button("Remove Ada").click();
  await member("Ada").waitFor({ state: "detached" });
  await stage.button("Leave…").click();
  await stage.button("Leave the group").click();
  await sheet().getByText(/^You have left it/).waitFor();
  expect(await sheet().getByRole("button", { name: /Make|Remove|Add (somebody|them)|Rename|Leave/ }).count()).toBe(0);
  await stage.page.keyboard.press("Escape");
  await stage.page.getByText(/^You have left this group/).waitFor();
  expect(await stage.page.getByRole("textbox", { name: /^Message to/ }).count()).toBe(0);
});

test("a member is offered nothing but to leave", async () => {
  const [ada, bob] = ["Ada", "Bob"].map((name) => stage.node.chat.person(name));
  stage.node.chat.group("Walk", [ada!, bob!], "member");
  await stage.openPage("Messages");
  await openSheet("Walk");
  await member("Ada").getByText("founder").waitFor();
  expect(await sheet().getByRole("button").allTextContents()).toEqual(["×", "Address book", "Leave…"]);
  expect(await sheet().getByRole("textbox").count()).toBe(0);
});

test("what is said in it has its author's name, also of who is no contact", async () => {
  const ada = stage.node.chat.person("Ada");
  const stranger = stage.node.chat.made("Zoe", { conversation: null });
  const talk = stage.node.chat.group("Walk", [ada, stranger]);
  const asked = stage.node.chat.say(talk, { text: "Who comes?" }, stranger);
  stage.node.chat.say(talk, { text: "I do", reply: asked.message }, ada);
  await stage.openPage("Messages");
  await conversations().getByText("Ada: I do").waitFor();
  await conversations().getByRole("link", { name: /Walk/ }).click();
  await message("Who comes?").first().locator("strong.author", { hasText: "Zoe" }).waitFor();
  await message("I do").locator("strong.author", { hasText: "Ada" }).waitFor();
  await message("I do").getByRole("button", { name: /answers/ }).getByText("Zoe").waitFor();
  stage.node.chat.tell(talk, { text: "so do we" }, stranger);
  await stage.page.getByRole("status").filter({ hasText: "Zoe: so do we" }).waitFor({ state: "attached" });
});

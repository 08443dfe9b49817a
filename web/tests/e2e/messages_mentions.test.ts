/** People who are called by name on the page *Messages*. */

import { expect, test } from "vitest";
import type { Locator } from "playwright-core";
import type { Talk } from "../mock/chat";
import { Stage } from "./stage";

const stage = new Stage();
const conversations = (): Locator => stage.page.getByRole("list", { name: "Conversations" });
const message = (text: string): Locator => stage.page.getByRole("list", { name: "Messages" }).locator("li.message", { hasText: text });
const field = (): Locator => stage.page.getByRole("textbox", { name: "Message to Walk" });
const offered = (): Locator => stage.page.getByRole("listbox", { name: "People to mention" });
const chosen = (): Promise<string> => offered().getByRole("option", { selected: true }).innerText();

async function walk(): Promise<{ talk: Talk; ada: string; adam: string }> {
  const people = ["Ada", "Adam [work]", "Bob"].map((name) => stage.node.chat.person(name));
  const talk = stage.node.chat.group("Walk", people);
  await stage.openPage("Messages");
  await conversations().getByRole("link", { name: /Walk/ }).click();
  await field().waitFor();
  return { talk, ada: people[0]!.identity, adam: people[1]!.identity };
}

test("names are offered after an @, chosen by keys or a click, and said as mentions", async () => {
  const { ada, adam } = await walk();
  await field().pressSequentially("see @");
  await expect.poll(() => offered().getByRole("option").count()).toBe(3);
  await field().pressSequentially("ad");
  await expect.poll(() => offered().getByRole("option").allInnerTexts()).toEqual(["Ada", "Adam [work]"]);
  expect(await chosen()).toBe("Ada");
  await stage.page.keyboard.press("ArrowDown");
  expect(await chosen()).toBe("Adam [work]");
  const active = await field().getAttribute("aria-activedescendant");
  expect(await offered().getByRole("option", { selected: true }).getAttribute("id")).toBe(active);
  await stage.page.keyboard.press("Enter");
  await offered().waitFor({ state: "detached" });
  expect(await field().inputValue()).toBe("see @Adam [work] ");
  await field().pressSequentially("and @A");
  await offered().getByText("Ada", { exact: true }).click();
  await expect.poll(() => field().inputValue()).toBe("see @Adam [work] and @Ada ");
  await field().pressSequentially("@b");
  await offered().waitFor();
  await stage.page.keyboard.press("Escape");
  await offered().waitFor({ state: "detached" });
  await stage.page.keyboard.press("Enter");
  await message("see @Adam [work] and @Ada @b").waitFor();
  const text = `see [@Adam \\[work\\]](mention:${adam}) and [@Ada](mention:${ada}) @b`;
  expect(stage.lastCall("chat_send")).toMatchObject({ text });

  // It is edited as it was typed.
  await stage.page.keyboard.press("ArrowUp");
  await expect.poll(() => field().inputValue()).toBe("see @Adam [work] and @Ada @b");
  await field().pressSequentially("!");
  await stage.button("Save").click();
  await message("@b!").waitFor();
  expect(stage.lastCall("chat_about")).toMatchObject({ what: "edit", value: `${text}!` });
});

test("a message that mentions one is marked, and told of although the conversation is muted", async () => {
  await stage.browser.context.addInitScript(() => {
    const told: string[] = [];
    class Fake {
      static permission = "default";
      static requestPermission = (): Promise<string> => Promise.resolve((Fake.permission = "granted"));
      constructor(title: string, { body }: { body: string }) {
        told.push(`${title}: ${body}`);
      }
    }
    Object.assign(window, { Notification: Fake, told });
  });
  const { talk } = await walk();
  const told = (): Promise<string[]> => stage.page.evaluate(() => (window as never as { told: string[] }).told);
  await stage.button("Preferences").click();
  await stage.button("Turn on").click();
  await stage.button("Turn off").waitFor();
  await stage.page.keyboard.press("Escape");
  await stage.page.evaluate(() => Object.defineProperty(document, "hidden", { get: () => true }));
  talk.conversation.muted_until_ms = Date.now() + 3_600_000;
  stage.node.chat.tellConversation(talk);
  await conversations().getByRole("img", { name: "Muted" }).waitFor();
  const ada = stage.node.chat.people[0]!;
  stage.node.chat.tell(talk, { text: "nothing for you" }, ada);
  await message("nothing for you").waitFor();
  talk.conversation.mentioned = true;
  stage.node.chat.tell(talk, { text: `and you, [@x](mention:${stage.node.chat.own})?`, mentions_me: true }, ada);
  await message("and you").getByText("mentions you").waitFor();
  expect(await message("nothing for you").getByText("mentions you").count()).toBe(0);
  await expect.poll(told).toEqual([expect.stringContaining("and you,")]);
});

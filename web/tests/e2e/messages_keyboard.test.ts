/** The page *Messages* by keyboard, for those who look elsewhere, and on a phone. */

import { afterEach, beforeEach, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { MockNode } from "../mock/node";
import { Browser, DIST, type Viewport } from "./browser";

let node: MockNode;
let browser: Browser;
let page: Page;

beforeEach(async () => {
  node = await MockNode.start({ dist: DIST });
  node.chat.begin();
});
afterEach(async () => {
  await browser?.stop();
  await node?.stop();
});

async function open(viewport: Viewport = "desktop"): Promise<void> {
  browser = await Browser.start(viewport, "light");
  page = await browser.page(node.link);
  await page.getByRole("list", { name: "Countries" }).waitFor();
  await page.evaluate(() => (location.hash = "messages"));
  await page.getByRole("list", { name: "Conversations" }).waitFor();
}

const focused = (): Promise<string> => page.evaluate(() => document.activeElement?.textContent ?? "");
const field = (name: string) => page.getByRole("textbox", { name: `Message to ${name}` });

test("from the search to a conversation, its messages, and back", async () => {
  await open();
  await page.keyboard.press("/");
  await page.keyboard.type("ada");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await field("Ada").waitFor();
  await expect.poll(() => page.evaluate(() => document.activeElement?.tagName)).toBe("TEXTAREA");
  await page.locator("[data-message]").getByText("🎉", { exact: true }).waitFor();
  await page.keyboard.press("Shift+Tab");
  await expect.poll(focused).toContain("🎉");
  await page.keyboard.press("ArrowUp");
  await expect.poll(focused).toContain("Gladly.");
  await page.keyboard.press("2");
  await page.getByRole("button", { name: "❤️ by you" }).waitFor();
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("r");
  await page.getByText("Answering Ada").waitFor();
  await expect.poll(() => page.evaluate(() => document.activeElement?.tagName)).toBe("TEXTAREA");
  await page.keyboard.press("Escape");
  await page.getByText("Answering Ada").waitFor({ state: "detached" });
});

test("the menu of a message opens, is walked through, and gives the focus back", async () => {
  await open();
  await page.getByRole("list", { name: "Conversations" }).getByRole("link", { name: /Ada/ }).click();
  await page.locator("[data-message]").getByText("🎉", { exact: true }).waitFor();
  await field("Ada").focus();
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("menu", { name: "Message" }).waitFor();
  await expect.poll(focused).toBe("👍");
  await page.keyboard.press("ArrowUp");
  await expect.poll(focused).toContain("Copy");
  await page.keyboard.press("Escape");
  await page.getByRole("menu").waitFor({ state: "detached" });
  await expect.poll(focused).toContain("🎉");
});

test("Alt and arrows go from conversation to conversation; ? shows the keys and gives the focus back", async () => {
  await open();
  await page.keyboard.press("Alt+ArrowDown");
  await field("Ada").waitFor();
  await page.keyboard.press("Alt+ArrowDown");
  await field("ليلى").waitFor();
  await page.keyboard.press("Alt+ArrowUp");
  await field("Ada").waitFor();
  await field("Ada").fill("why?");
  expect(await page.getByRole("dialog").count()).toBe(0);
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "By keyboard" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await expect.poll(focused).toContain("🎉");
});

test("notifications are asked for by a click only, and shown while nobody looks", async () => {
  await open();
  await browser.context.addInitScript(() => {
    const told: string[] = [];
    class Fake {
      static permission = localStorage.getItem("fake") ?? "default";
      static requestPermission(): Promise<string> {
        told.push("asked");
        localStorage.setItem("fake", "granted");
        return Promise.resolve((Fake.permission = "granted"));
      }
      constructor(title: string, { body }: { body: string }) {
        told.push(`${title}: ${body}`);
      }
    }
    Object.assign(window, { Notification: Fake, told });
  });
  await page.reload();
  await page.getByRole("list", { name: "Conversations" }).waitFor();
  const told = (): Promise<string[]> => page.evaluate(() => (window as never as { told: string[] }).told);
  expect(await told()).toEqual([]);
  await page.getByRole("button", { name: "Preferences" }).click();
  await page.getByRole("button", { name: "Turn on" }).click();
  await page.getByRole("button", { name: "Turn off" }).waitFor();
  await page.keyboard.press("Escape");
  const ada = node.chat.people[0]!;
  const talk = node.chat.named(ada.conversation!);
  node.chat.tell(talk, { text: "seen" }, ada);
  await page.getByRole("list", { name: "Conversations" }).getByText("seen").waitFor();
  await page.evaluate(() => Object.defineProperty(document, "hidden", { get: () => true }));
  node.chat.tell(talk, { text: "**not** seen" }, ada);
  await expect.poll(told).toEqual(["asked", "Ada: not seen"]);
  node.chat.change(talk, { ...node.chat.at(talk, talk.conversation.messages - 1), text: "edited" });
  await page.getByRole("list", { name: "Conversations" }).getByText("edited").waitFor();
  expect(await told()).toHaveLength(2);
  // Who asked before the page came up is no news; who asks now is.
  await browser.context.addInitScript(() => Object.defineProperty(document, "hidden", { get: () => true }));
  await page.reload();
  await page.getByRole("list", { name: "Requests" }).waitFor();
  node.chat.tellPerson(node.chat.made("Trudy", { standing: "asking", conversation: null }));
  await expect.poll(told).toEqual(["Somebody asks to talk with you: Trudy"]);
});

test("on a phone, the list and a conversation are two views", async () => {
  await open("phone");
  const list = page.getByRole("list", { name: "Conversations" });
  await list.getByRole("link", { name: /Ada/ }).click();
  await field("Ada").waitFor();
  await list.waitFor({ state: "hidden" });
  await field("Ada").fill("from a phone");
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByRole("list", { name: "Messages" }).getByText("from a phone").waitFor();
  const [bottom, bar] = await page.evaluate(() => [document.querySelector(".composer")!.getBoundingClientRect().bottom, document.querySelector("nav")!.getBoundingClientRect().top]);
  expect(bottom).toBeLessThanOrEqual(bar!);
  await page.getByRole("link", { name: "All conversations" }).click();
  await list.waitFor();
});

/** A mock node and a browser, new for each test of the file that makes a stage. */

import { afterEach, beforeEach } from "vitest";
import type { ChatPerson } from "@byway/client";
import type { Locator, Page } from "playwright-core";
import type { Talk } from "../mock/chat";
import { MockNode } from "../mock/node";
import { Browser, DIST } from "./browser";

export class Stage {
  node!: MockNode;
  browser!: Browser;
  page!: Page;

  constructor() {
    beforeEach(async () => {
      this.node = await MockNode.start({ dist: DIST });
      this.node.connectDelayMs = 150;
      this.browser = await Browser.start("desktop", "light");
    });
    afterEach(async () => {
      await this.browser?.stop();
      await this.node?.stop();
    });
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole("button", { name, exact: typeof name === "string" });
  }

  async open(): Promise<void> {
    this.page = await this.browser.page(this.node.link);
    await this.page.getByRole("list", { name: "Countries" }).waitFor();
  }

  /** For a market that has nothing to list. */
  async openEmpty(): Promise<void> {
    this.page = await this.browser.page(this.node.link);
    await this.page.locator("#countries").waitFor();
  }

  async openPage(name: "Messages" | "Wallet" | "Channels" | "Provide"): Promise<void> {
    await this.open();
    // Something that waits there is told behind the name.
    await this.page.getByRole("link", { name: new RegExp(`^${name}\\b`) }).click();
    await this.page.getByRole("heading", { level: 1, name }).waitFor();
  }

  /** The newest message of the conversation that is shown. */
  newest(): Locator {
    return this.page.getByRole("list", { name: "Messages", exact: true }).locator("li.message").last();
  }

  /** A conversation with Ada that has two messages, and is shown. */
  async talk(): Promise<{ ada: ChatPerson; talk: Talk }> {
    const ada = this.node.chat.person("Ada", { online: true });
    const talk = this.node.chat.talk(ada, 2);
    await this.openPage("Messages");
    await this.page.getByRole("list", { name: "Conversations" }).getByRole("link", { name: /Ada/ }).click();
    await this.newest().waitFor();
    return { ada, talk };
  }

  /** What the node was asked last by a method. */
  lastCall(method: string): unknown {
    return this.node.calls.filter((call) => call.method === method).at(-1)?.params;
  }
}

/** Something that the page is given as if it were dropped on or pasted into `target`. */
export function give(target: Locator, kind: "drop" | "paste", name: string, text?: string): Promise<void> {
  return target.evaluate((element, [as, called, words]) => {
    const data = new DataTransfer();
    data.items.add(new File(["hello"], called, { type: "text/plain" }));
    if (words) data.setData("text/plain", words);
    const init = { bubbles: true, cancelable: true };
    if (as === "drop") element.dispatchEvent(new DragEvent("dragover", { ...init, dataTransfer: data }));
    element.dispatchEvent(as === "drop" ? new DragEvent("drop", { ...init, dataTransfer: data }) : new ClipboardEvent("paste", { ...init, clipboardData: data }));
  }, [kind, name, text] as const);
}

/** People of the tests over real nodes who talk: in a browser, or by the command line. */

import { expect } from "vitest";
import type { Locator, Page } from "playwright-core";
import type { ChatConversation, ChatItem, ChatPerson } from "@byway/client";
import type { Network } from "../../../clients/typescript/test/network";
import { Browser, type Scheme, type Viewport } from "../e2e/browser";
import { awaited, openPage, PATIENCE, RealNode } from "./nodes";

export const messages = (page: Page): Locator => page.getByRole("list", { name: "Messages" });
export const message = (page: Page, text: string): Locator => messages(page).locator("li.message", { hasText: text });
export const field = (page: Page): Locator => page.getByRole("textbox", { name: /^Message to/ });

/** The conversation of this title, in the list. */
export const conversation = (page: Page, title: string): Locator => {
  const all = page.getByRole("list", { name: "Conversations" }).getByRole("link");
  return all.filter({ has: page.locator(".name").getByText(title, { exact: true }) });
};

export async function say(page: Page, text: string): Promise<void> {
  await field(page).fill(text);
  await field(page).press("Enter");
}

export async function menu(page: Page, text: string, ...items: string[]): Promise<void> {
  await message(page, text).last().getByRole("button", { name: /^What to do/ }).click();
  for (const item of items) await page.getByRole("menuitem", { name: item }).click();
}

export async function sendPicture(page: Page, name: string, picture: Buffer, text: string): Promise<void> {
  await page.locator("input[type=file]").setInputFiles({ name, mimeType: "image/png", buffer: picture });
  await page.getByRole("list", { name: "Files to send" }).getByText(name).waitFor();
  await field(page).fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

export async function askPoll(page: Page, question: string, options: string[]): Promise<void> {
  await page.getByRole("button", { name: "Files, polls, lists" }).click();
  await page.getByRole("menuitem", { name: "Poll…" }).click();
  await page.getByLabel("Question").fill(question);
  await page.getByLabel(/^Options/).fill(options.join("\n"));
  await page.getByRole("button", { name: "Ask" }).click();
}

export async function makeInvite(page: Page): Promise<string> {
  await page.evaluate(() => (location.hash = "messages/new"));
  await page.getByRole("button", { name: "Make the link" }).click();
  const link = await page.getByRole("group", { name: "Your invite" }).locator("code").first().textContent();
  expect(link).toMatch(/^byway:chat\//);
  return link!;
}

export async function takeInvite(page: Page, link: string): Promise<void> {
  await page.evaluate(() => (location.hash = "messages/new"));
  await page.getByLabel(/An invite/).fill(link);
  await page.getByRole("button", { name: "Use it" }).click();
  await field(page).waitFor();
}

export async function makeGroup(page: Page, title: string, names: string[]): Promise<void> {
  await page.evaluate(() => (location.hash = "messages/new"));
  await page.getByLabel("What it is called").fill(title);
  for (const name of names) await page.getByRole("checkbox", { name }).check();
  await page.getByRole("button", { name: "Make the group" }).click();
  await field(page).waitFor();
}

/** A picture such as people send, drawn by a page: water under a sky. */
export async function drawPicture(page: Page, sky: string, water: string): Promise<Buffer> {
  const url = await page.evaluate(([above, below]) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 400 });
    const context = canvas.getContext("2d")!;
    const light = context.createLinearGradient(0, 0, 0, 240);
    light.addColorStop(0, above!);
    light.addColorStop(1, "#fff4dc");
    for (const [fill, top, height] of [[light, 0, 240], [below!, 240, 160]] as const) {
      context.fillStyle = fill;
      context.fillRect(0, top, 640, height);
    }
    context.fillStyle = "#ffd166";
    context.arc(460, 130, 46, 0, 7);
    context.fill();
    return canvas.toDataURL("image/png");
  }, [sky, water]);
  return Buffer.from(url.split(",")[1]!, "base64");
}

/** Somebody with a node, and a page in a browser of their own where they have opened one. */
export class Person {
  #browser: Browser | undefined;
  #page: Page | undefined;

  private constructor(readonly name: string, readonly node: RealNode) {}

  static async join(network: Network, name: string, coins?: string): Promise<Person> {
    return new Person(name, await RealNode.join(network, name.toLowerCase(), `[chat]\nname = "${name}"\n`, coins));
  }

  async look(viewport: Viewport, scheme: Scheme): Promise<Page> {
    this.#browser = await Browser.start(viewport, scheme);
    this.#page = await openPage(this.#browser, this.node, "messages");
    this.#page.setDefaultTimeout(PATIENCE.timeout);
    return this.#page;
  }

  get page(): Page {
    if (!this.#page) throw new Error(`${this.name} has no page open`);
    return this.#page;
  }

  /** What the browser found wrong with the page, but for a node that was not there. */
  get faults(): string[] {
    return (this.#browser?.faults ?? []).filter((fault) => !fault.includes("ERR_CONNECTION_REFUSED") && !/WebSocket connection to .* failed/.test(fault));
  }

  async leave(): Promise<void> {
    await this.#browser?.stop();
  }

  /** On the page, where one is open at this conversation. */
  async says(to: string, text: string): Promise<void> {
    if (!this.#page) return void (await this.node.says("chat", "send", to, text));
    await field(this.#page).fill(text);
    // On a phone the key for a new line makes one.
    await this.#page.getByRole("button", { name: /^(Send|Save)$/ }).click();
    await message(this.#page, text).waitFor();
  }

  /** Becomes a contact of somebody, both by the command line. */
  async meets(other: Person): Promise<void> {
    const { link } = await other.node.json<{ link: string }>("chat", "invite", "--note", this.name);
    await this.node.says("chat", "accept", link);
    for (const [one, two] of [[this, other], [other, this]] as const) {
      await one.contact(two, "has agreed", ({ standing, conversation: talk }) => standing === "contact" && talk != null);
    }
  }

  /** What is known of somebody, as soon as it is so. */
  async contact(other: Person, what: string, isIt: (person: ChatPerson) => boolean): Promise<ChatPerson> {
    const look = async (): Promise<ChatPerson | undefined> => (await this.node.json<ChatPerson[]>("chat", "contacts")).find(({ name }) => name === other.name);
    return (await awaited(`${this.name} knows that ${other.name} ${what}`, look, (person) => person !== undefined && isIt(person)))!;
  }

  /** Waits until so many are in a group, and this one among them or not. */
  async untilMembers(title: string, count: number): Promise<void> {
    const look = (): Promise<ChatConversation> => this.node.json<ChatConversation>("chat", "group", "members", title);
    await awaited(`${this.name} sees ${count} in ${title}`, look, ({ member, members }) => member && members.length === count);
  }

  /** What the node has of a conversation, the oldest first. */
  read(to: string): Promise<ChatItem[]> {
    return this.node.json<ChatItem[]>("chat", "read", to, "--limit", "200");
  }

  /** Names of the messages on the page, from the top. */
  async shown(): Promise<string[]> {
    return messages(this.page).locator("li.message").evaluateAll((lines) => lines.map((line) => (line as HTMLElement).dataset.message!));
  }

  /** Waits until these are the texts in a conversation, whatever their order: each once, on the page as at the node. Gives the messages in their order. */
  async untilAll(to: string, texts: string[]): Promise<string[]> {
    const expected = JSON.stringify([...texts].sort());
    const isIt = (items: ChatItem[]): boolean => JSON.stringify(items.map(({ text }) => text).sort()) === expected;
    const items = await awaited(`${this.name} reads in ${to} ${expected}`, () => this.read(to), isIt);
    const names = items.map(({ message: name }) => name);
    expect(new Set(names).size).toBe(names.length);
    if (this.#page) await awaited(`${this.name}'s page shows of ${to} ${JSON.stringify(names)}`, () => this.shown(), (shown) => JSON.stringify(shown) === JSON.stringify(names));
    return names;
  }
}

/** Waits until all have the same messages in a conversation, each of them once. Their order is that in which they came to each. */
export async function untilSame(people: Person[], to: (person: Person) => string, texts: string[]): Promise<void> {
  const [first, ...others] = await Promise.all(people.map(async (person) => (await person.untilAll(to(person), texts)).sort()));
  for (const other of others) expect(other).toEqual(first);
}

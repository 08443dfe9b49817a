/**
 * One story from beginning to end: people with a node each, which are processes of their own, and two of them in real browsers. They exchange messages, a
 * picture and a poll; one goes away, is held for, and has everything once when they are back, although whoever said it is gone by then; and a group of
 * five survives that one is removed, and that another's node is killed.
 */

import { afterAll, beforeAll, expect, test } from "vitest";
import type { Locator } from "playwright-core";
import type { ChatFound, HoldStatus } from "@byway/client";
import { Network } from "../../../clients/typescript/test/network";
import { shoot } from "../e2e/browser";
import { awaited } from "./nodes";
import { askPoll, conversation, drawPicture, makeGroup, makeInvite, menu, message, messages, Person, sendPicture, takeInvite, untilSame } from "./talking";

/** For each part, on a machine with ten times as much to do as it can. */
const PART_MAX_MS = 900_000;
const GROUP = "Five";

let network: Network;
let [alice, bob, carol, dave, erin]: Person[] = [];

const everybody = (): Person[] => [alice, bob, carol, dave, erin].filter((person) => person !== undefined);
const names = (people: Person[]): string[] => people.map(({ name }) => name);
/** Above a conversation: with whom, and whether they are there. */
const header = (person: Person): Locator => person.page.locator(".conversation > header");
const lost = "The link to your node is lost.";

/** What all in the group have to have. */
const said: string[] = [];

async function speaks(person: Person, text: string): Promise<void> {
  await person.says(GROUP, text);
  said.push(text);
}

/** How many parcels are held for somebody. */
async function held(holder: Person): Promise<number> {
  return (await holder.node.json<HoldStatus>("hold", "status")).clients.reduce((sum, client) => sum + client.held, 0);
}

beforeAll(async () => {
  network = await Network.start(["--kernel-nodes", "4"]);
  [alice, bob, carol] = await Promise.all([Person.join(network, "Alice"), Person.join(network, "Bob", "4"), Person.join(network, "Carol", "2")]);
  await Promise.all([alice.look("desktop", "light"), bob.look("phone", "dark")]);
}, PART_MAX_MS);

afterAll(async () => {
  for (const person of everybody()) await person.leave();
  await network?.stop();
}, PART_MAX_MS);

test("two exchange messages, a picture and a poll", async () => {
  await takeInvite(bob!.page, await makeInvite(alice!.page));
  await conversation(alice!.page, "Bob").click();
  await bob!.says("Alice", "Hello Alice");
  await message(alice!.page, "Hello Alice").waitFor();
  await alice!.says("Bob", "Hello Bob");
  await alice!.says("Bob", "See you at eight");
  await message(bob!.page, "See you at eight").waitFor();
  await sendPicture(alice!.page, "lake.png", await drawPicture(alice!.page, "#4a90c2", "#205072"), "from the lake");
  const picture = message(bob!.page, "from the lake").getByRole("img", { name: "lake.png", exact: true });
  await picture.waitFor();
  expect(await picture.evaluate((image: HTMLImageElement) => image.decode().then(() => [image.naturalWidth, image.naturalHeight]))).toEqual([640, 400]);
  await askPoll(alice!.page, "Who rows?", ["Alice rows", "Bob rows"]);
  await message(bob!.page, "Who rows?").getByRole("radio", { name: /^Alice rows/ }).click();
  await message(alice!.page, "Who rows?").getByText("1 has voted").waitFor();
  await message(alice!.page, "Who rows?").getByRole("radio", { name: /^Bob rows/ }).click();
  await message(bob!.page, "Who rows?").getByText("2 have voted").waitFor();
  await untilSame([alice!, bob!], (person) => (person === alice ? "Bob" : "Alice"), ["Hello Alice", "Hello Bob", "See you at eight", "from the lake", ""]);
  await shoot(alice!.page, "story-talk-alice");
  await shoot(bob!.page, "story-talk-bob");
}, PART_MAX_MS);

test("who was away has everything once, from whoever held it, although its sender has gone", async () => {
  await carol!.node.register();
  await carol!.node.says("hold", "offer", "--price", "0.0001", "--publish");
  await bob!.node.register();
  await bob!.node.deposit("2");
  await bob!.node.until<unknown[]>((offers) => offers.length === 1, "hold", "find");
  await bob!.node.says("hold", "use", "--price-max", "0.0002");
  await bob!.node.until<HoldStatus>(({ holders }) => holders.some(({ holding, named }) => holding && named), "hold", "status");
  await alice!.contact(bob!, "has all that was said so far", ({ waiting }) => waiting === 0);

  await bob!.node.stop();
  await alice!.contact(bob!, "is away", ({ online }) => !online);
  await bob!.page.getByText(lost).waitFor();
  await header(alice!).getByText(/^away/).waitFor();
  await alice!.says("Bob", "Are you asleep?");
  await sendPicture(alice!.page, "boat.png", await drawPicture(alice!.page, "#e07a5f", "#3d405b"), "from the boat");
  await menu(alice!.page, "Hello Alice", "React with 👍");
  await menu(alice!.page, "See you at eight", "Edit");
  await alice!.says("Bob", "See you at nine");
  const counts = async (): Promise<number[]> => [await held(carol!), (await alice!.contact(bob!, "is known", () => true)).waiting];
  const [, waiting] = await awaited("all that waits for Bob is held for him, and that is four things or more", counts, ([ofHolder, ofSender]) => ofSender! >= 4 && ofHolder === ofSender);
  await header(alice!).getByText(`away · ${waiting} messages wait for them`).waitFor();
  await shoot(alice!.page, "story-away-alice");
  await alice!.node.stop();
  await alice!.page.getByText(lost).waitFor();

  // There is nobody but the one who holds.
  await bob!.node.start();
  await bob!.page.getByText(lost).waitFor({ state: "detached" });
  const there = ["Hello Alice", "Hello Bob", "See you at nine", "from the lake", "", "Are you asleep?", "from the boat"];
  await bob!.untilAll("Alice", there);
  await message(bob!.page, "Hello Alice").getByRole("button", { name: "👍 by Alice" }).waitFor();
  await message(bob!.page, "See you at nine").getByText("edited").waitFor();
  await message(bob!.page, "from the boat").getByText("comes when somebody who has it is there").waitFor();
  await awaited("nothing is held any more", () => held(carol!), (count) => count === 0);
  await shoot(bob!.page, "story-back-bob");

  await alice!.node.start();
  await alice!.page.getByText(lost).waitFor({ state: "detached" });
  await message(bob!.page, "from the boat").getByRole("img", { name: "boat.png", exact: true }).waitFor();
  await bob!.says("Alice", "I was away");
  await message(alice!.page, "I was away").waitFor();
  await message(alice!.page, "from the boat").getByText("Read", { exact: true }).first().waitFor({ state: "attached" });
  await header(alice!).getByText("here now").waitFor();
  await untilSame([alice!, bob!], (person) => (person === alice ? "Bob" : "Alice"), [...there, "I was away"]);
}, PART_MAX_MS);

test("a group of five survives that one is removed and another's node is killed", async () => {
  [dave, erin] = await Promise.all([Person.join(network, "Dave"), Person.join(network, "Erin")]);
  for (const other of [carol!, dave, erin]) await other.meets(alice!);
  await makeGroup(alice!.page, GROUP, names(everybody().slice(1)));
  await Promise.all(everybody().map((person) => person.untilMembers(GROUP, 5)));
  await bob!.page.evaluate(() => (location.hash = "messages"));
  await conversation(bob!.page, GROUP).click();
  for (const person of everybody()) await speaks(person, `${person.name} is here`);
  await untilSame(everybody(), () => GROUP, said);
  await shoot(bob!.page, "story-five-bob");

  // In the middle of what is said, and nobody waits for it to be gone.
  let killed: Promise<void> | undefined;
  for (let number = 0; number < 10; number += 1) {
    await speaks([alice!, bob!][number % 2]!, `number ${number}`);
    if (number === 4) killed = dave.node.kill();
  }
  await killed;
  await untilSame([alice!, bob!, carol!, erin], () => GROUP, said);

  const heard = [...said];
  await alice!.page.getByRole("button", { name: "Members" }).click();
  await alice!.page.getByRole("button", { name: "Remove Erin…" }).click();
  await shoot(alice!.page, "story-remove-alice");
  await alice!.page.getByRole("button", { name: /^Remove\s+Erin$/ }).click();
  await alice!.page.getByRole("heading", { name: "4 members" }).waitFor();
  await alice!.page.keyboard.press("Escape");
  await Promise.all([bob!, carol!].map((person) => person.untilMembers(GROUP, 4)));
  for (const person of [alice!, bob!, carol!]) await speaks(person, `${person.name} speaks of the secret`);

  await dave.node.start();
  await dave.untilMembers(GROUP, 4);
  await speaks(dave, "Dave is back");
  const left = [alice!, bob!, carol!, dave];
  await untilSame(left, () => GROUP, said);
  await shoot(alice!.page, "story-left-alice");
  await shoot(bob!.page, "story-left-bob");

  await removedHears(erin, heard);
  // Whatever was kept is read again.
  await erin.node.stop();
  await erin.node.start();
  await removedHears(erin, heard);
  await erin.look("desktop", "dark");
  await conversation(erin.page, GROUP).click();
  await erin.page.getByText("You are no longer in this conversation. What was said stays here.").waitFor();
  await erin.untilAll(GROUP, heard);
  expect(await messages(erin.page).getByText("secret").count()).toBe(0);
  await shoot(erin.page, "story-removed-erin");
  await untilSame(left, () => GROUP, said);
  expect(everybody().flatMap(({ faults }) => faults)).toEqual([]);
}, PART_MAX_MS);

/** Nothing of what was said since, and what Alice says to her alone comes behind all that Alice has ever sent to her. */
async function removedHears(removed: Person, heard: string[]): Promise<void> {
  const text = `not in ${GROUP} any more, ${(await alice!.read("Erin")).length}`;
  await alice!.node.says("chat", "send", "Erin", text);
  await awaited(`${removed.name} hears of it`, () => removed.read("Alice"), (items) => items.at(-1)?.text === text);
  await removed.node.until<{ member: boolean }>(({ member }) => !member, "chat", "group", "members", GROUP);
  await removed.untilAll(GROUP, heard);
  expect((await removed.node.json<ChatFound>("chat", "search", "secret")).hits).toEqual([]);
}

/** Names in the directory on the page *Messages*: asked by, shown, doubted, and taken. */

import { describe, expect, test } from "vitest";
import type { Locator } from "playwright-core";
import { Stage } from "./stage";

const stage = new Stage();
const own = (): Locator => stage.page.getByRole("list", { name: "Your names" });

describe("people by their names", () => {
  test("somebody is asked by a name, and a name that nobody has is told in words", async () => {
    await stage.openPage("Messages");
    await stage.page.keyboard.press("n");
    await stage.page.getByLabel(/^An invite/).fill("nobody-at-all");
    await stage.button("Use it").click();
    await stage.page.getByText(/^Nobody has the name nobody-at-all\./).waitFor();
    await stage.page.getByLabel(/^An invite/).fill("dora");
    await stage.button("Use it").click();
    await stage.page.getByText(/^was asked/).waitFor();
    await stage.page.getByText("In the directory: dora").waitFor();
    expect(stage.lastCall("chat_ask")).toEqual({ who: "dora" });
  });

  test("who asks is told to be registered or not, and for whom they could be taken", async () => {
    const dora = stage.node.chat.person("Dora", { primary_name: "dora", registered: true });
    stage.node.chat.talk(dora);
    const looks_like = { identity: dora.identity, name: "dora", in_directory: true };
    stage.node.chat.people.push(stage.node.chat.made("D0ra", { standing: "asking", conversation: null, looks_like }));
    await stage.openPage("Messages");
    await stage.page.getByRole("list", { name: "Requests" }).getByRole("link").click();
    await stage.page.getByText(/^In the directory, dora is somebody else/).waitFor();
    await stage.page.getByText(/^Their identity is not registered/).waitFor();
    await stage.page.getByRole("list", { name: "Conversations" }).getByRole("link", { name: /Dora/ }).click();
    await stage.button(/^About Dora/).click();
    await stage.page.getByRole("heading", { name: "Name in the directory" }).waitFor();
    await stage.page.getByText("Theirs alone: the ledger says so, not they.").waitFor();
  });
});

test("a name is looked up, taken, and chosen to be shown", async () => {
  stage.node.chat.begin();
  await stage.openPage("Messages");
  await stage.button("Preferences").click();
  const typed = stage.page.getByLabel("A name for you");
  await typed.fill("D0ra");
  await stage.button("Look it up").click();
  await stage.page.getByText(/^d0ra can't be taken: it looks like dora, which is/).waitFor();
  expect(await stage.button(/^Take/).count()).toBe(0);
  await typed.fill("Alex");
  await stage.button("Look it up").click();
  await stage.page.getByText("alex is free. A year costs 0.10 WAY, and the commitment before it 0.001 WAY.").waitFor();
  await stage.button("Take alex for a year").click();
  await own().getByText("The commitment is on its way.").waitFor();
  expect(stage.lastCall("name_register")).toMatchObject({ name: "alex", idempotency_key: expect.stringMatching(/^[0-9a-f]{32}$/) });
  // The sheet looks by itself how far it is.
  stage.node.chat.names.settle();
  await own().getByRole("button", { name: "Be shown so" }).click();
  await own().getByText("You are shown so").waitFor();
  expect(stage.lastCall("name_primary")).toMatchObject({ name: "alex" });
});

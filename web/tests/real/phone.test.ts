/** A phone's browser at a real node: the QR code's link, the page over TLS, messages and the wallet, and being unlinked. */

import { afterAll, beforeAll, expect, test } from "vitest";
import type { Locator, Page } from "playwright-core";
import type { PhoneInvitation, PhoneStatus } from "@byway/client";
import { Network } from "../../../clients/typescript/test/network";
import { Browser, shoot } from "../e2e/browser";
import { openPage, RealNode } from "./nodes";

let network: Network;
let node: RealNode;
let [desk, pocket]: Browser[] = [];
let [page, phone]: Page[] = [];

const pages = (): Locator => phone!.getByRole("navigation", { name: "Pages" });
const linked = async (): Promise<string[]> => (await node.json<PhoneStatus>("phone", "list")).phones.map(({ name }) => name);

beforeAll(async () => {
  network = await Network.start();
  node = await RealNode.join(network, "owner", '[phone]\nenabled = true\nlisten = "127.0.0.1:0"\n', "2");
  desk = await Browser.start("desktop", "light");
  // As a person who has compared the fingerprint.
  pocket = await Browser.start("phone", "light", "no-preference", true);
  page = await openPage(desk, node, "browse");
});

afterAll(async () => {
  await desk?.stop();
  await pocket?.stop();
  await network?.stop();
});

test("the code on the node's page opens its messages on a phone", async () => {
  await page!.getByRole("button", { name: "Use on your phone" }).click();
  const sheet = page!.getByRole("dialog", { name: "Use on your phone" });
  await sheet.getByRole("button", { name: "Show the code" }).click();
  await sheet.getByRole("img", { name: "QR code that links a phone" }).waitFor();
  await sheet.getByText("within 5 minutes").waitFor();
  await shoot(page!, "real-phone-code");
  // The sheet's code can't be read without a camera; the command's is as good, and ends it.
  const { url, fingerprint } = await node.json<PhoneInvitation>("phone", "link");
  expect(fingerprint).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
  phone = await pocket!.page(url);
  await pages().getByRole("link", { name: /Messages/ }).waitFor();
  await phone.getByRole("heading", { name: "Messages" }).first().waitFor({ state: "attached" });
  expect(phone.url()).not.toContain("link=");
  expect(await pages().getByRole("link").count()).toBe(2);
  await shoot(phone, "real-phone-messages");
  await sheet.getByRole("list", { name: "Linked phones" }).getByText("Phone").waitFor();
  expect(await linked()).toEqual(["Phone"]);
});

test("the phone invites somebody, and sees the wallet without a way to pay", async () => {
  await phone!.evaluate(() => (location.hash = "messages/new"));
  await phone!.getByRole("button", { name: "Make the link" }).click();
  const link = await phone!.getByRole("group", { name: "Your invite" }).locator("code").first().textContent();
  expect(link).toMatch(/^byway:chat\//);
  await pages().getByRole("link", { name: "Wallet" }).click();
  await phone!.getByRole("img", { name: "QR code of your address" }).waitFor();
  expect(await phone!.getByRole("button", { name: /^(Send|Withdraw|Deposit|Ask for an amount)$/ }).count()).toBe(0);
  await shoot(phone!, "real-phone-wallet");
});

test("a reload stays linked, a second use of the code does not link, and an unlinked phone is told so", async () => {
  await phone!.reload();
  await pages().waitFor();
  const { url } = await node.json<PhoneInvitation>("phone", "link", "--name", "Tablet");
  const other = await Browser.start("phone", "dark", "no-preference", true);
  try {
    await (await other.page(url)).getByRole("navigation", { name: "Pages" }).waitFor();
    expect(await linked()).toEqual(["Phone", "Tablet"]);
    await other.context.clearCookies();
    const late = await other.context.newPage();
    await late.addInitScript(() => localStorage.clear());
    await late.goto(url);
    await late.getByRole("alert").getByText("This code opens nothing any more").waitFor();
    await shoot(late, "real-phone-refused");
    await other.context.pages()[1]!.close();
  } finally {
    await other.stop();
  }
  await node.says("phone", "unlink", "Phone");
  await phone!.getByRole("heading", { name: "This phone was unlinked" }).waitFor();
  await shoot(phone!, "real-phone-unlinked");
  await phone!.reload();
  await phone!.getByRole("heading", { name: "Link this phone" }).waitFor();
  expect(await linked()).toEqual(["Tablet"]);
});

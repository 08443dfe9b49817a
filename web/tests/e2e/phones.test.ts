/** *Use on your phone* in a real browser against the mock node. */

import { expect, test } from "vitest";
import { shoot } from "./browser";
import { Stage } from "./stage";

const stage = new Stage();
const sheet = () => stage.page.getByRole("dialog", { name: "Use on your phone" });

test("a code is shown with the fingerprint, a phone comes, and is unlinked", async () => {
  await stage.open();
  await stage.button("Use on your phone").click();
  expect(stage.lastCall("phone_link")).toBeUndefined();
  await sheet().getByRole("button", { name: "Show the code" }).click();
  await sheet().getByRole("img", { name: "QR code that links a phone" }).waitFor();
  await sheet().getByText("within 5 minutes").waitFor();
  expect(await sheet().getByRole("group", { name: "Fingerprint" }).textContent()).toContain("10:17:1E:25");
  await shoot(stage.page, "phones-code");
  stage.node.phones.use();
  await sheet().getByText("A phone was linked.").waitFor();
  expect(await sheet().getByRole("img").count()).toBe(0);
  await sheet().getByRole("list", { name: "Linked phones" }).getByText("Phone").waitFor();
  await sheet().getByRole("button", { name: "Unlink Phone" }).click();
  expect(stage.lastCall("phone_unlink")).toBeUndefined();
  await sheet().getByRole("button", { name: "Unlink it" }).click();
  await sheet().getByRole("list", { name: "Linked phones" }).waitFor({ state: "detached" });
  expect(stage.lastCall("phone_unlink")).toEqual({ name: "Phone" });
});

test("a node without a door says what to write", async () => {
  stage.node.phones.isOpen = false;
  await stage.open();
  await stage.button("Use on your phone").click();
  await sheet().getByText("enabled = true").waitFor();
  expect(await sheet().getByRole("button", { name: "Show the code" }).count()).toBe(0);
});

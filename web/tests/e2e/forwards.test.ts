/** Ports at the exit that lead to a program, in a real browser against the mock node. */

import { expect, test } from "vitest";
import { Stage } from "./stage";

const stage = new Stage();
const list = () => stage.page.getByRole("list", { name: "Forwarded ports" });

async function ask(to: string): Promise<void> {
  await stage.button("New forwarded port").click();
  await stage.page.getByLabel("Leads to the program at").fill(to);
  await stage.button("Ask for it").click();
}

test("a port is asked for, found at the exit, its visitors seen, and closed", async () => {
  await stage.open();
  await stage.button("Connect").click();
  await stage.page.getByRole("heading", { level: 1, name: "Sweden" }).waitFor();
  await stage.page.getByText("what they send and get is paid for like everything else.").waitFor();
  await ask("nas");
  await stage.page.getByText("A port of this machine, as in 8080").waitFor();
  await stage.page.getByLabel("Port at the exit").fill("70000");
  await stage.page.getByText("A number from 1 to 65535, or none for any.").waitFor();
  expect(stage.lastCall("forward_open")).toBeUndefined();
  await stage.page.getByLabel("Port at the exit").fill("40022");
  await stage.page.getByLabel("Leads to the program at").fill("0.0.0.0:80");
  await stage.button("Ask for it").click();
  await stage.page.getByText("It must be where a program listens, such as 127.0.0.1:8080. Correct it and try again.").waitFor();
  await stage.page.getByLabel("Leads to the program at").fill("8080");
  await stage.page.getByLabel("Tell the program where visitors come from").check();
  await stage.button("Ask for it").click();
  await list().getByText("203.0.113.7:40022").waitFor();
  expect(stage.lastCall("forward_open")).toEqual({ to: "127.0.0.1:8080", port: 40_022, proxy_protocol: true });
  await stage.button("Copy address 203.0.113.7:40022").waitFor();
  const trouble = { code: "not_taken", message: "a visitor was turned away, because no program takes connections there" };
  stage.node.world.forwards = [{ ...stage.node.world.forwards[0]!, visitors: 2, reason: trouble }];
  await list().getByText("leads to 127.0.0.1:8080 · 2 visitors now · told where visitors come from").waitFor();
  await list().getByText("A visitor was turned away, because no program takes connections there.").waitFor();
  await stage.button("Close the port to 127.0.0.1:8080").click();
  await list().waitFor({ state: "detached" });
  expect(stage.node.world.forwards).toEqual([]);
});

test("without an exit, or at one that gives none, it says why, and leads to exits that do", async () => {
  await stage.open();
  await ask("[::1]:22");
  await list().getByText("The exit that you connect to is asked for it.").waitFor();
  await stage.button(/^Connect to Germany/).click();
  await stage.page.getByRole("heading", { level: 1, name: "Germany" }).waitFor();
  await stage.page.getByText("Connected through", { exact: true }).waitFor();
  stage.node.world.answerForward("[::1]:22");
  await list().getByText("This exit forwards no ports; connect to one that does.").waitFor();
  await stage.button("Show exits that give ports").click();
  await expect.poll(() => stage.page.getByRole("list", { name: "Countries" }).locator(".name").allTextContents())
    .toEqual([expect.stringMatching(/^Sweden/), expect.stringMatching(/^Germany/), expect.stringMatching(/^Japan/)]);
  expect(await stage.page.evaluate(() => document.activeElement?.textContent?.trim())).toBe("Filters (1)");
});

test("exits that give ports are marked, and the filter holds for the list and for the node", async () => {
  await stage.open();
  await stage.button(/^Germany/).click();
  const exits = stage.page.getByRole("list", { name: "Exits in Germany" }).getByRole("listitem");
  expect(await exits.count()).toBe(3);
  expect(await exits.filter({ has: stage.page.getByText("ports for your programs") }).count()).toBe(1);
  await stage.button("Filters").click();
  await stage.button("Gives ports").click();
  await expect.poll(() => exits.count()).toBe(1);
  await stage.button("Connect").click();
  await stage.page.getByText("Connected through", { exact: true }).waitFor();
  expect(stage.lastCall("connect")).toEqual({ sort: "both", forwards: true });
});

test("a port for UDP is asked for, and has no first line to tell in", async () => {
  await stage.open();
  await stage.button("Connect").click();
  await stage.page.getByRole("heading", { level: 1, name: "Sweden" }).waitFor();
  await stage.button("New forwarded port").click();
  await stage.page.getByLabel("Leads to the program at").fill("51820");
  await stage.page.getByLabel("What visitors use").selectOption("udp");
  expect(await stage.page.getByLabel("Tell the program where visitors come from").count()).toBe(0);
  await stage.button("Ask for it").click();
  await list().getByText("leads to 127.0.0.1:51820 by UDP").waitFor();
  expect(stage.lastCall("forward_open")).toEqual({ to: "127.0.0.1:51820", protocol: "udp" });
  await stage.button("Close the port to 127.0.0.1:51820 by UDP").click();
  await list().waitFor({ state: "detached" });
});

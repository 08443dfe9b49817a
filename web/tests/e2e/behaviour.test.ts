/** What the page does, in a real browser against the mock node. */

import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { MethodError } from "../mock/methods";
import { Stage } from "./stage";

const stage = new Stage();
const heading = (name: string) => stage.page.getByRole("heading", { level: 1, name });

async function costShown(): Promise<number> {
  return Number(await stage.page.locator("[data-testid=cost] .visually-hidden").textContent());
}

describe("the link", () => {
  test("its token leaves the address bar, survives a reload and never reaches the web server", async () => {
    await stage.open();
    expect(stage.page.url()).toBe(`http://127.0.0.1:${stage.node.webPort}/`);
    await stage.page.reload();
    await heading("Not connected").waitFor();
    const second = await stage.browser.page(`http://127.0.0.1:${stage.node.webPort}/`);
    await second.getByRole("heading", { level: 1, name: "Not connected" }).waitFor();
  });

  test("without a token the page says where to get it", async () => {
    stage.page = await stage.browser.page(`http://127.0.0.1:${stage.node.webPort}/`);
    await heading("Open the link from your node").waitFor();
    await stage.page.getByText("byway status --link").waitFor();
    expect(stage.node.calls).toEqual([]);
  });

  test("a wrong token is said to be wrong, forgotten, and a right one pasted later works", async () => {
    stage.page = await stage.browser.page(stage.node.link.replace(stage.node.token, "ab".repeat(32)));
    await heading("This link no longer opens your node").waitFor();
    expect(await stage.page.evaluate(() => Object.keys(localStorage))).toEqual([]);
    await stage.page.evaluate((hash) => (location.hash = hash), new URL(stage.node.link).hash);
    await heading("Not connected").waitFor();
  });

  test("comes up although the kernel doesn't answer, and as soon as the node does", async () => {
    stage.node.holdNext("kernel_checkpoints");
    stage.node.failNext("session_list", new MethodError(1002, "busy", "Too many calls at once."));
    await stage.open();
    await stage.page.getByText("Your sessions").waitFor();
  });

  test("is restored by itself after it broke, and nothing can be clicked meanwhile", async () => {
    await stage.open();
    stage.node.setRpcUp(false);
    await stage.page.getByText("The link to your node is lost.").waitFor();
    expect(await stage.button("Connect").isDisabled()).toBe(true);
    stage.node.setRpcUp(true);
    await stage.page.getByText("The link to your node is lost.").waitFor({ state: "detached" });
    await stage.button("Connect").click();
    await heading("Sweden").waitFor();
  });
});

describe("browsing", () => {
  test("connect, watch the cost grow, disconnect, see the session with its exact cost", async () => {
    await stage.open();
    await stage.button("Connect").click();
    await stage.page.getByText("Connected through", { exact: true }).waitFor();
    await stage.page.getByText("Cost so far").waitFor();
    await expect.poll(costShown, { timeout: 10_000 }).toBeGreaterThan(0);
    const first = await costShown();
    await expect.poll(costShown, { timeout: 10_000 }).toBeGreaterThan(first);
    stage.node.bytesPerSecond = 0;
    await stage.button("Disconnect").click();
    await heading("Disconnected").waitFor();
    const { cost } = stage.node.world.sessions[0]!;
    await stage.page.locator(`td[title="${cost}"]`).waitFor();
    await stage.page.getByText("The proxy refuses connections until you connect again.").waitFor();
  });

  test("one click on a country connects to the best exit there, and the row says so", async () => {
    await stage.open();
    await stage.button("Connect to Germany, from 0.40 WAY per GB").click();
    await heading("Germany").waitFor();
    await stage.page.getByRole("list", { name: "Countries" }).getByText("Connected").waitFor();
    const connect = stage.node.calls.find((call) => call.method === "connect");
    expect(connect?.params).toEqual({ country: "DE", sort: "both" });
  });

  test("other pages, too, show that there is a connection", async () => {
    await stage.open();
    await stage.button("Connect to Germany, from 0.40 WAY per GB").click();
    await stage.page.getByRole("link", { name: "Wallet", exact: true }).click();
    await stage.page.getByRole("navigation").getByTitle("Connected through Germany").waitFor();
  });

  test("what an hour costs follows the speed", async () => {
    await stage.open();
    const perHour = () => stage.page.getByTestId("per-hour").textContent();
    expect(await stage.page.getByTestId("per-hour").count()).toBe(0);
    await stage.page.locator("#connection").getByTitle("25 WAY", { exact: true }).waitFor();
    await stage.button(/^Connect to Germany/).click();
    await expect.poll(async () => Number(await perHour())).toBeGreaterThan(0.1);
    await stage.page.getByText("0.40 WAY per GB").first().waitFor();
  });

  test("a click on the map connects, too", async () => {
    await stage.open();
    const marks = stage.page.locator("#countries figure g.mark");
    expect(await marks.count()).toBe(12);
    await marks.first().hover();
    await stage.page.locator("#countries figcaption").getByText("Sweden").waitFor();
    await marks.first().click();
    await heading("Sweden").waitFor();
  });

  test("the whole machine: tunnels are listed, taken, and the kill switch is said to be on", async () => {
    await stage.open();
    await stage.page.getByText("Kill switch off.").waitFor();
    await stage.page.getByRole("radio", { name: "Whole machine" }).check();
    await stage.button("Connect to Germany, from 0.50 WAY per GB").click();
    await stage.page.getByText("Kill switch on.").waitFor();
    await stage.page.locator("#connection").getByText("the whole machine").waitFor();
    const connect = stage.node.calls.find((call) => call.method === "connect");
    expect(connect?.params).toEqual({ service: "tunnel", country: "DE", sort: "both" });
    await stage.button("Disconnect").click();
    await stage.page.getByText("Kill switch off.").waitFor();
    await stage.button("Connect this machine").waitFor();
  });

  test("a single exit of a country takes that very offer", async () => {
    await stage.open();
    await stage.button(/^Germany/).click();
    await stage.page.getByRole("list", { name: "Exits in Germany" }).getByRole("button", { name: /0\.52 WAY per GB/ }).click();
    await heading("Germany").waitFor();
    await stage.page.getByRole("list", { name: "Exits in Germany" }).getByText("In use").waitFor();
    const connect = stage.node.calls.find((call) => call.method === "connect");
    expect(connect?.params).toEqual({ offer_id: stage.node.world.offers[8]!.offer_id });
  });

  test("a refusal is shown in the node's words and can be dismissed", async () => {
    await stage.open();
    stage.node.failNext("connect", new MethodError(1104, "provider_unreachable", "None of 3 providers answered. Try again in a minute."));
    await stage.button("Connect").click();
    const alert = stage.page.getByRole("alert").filter({ hasText: "None of 3 providers answered." });
    await alert.waitFor();
    await alert.getByRole("button", { name: "Dismiss" }).click();
    await alert.waitFor({ state: "detached" });
    expect(await stage.button("Connect").isEnabled()).toBe(true);
  });

  test("an attempt can be cancelled", async () => {
    stage.node.connectDelayMs = 2_000;
    await stage.open();
    await stage.button("Connect").click();
    await stage.button("Cancel").click();
    await heading("Disconnected").waitFor();
    expect(await stage.page.getByRole("alert").count()).toBe(0);
  });

  test("who has no money is told what to do first; who has, how far it goes", async () => {
    await stage.open();
    await stage.page.getByText("your account pays for 35.7 GB of it").waitFor();
    stage.node.world.account = 0n;
    stage.node.publishStatus();
    await stage.page.getByText("Exits are paid from your account, which is empty.").waitFor();
    stage.node.world.wallet = 0n;
    stage.node.publishStatus();
    await stage.page.getByText("You have no coins yet.").waitFor();
    await stage.page.locator("#connection").getByRole("link", { name: "The wallet" }).click();
    await stage.page.getByRole("heading", { level: 1, name: "Wallet" }).waitFor();
  });

  test("a port is opened for a country, its state seen, and closed", async () => {
    const idle = { state: "idle" as const, since_ms: 0, rate_down_bps: 0, rate_up_bps: 0 };
    stage.node.world.ports = [{ listen: "127.0.0.1:1090", configured: true, country: "SE", connection: idle }];
    await stage.open();
    const list = stage.page.getByRole("list", { name: "Ports" });
    await list.getByText("Sweden · connects when it is used").waitFor();
    expect(await stage.button("Close 127.0.0.1:1090").count()).toBe(0);
    await stage.button("New port").click();
    await stage.page.getByLabel("Leads to").selectOption({ label: "Japan" });
    await stage.page.getByLabel("Pays at most, WAY per GB").fill("0,5");
    await stage.page.getByLabel("Port", { exact: true }).fill("70000");
    await stage.button("Open it").click();
    await stage.page.getByText("Use a point for decimals").waitFor();
    await stage.page.getByText("A number from 1 to 65535").waitFor();
    await stage.page.getByLabel("Pays at most, WAY per GB").fill("1.5");
    await stage.page.getByLabel("Port", { exact: true }).fill("1090");
    await stage.button("Open it").click();
    await stage.page.getByText("Something else listens at 127.0.0.1:1090. Choose another port.").waitFor();
    await stage.page.getByLabel("Port", { exact: true }).fill("");
    await stage.button("Open it").click();
    await list.getByText("127.0.0.1:41080").waitFor();
    expect(stage.lastCall("proxy_port_open")).toEqual({ country: "JP", max_price: "0.0015" });
    stage.node.world.ports[1]!.connection = { ...idle, state: "failed", reason: { code: "no_offer_matches", message: "Nobody sells that there." } };
    await list.getByText("Japan · failed: Nobody sells that there.").waitFor();
    await stage.button("Close 127.0.0.1:41080").click();
    await list.getByText("127.0.0.1:41080").waitFor({ state: "detached" });
  });

  test("a service is opened by its name, and closed", async () => {
    await stage.open();
    await stage.button("Open a service").click();
    await stage.button("Open it").click();
    await stage.page.getByText("A name in small letters with a hyphen").waitFor();
    await stage.page.getByLabel("Name", { exact: true }).fill("ftp-fetch");
    await stage.button("Open it").click();
    await stage.page.getByText("Nobody sells that.").waitFor();
    await stage.page.getByLabel("Name", { exact: true }).fill("http-fetch");
    await stage.page.getByLabel("Pays at most, WAY per GB").fill("2");
    await stage.button("Open it").click();
    await stage.page.getByRole("list", { name: "Open services" }).getByText("127.0.0.1:42000").waitFor();
    expect(stage.lastCall("service_open")).toEqual({ service: "http-fetch", max_price: "0.002" });
    await stage.button("Close http-fetch").click();
    await stage.page.getByText("Others sell more than ways out").waitFor();
  });

  test("a pause says why", async () => {
    await stage.open();
    stage.node.world.setConnection("paused", { country: "NL", reason: { code: "spending_limit", message: "Today's limit of 20 WAY is reached." } });
    stage.node.publishStatus();
    await stage.page.getByText("Today's limit of 20 WAY is reached.", { exact: true }).waitFor();
  });
});

describe("choosing", () => {
  const countries = () => stage.page.getByRole("list", { name: "Countries" }).locator(".name")
    .evaluateAll((names) => names.map((name) => (name.textContent ?? "").split(/[★,\u00a0]/)[0]!.trim()));

  test("filters, order and preference change the list; the hero connects within the filter", async () => {
    await stage.open();
    expect((await countries()).slice(0, 3)).toEqual(["Sweden", "Germany", "Netherlands"]);
    await stage.page.getByLabel("Order").selectOption({ label: "Cheapest first" });
    expect((await countries()).slice(0, 3)).toEqual(["Sweden", "Brazil", "Germany"]);
    await stage.page.getByLabel("Order").selectOption({ label: "By name" });
    expect((await countries()).slice(0, 2)).toEqual(["Australia", "Brazil"]);
    await stage.page.getByLabel("Order").selectOption({ label: "Best first" });
    expect((await countries()).slice(0, 2)).toEqual(["Sweden", "Germany"]);
    await stage.page.getByLabel("Order").selectOption({ label: "Most exits first" });
    expect((await countries())[0]).toBe("Germany");
    await stage.page.getByLabel("Order").selectOption({ label: "Cheapest first" });
    await stage.button("Filters").click();
    await stage.page.getByLabel("At most").fill("0.4");
    expect(await countries()).toEqual(["Brazil", "Germany"]);
    await stage.button("Connect").click();
    await heading("Brazil").waitFor();
    expect(stage.node.calls.find((call) => call.method === "connect")?.params).toEqual({ unit: "mb", max_price: "0.0004", sort: "price" });
    await stage.page.getByLabel("At most").fill("0,4");
    await stage.page.getByText("Use a point for decimals").waitFor();
    await stage.page.getByLabel("At most").fill("0.0001");
    await stage.button("Clear them").click();
    await expect.poll(async () => (await countries()).length).toBe(8);
    await stage.button("Show 4 more").click();
    expect((await countries()).length).toBe(12);
  });

  test("by keyboard alone: slash, a few letters, enter; or down the list with the arrows", async () => {
    await stage.open();
    await stage.page.keyboard.press("/");
    await stage.page.keyboard.type("jap");
    expect(await countries()).toEqual(["Japan"]);
    await stage.page.keyboard.press("Enter");
    await heading("Japan").waitFor();
    await stage.page.getByText("Connected through", { exact: true }).waitFor();
    await stage.page.getByLabel(/^Search/).first().fill("");
    await stage.page.keyboard.press("ArrowDown");
    await stage.page.keyboard.press("ArrowDown");
    expect(await stage.page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toMatch(/^Connect to Germany/);
    await stage.page.keyboard.press("Enter");
    await heading("Germany").waitFor();
    await stage.page.keyboard.press("ArrowUp");
    await stage.page.keyboard.press("ArrowUp");
    expect(await stage.page.evaluate(() => document.activeElement?.id)).toBe("country-search");
  });

  test("a star is kept by the node, and given back when the node refuses", async () => {
    await stage.open();
    await stage.page.getByLabel("Order").selectOption({ label: "Cheapest first" });
    await stage.button(/^Brazil/).click();
    const star = stage.button(/^Prefer the provider .* in Brazil$/);
    await star.click();
    await expect.poll(() => stage.node.world.offers.find((offer) => offer.country === "BR")?.preferred).toBe(true);
    await expect.poll(async () => (await countries())[0]).toBe("Brazil");
    stage.node.failNext("offer_prefer", new MethodError(1008, "storage_failed", "The disk is full. Free some space."));
    await star.click();
    await stage.page.getByText("The disk is full. Free some space.").waitFor();
    expect(await star.getAttribute("aria-pressed")).toBe("true");
  });

  test("by quality: the node is asked for one such offer after another until one is open", async () => {
    await stage.open();
    await stage.button("Filters").click();
    await stage.page.getByRole("form", { name: "Filters" }).getByLabel("Quality").selectOption({ label: "Good or better" });
    expect(await countries()).toEqual(["Sweden", "Germany", "Netherlands", "Switzerland"]);
    await stage.button("Filters (1)").waitFor();
    stage.node.failNext("connect", new MethodError(1104, "provider_unreachable", "The provider did not answer."));
    await stage.button("Connect").click();
    await heading("Germany").waitFor();
    await stage.page.getByText("Connected through", { exact: true }).waitFor();
    const offers = stage.node.world.offers;
    expect(stage.node.calls.filter(({ method }) => method === "connect").map(({ params }) => params))
      .toEqual([{ offer_id: offers[2]!.offer_id }, { offer_id: offers[0]!.offer_id }]);
    await stage.page.getByRole("form", { name: "Filters" }).getByRole("button", { name: "Clear" }).click();
    await expect.poll(async () => (await countries()).length).toBe(8);
  });

  test("of a market beyond what an event carries, all is listed; of one beyond an answer, what is looked for", async () => {
    stage.node.world.crowd(1_500);
    await stage.open();
    await stage.page.getByText("1,000 and more exits on the market").waitFor();
    await stage.page.getByText("These are the first 1,000.").waitFor();
    await stage.button(/^Germany/).click();
    const exits = stage.page.getByRole("list", { name: "Exits in Germany" }).getByRole("listitem");
    expect(await exits.count()).toBe(21);
    await stage.button(/^Show 20 more of/).click();
    await expect.poll(() => exits.count()).toBe(41);
    await stage.page.getByLabel(/^Search/).first().fill("iceland");
    await expect.poll(countries).toEqual(["Iceland"]);
    expect(stage.lastCall("offer_list")).toMatchObject({ country: "IS", limit: 1_000 });
  });

  test("no offers at all is a state of its own", async () => {
    stage.node.world.offers = [];
    stage.page = await stage.browser.page(stage.node.link);
    await stage.page.getByText("No offers yet.").waitFor();
  });
});

test("each page has its address, and going back goes back", async () => {
  await stage.open();
  await stage.page.getByRole("link", { name: "Wallet", exact: true }).click();
  await stage.page.getByRole("link", { name: "Provide", exact: true }).click();
  await expect.poll(() => stage.page.title()).toBe("Provide · Byway");
  expect(await stage.page.getByRole("link", { name: "Provide", exact: true }).getAttribute("aria-current")).toBe("page");
  await stage.page.goBack();
  await expect.poll(() => stage.page.title()).toBe("Wallet · Byway");
  await stage.page.reload();
  await stage.page.getByRole("heading", { level: 1, name: "Wallet" }).waitFor();
});

test("sessions are exported with exact amounts", async () => {
  await stage.open();
  const [download] = await Promise.all([stage.page.waitForEvent("download"), stage.button("Export CSV").click()]);
  const text = await readFile(await download.path(), "utf8");
  expect(download.suggestedFilename()).toMatch(/^byway-sessions-.*\.csv$/);
  expect(text.split("\r\n")).toHaveLength(1 + stage.node.world.sessions.length + 1);
  expect(text).toContain(stage.node.world.sessions[0]!.cost);
});

test("the theme can be turned, is kept, and comes with the first paint", async () => {
  await stage.open();
  const ground = () => stage.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await stage.button("Use the dark theme").click();
  const dark = await ground();
  expect(dark).not.toBe(light);
  await stage.page.reload();
  expect(await ground()).toBe(dark);
});

test("everything can be reached by keyboard, in order, with a visible focus", async () => {
  await stage.open();
  const names: string[] = [];
  for (let step = 0; step < 20; step += 1) {
    await stage.page.keyboard.press("Tab");
    const focus = await stage.page.evaluate(() => {
      const element = document.activeElement as HTMLElement;
      return { name: element.getAttribute("aria-label") ?? element.textContent?.trim() ?? "", outline: getComputedStyle(element).outlineStyle };
    });
    expect(focus.outline).not.toBe("none");
    names.push(focus.name);
  }
  const connect = stage.button("Connect");
  await connect.focus();
  await stage.page.keyboard.press("Enter");
  await stage.page.getByText("Connected through", { exact: true }).waitFor();
  expect(await stage.page.evaluate(() => document.activeElement?.textContent)).toBe("Disconnect");
  expect(names.some((name) => name === "Connect")).toBe(true);
  expect(names.some((name) => name.startsWith("Connect to"))).toBe(true);
});

test("the page keeps within its policy, asks no other host and logs no errors", async () => {
  const hosts = new Set<string>();
  stage.browser.context.on("request", (request) => hosts.add(new URL(request.url()).host));
  await stage.open();
  await stage.button("Connect").click();
  await stage.page.getByText("Cost so far").waitFor();
  await stage.page.getByRole("link", { name: "Wallet", exact: true }).click();
  await stage.button("Receive").click();
  await stage.page.getByRole("img", { name: /QR code/ }).waitFor();
  expect([...hosts]).toEqual([`127.0.0.1:${stage.node.webPort}`]);
  expect(stage.browser.faults).toEqual([]);
});

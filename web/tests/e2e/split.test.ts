/** What goes past the tunnel, or through it alone: named in a browser, told apart, and sent to the mock node. */

import { describe, expect, test } from "vitest";
import { MethodError } from "../mock/methods";
import { Stage } from "./stage";

const stage = new Stage();
const card = () => stage.page.locator("#protection");
const button = (name: string) => card().getByRole("button", { name, exact: true });
const past = () => card().getByLabel("Sites and networks past the tunnel");
const through = () => card().getByLabel("Sites and networks through the tunnel");
const row = (name: string) => card().locator("dl > div").filter({ hasText: new RegExp(`^${name}`) }).locator("dd");
const lastSet = () => stage.lastCall("tunnel_settings_set");

async function change(): Promise<void> {
  await stage.open();
  await button("Change").click();
}

async function save(): Promise<void> {
  await button("Save").click();
  await card().getByText("Saved. It holds from the next tunnel on.").waitFor();
}

describe("the whole machine, but for what is named", () => {
  test("of a tunnel without exceptions it is said that it is for the whole machine", async () => {
    await stage.open();
    expect(await row("The tunnel is for").textContent()).toBe("the whole machine");
  });

  test("sites and networks go into their lists, and the summary has both", async () => {
    await change();
    expect(await card().getByRole("radio", { name: /^The whole machine, but for/ }).isChecked()).toBe(true);
    await past().fill("Bücher.example\n192.0.2.0/24\n2001:db8::/32");
    await card().getByText("1 site, 2 networks.").waitFor();
    await card().getByLabel("Some programs, too").check();
    await card().getByLabel("The local network, too").check();
    await save();
    expect(lastSet()).toEqual({
      programs: "all-but-outside", local_network: true, outside: ["192.0.2.0/24", "2001:db8::/32"], outside_domains: ["Bücher.example"],
      inside: [], inside_domains: [],
    });
    expect(await row("Sites").textContent()).toBe("xn--bcher-kva.example");
    expect(await row("Networks").textContent()).toBe("192.0.2.0/24, 2001:db8::/32");
    expect(await row("Programs").textContent()).toBe("those of byway exec --outside");
    expect(await row("Local network").textContent()).toBe("reached past the tunnel");
    await button("Change").click();
    expect(await past().inputValue()).toBe("xn--bcher-kva.example\n192.0.2.0/24\n2001:db8::/32");
  });

  test("a wrong line is named and nothing is sent; of a page's address the host is taken", async () => {
    await change();
    await past().fill("1.2.3");
    await button("Save").click();
    await card().getByRole("alert").getByText("“1.2.3” is neither a site nor a network.").waitFor();
    expect(await past().getAttribute("aria-invalid")).toBe("true");
    expect(lastSet()).toBeUndefined();
    await past().fill("https://example.com/path");
    await card().getByRole("status").getByText("Of https://example.com/path the host is taken: example.com.").waitFor();
    await save();
    expect(lastSet()).toMatchObject({ outside_domains: ["example.com"], outside: [] });
  });

  test("what the node refuses is said in its words, and what was typed stays", async () => {
    await change();
    await past().fill("xn--a.example");
    await button("Save").click();
    await card().getByRole("alert").getByText("Destination: a name such as example.com or an address is needed. Correct it and try again.").waitFor();
    expect(await past().inputValue()).toBe("xn--a.example");
    await past().fill("a.example");
    stage.node.failNext("tunnel_settings_set", new MethodError(1109, "storage", "The disk is full. Make room and try again."));
    await button("Save").click();
    await card().getByRole("alert").getByText("The disk is full. Make room and try again.").waitFor();
    await save();
  });
});

describe("only what is named", () => {
  test("it is said that the rest is not protected, before and after", async () => {
    await change();
    await card().getByRole("radio", { name: /^Only what is named here/ }).check();
    await card().getByText("The rest of the machine is not protected:", { exact: true }).waitFor();
    await card().getByText("byway exec --inside", { exact: true }).waitFor();
    expect(await card().getByLabel("The local network, too").count()).toBe(0);
    await through().fill("blocked.example 198.51.100.0/24");
    await save();
    expect(lastSet()).toEqual({
      programs: "only-inside", inside: ["198.51.100.0/24"], inside_domains: ["blocked.example"], outside: [], outside_domains: [],
    });
    expect(await row("The tunnel is for").textContent()).toBe("only what is named here");
    expect(await row("Sites").textContent()).toBe("blocked.example");
    expect(await row("Programs").textContent()).toBe("those of byway exec --inside");
    expect(await row("All the rest").textContent()).toBe("not protected: it goes out with your own address");
    await stage.page.getByRole("radio", { name: "Whole machine" }).check();
    await stage.page.getByText("Connect, and what you named goes through the tunnel. The rest of this machine is not protected.").waitFor();
    await stage.button("Connect to Germany, from 0.50 WAY per GB").click();
    await card().getByText("What is named below goes through the tunnel or nowhere.").waitFor();
    await stage.page.locator("#connection").getByText("only what you named").waitFor();
  });

  test("what was to go past the tunnel doesn't become what alone goes through it", async () => {
    stage.node.world.tunnel = { ...stage.node.world.tunnel, outside_domains: ["bank.example"] };
    await change();
    await card().getByRole("radio", { name: /^Only what is named here/ }).check();
    expect(await through().inputValue()).toBe("");
    await card().getByText("No site or network is named: only programs").waitFor();
    await card().getByRole("radio", { name: /^The whole machine, but for/ }).check();
    expect(await past().inputValue()).toBe("bank.example");
    await card().getByRole("radio", { name: /^Only what is named here/ }).check();
    await through().fill("blocked.example");
    await save();
    expect(lastSet()).toMatchObject({ inside_domains: ["blocked.example"], outside_domains: [] });
  });
});

test("a change while a tunnel is up is said to hold from the next on, and does", async () => {
  await stage.open();
  await stage.page.getByRole("radio", { name: "Whole machine" }).check();
  await stage.button("Connect to Germany, from 0.50 WAY per GB").click();
  await card().getByText("Nothing leaves but through the tunnel").waitFor();
  await button("Change").click();
  await card().getByRole("radio", { name: /^Only what is named here/ }).check();
  await through().fill("blocked.example");
  await save();
  await card().getByText("As it was set when this tunnel began.").waitFor();
  expect(await card().getByText("What is named below goes through the tunnel or nowhere.").count()).toBe(0);
  await stage.button("Disconnect").click();
  await card().getByText("Kill switch off.").waitFor();
  await stage.button("Connect this machine").click();
  await card().getByText("What is named below goes through the tunnel or nowhere.").waitFor();
});

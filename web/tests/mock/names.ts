/** Names in the directory, as the mock node has them: one that is another's, and those that one takes. */

import type { Method, Methods, NameList, NameShown } from "@byway/client";
import { MethodError } from "./error";
import type { MockNode } from "./node";
import { hex } from "./world";

type Handlers = { [M in Method]?:
  (node: MockNode, params: Methods[M]["params"]) => Methods[M]["result"] | Promise<Methods[M]["result"]> };

const YEAR_MS = 365 * 86_400_000;

export class OwnNames implements NameList {
  own: NameShown[] = [];
  wanted: NameList["wanted"] = [];

  shown(name: string): NameShown {
    const written = name.trim().toLowerCase();
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(written)) throw new MethodError(-32602, "invalid_params", "The parameter `name` can't be used: a name is made of letters, digits and hyphens. Correct it and call again.", { field: "name" });
    const free: NameShown = { name: written, standing: "free", primary: false, price_year: "0.1", price_commit: "0.001" };
    const known = this.own.find((own) => own.name === written);
    if (known) return known;
    if (written.replaceAll("0", "o") !== "dora") return free;
    return { ...free, standing: "in_use", owner: hex(4_200, 40), ...(written === "dora" ? {} : { looks_like: "dora" }) };
  }

  choose(name: string | undefined): void {
    this.own = this.own.map((own) => ({ ...own, primary: own.name === name }));
  }

  /** What is under way is settled. */
  settle(): void {
    const expires_ms = Date.now() + YEAR_MS;
    this.own = [...this.own, ...this.wanted.map(({ name }) => ({ ...this.shown(name), standing: "in_use" as const, expires_ms }))];
    this.wanted = [];
  }
}

export const nameHandlers: Handlers = {
  name_list: ({ chat }) => ({ own: chat.names.own, wanted: chat.names.wanted }),
  name_show: ({ chat }, { name }) => chat.names.shown(name),
  name_register: ({ chat }, { name, years = 1 }) => {
    const wanted = { name: chat.names.shown(name).name, years, stage: "committing" as const, began_ms: Date.now(), transaction_id: hex(4_300, 64) };
    chat.names.wanted = [...chat.names.wanted, wanted];
    return wanted;
  },
};

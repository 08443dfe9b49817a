/** The mock node's side of `tunnel_settings_set`, as `docs/formats/rpc.md` has it. */

import { domainToASCII } from "node:url";
import type { Methods, TunnelSettings } from "@byway/client";

/** Of a tunnel that carries everything. */
export const EVERYTHING: TunnelSettings = {
  closed: false, local_network: false, outside: [], outside_domains: [], inside: [], inside_domains: [], name_servers: [], programs: "all", partial: false,
};

/** A refusal as the node words it. */
export class Refused extends Error {
  constructor(readonly field: string, why: string) {
    super(`The parameter \`${field}\` can't be used: ${why}. Correct it and call again.`);
  }
}

export function changed(before: TunnelSettings, asked: Methods["tunnel_settings_set"]["params"]): TunnelSettings {
  const { outside_domains, inside_domains, ...rest } = { ...before, ...asked };
  const settings = {
    ...rest, outside_domains: asDomains("outside_domains", outside_domains), inside_domains: asDomains("inside_domains", inside_domains),
  };
  const namesInside = settings.inside.length + settings.inside_domains.length > 0;
  const namesOutside = settings.outside.length + settings.outside_domains.length > 0;
  const partial = settings.programs === "only-inside" || namesInside;
  if (namesInside && settings.programs === "all-but-outside") {
    throw new Refused("inside", "programs are all inside but some, and networks or domains outside but some");
  }
  if (partial && namesOutside) throw new Refused("inside", "what is inside is named, and so is what is outside; one side is all the rest");
  return { ...settings, partial };
}

function asDomains(field: string, names: string[]): string[] {
  return names.map((name) => {
    const domain = domainToASCII(name.replace(/^\*\./, "").replace(/\.$/, ""));
    if (domain === "") throw new Refused(field, "destination: a name such as example.com or an address is needed");
    return domain;
  });
}

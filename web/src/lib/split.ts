/** What goes past the tunnel, or through it alone: reading what a person names, and saying what holds. Pure. */

import type { Methods, TunnelSettings } from "@byway/client";
import { formatCount } from "./format";

/** As many as a call may name. */
const NETWORKS_MAX = 64;
const SITES_MAX = 256;
/** Of a name and of one label in it (RFC 1035). */
const NAME_MAX = 253;
const LABEL_MAX = 63;
/** What a line of the summary has room for. */
const SHOWN_MAX = 8;
/** Of what was pasted with more around it. */
const TOLD_MAX = 3;

/** What is named; the other side is all the rest. */
export type Side = "outside" | "inside";

export interface Named {
  /** Names of hosts as they were typed; the node knows how names beyond ASCII are written in DNS. */
  sites: string[];
  networks: string[];
  /** What was pasted with more around it, and the host that was taken of it. */
  taken: { from: string; host: string }[];
  /** A sentence that says what to do, or null. */
  problem: string | null;
}

export interface SplitInput {
  side: Side;
  named: Named;
  /** These two matter where the rest is inside. */
  localNetwork: boolean;
  programsOutside: boolean;
}

/** One site or network per line, comma or space. The node says what else is wrong with one. */
export function namedFrom(text: string): Named {
  const named: Named = { sites: [], networks: [], taken: [], problem: null };
  for (const part of text.split(/[\s,;]+/).filter((part) => part !== "")) {
    const host = hostOf(part);
    const list = isNetwork(host) ? named.networks : isSite(host) ? named.sites : null;
    if (!list) {
      named.problem ??= `“${part}” is neither a site nor a network. Write a site as in example.com, a network as in 192.0.2.0/24.`;
      continue;
    }
    if (host !== part) named.taken.push({ from: part, host });
    if (!list.some((known) => known.toLowerCase() === host.toLowerCase())) list.push(host);
  }
  if (named.networks.length > NETWORKS_MAX) named.problem ??= `Name at most ${NETWORKS_MAX} networks.`;
  if (named.sites.length > SITES_MAX) named.problem ??= `Name at most ${SITES_MAX} sites.`;
  return named;
}

/** The host of what was pasted, such as the address of a page; otherwise the text as it is. */
function hostOf(text: string): string {
  if (isNetwork(text)) return text;
  const [, scheme, rest = ""] = /^([a-z][a-z0-9+.-]*:\/\/)?(.*)$/i.exec(text) ?? [];
  const authority = rest.replace(/[/?#].*$/, "").replace(/^.*@/, "");
  const [, bracketed, plain] = /^(?:\[(.+)\]|([^:]+))(?::\d*)?$/.exec(authority) ?? [];
  const host = bracketed ?? plain ?? text;
  // What follows an address that is no page's is a width, and a wrong one isn't to be taken for one machine.
  return !scheme && rest.includes("/") && isNetwork(host) ? text : host;
}

function isNetwork(text: string): boolean {
  const [address = "", width, ...more] = text.split("/");
  if (more.length > 0 || (width !== undefined && !/^\d{1,3}$/.test(width))) return false;
  if (/^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/.test(address)) {
    return address.split(".").every((byte) => Number(byte) <= 255) && Number(width ?? 32) <= 32;
  }
  if (!/^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(address) || Number(width ?? 128) > 128) return false;
  try {
    return new URL(`http://[${address}]/`).hostname !== "";
  } catch {
    return false;
  }
}

/** Of ASCII, names have letters, digits, hyphens and underscores; what is beyond it the node looks at. */
function isSite(text: string): boolean {
  const name = text.replace(/^\*\./, "").replace(/[.。．｡]$/, "");
  const labels = name.split(/[.。．｡]/);
  const fits = labels.every((label) => label.length >= 1 && label.length <= LABEL_MAX && !/[\x00-\x7f]/.test(label.replace(/[\w-]/g, "")));
  return fits && name.length <= NAME_MAX && !/^\d+$/.test(labels.at(-1) ?? "");
}

/** Only for what was named without a problem. What belongs to the other side is taken back, since the node refuses both at once. */
export function settingsOf({ side, named, localNetwork, programsOutside }: SplitInput): Methods["tunnel_settings_set"]["params"] {
  const { networks, sites } = named;
  if (side === "inside") return { programs: "only-inside", inside: networks, inside_domains: sites, outside: [], outside_domains: [] };
  const programs = programsOutside ? "all-but-outside" : "all";
  return { programs, outside: networks, outside_domains: sites, inside: [], inside_domains: [], local_network: localNetwork };
}

export function sideOf({ partial }: TunnelSettings): Side {
  return partial ? "inside" : "outside";
}

/** What is named on the side that holds. */
export function namedIn(settings: TunnelSettings): Pick<Named, "sites" | "networks"> {
  const { inside, inside_domains, outside, outside_domains } = settings;
  return settings.partial ? { sites: inside_domains, networks: inside } : { sites: outside_domains, networks: outside };
}

/** Whether the tunnel has no exception that a person made. */
export function carriesAll(settings: TunnelSettings): boolean {
  const { sites, networks } = namedIn(settings);
  return settings.programs === "all" && !settings.partial && !settings.local_network && sites.length + networks.length === 0;
}

/** As a person would have typed it. */
export function textOf({ sites, networks }: Pick<Named, "sites" | "networks">): string {
  return [...sites, ...networks].join("\n");
}

/** How the page understands what is typed. */
export function understood(side: Side, { sites, networks, taken }: Named): string {
  const counts = [counted(sites.length, "site", "sites"), counted(networks.length, "network", "networks")].filter((count) => count !== "");
  const alone = side === "inside" ? ": only programs of byway exec --inside go through the tunnel" : "";
  const sum = counts.length > 0 ? `${counts.join(", ")}.` : `No site or network is named${alone}.`;
  const told = taken.slice(0, TOLD_MAX).map(({ from, host }) => `Of ${from} the host is taken: ${host}.`);
  const more = taken.length > TOLD_MAX ? [`So with ${formatCount(taken.length - TOLD_MAX)} more.`] : [];
  return [sum, ...told, ...more].join(" ");
}

function counted(count: number, one: string, many: string): string {
  return count === 0 ? "" : `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** The first of a list, and how many more there are. */
export function listWords(list: string[]): string {
  const more = list.length - SHOWN_MAX;
  if (list.length === 0) return "none";
  return more > 0 ? `${list.slice(0, SHOWN_MAX).join(", ")} and ${formatCount(more)} more` : list.join(", ");
}

/** Links within messages: where they may lead, and what to think of before one is followed. Pure. */

import { isHidden } from "./harmless";

/** Bytes of an address. */
const ADDRESS_MAX = 2_048;

export interface Address {
  href: string;
  /** What it leads to, as it is: letters beyond ASCII stand as `xn--…`. */
  host: string;
}

/** The web, or a mailbox with nothing but its address; no name or password in front of the host; nothing that can't be seen. */
export function addressOf(text: string): Address | null {
  if (text.length > ADDRESS_MAX || Array.from(text).some((character) => isHidden(character) || /\s/.test(character))) return null;
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return null;
  }
  if (url.protocol === "mailto:") {
    const isPlain = /^[^@?#/]+@[^@?#/]+$/.test(url.pathname) && url.search === "" && url.hash === "";
    return isPlain ? { href: url.href, host: url.pathname } : null;
  }
  if ((url.protocol !== "http:" && url.protocol !== "https:") || url.username !== "" || url.password !== "" || url.hostname === "") return null;
  // `http:host` is read as `http://host`, which is not what stands there.
  return /^https?:\/\//i.test(text) ? { href: url.href, host: url.hostname } : null;
}

function withoutWww(host: string): string {
  return host.replace(/^www\./, "");
}

/** A host that a link's text names, such as `bank.example`. */
function namedHost(word: string): string | null {
  const bare = word.replace(/^[a-z]+:\/\//i, "").replace(/[/?#:].*$/, "").replace(/[.,;!]+$/, "");
  if (!/^[^\s@]+\.[\p{L}]{2,}$/u.test(bare)) return null;
  try {
    return new URL(`http://${bare}`).hostname;
  } catch {
    return null;
  }
}

/** Sentences about what is not as it seems. */
export function cautionsOf({ href, host }: Address, text: string): string[] {
  if (href.startsWith("mailto:")) return [];
  const other = text.split(/[\s<>()",]+/).map(namedHost).find((named) => named !== null && withoutWww(named) !== withoutWww(host));
  return [
    ...(other ? [`Its text names ${other}, and it leads elsewhere.`] : []),
    ...(host.split(".").some((label) => label.startsWith("xn--")) ? ["Its name has letters of other alphabets, some of which look like those that you know."] : []),
    ...(host.startsWith("[") || /^\d+\.\d+\.\d+\.\d+$/.test(host) ? ["It leads to a number instead of a name."] : []),
    ...(href.startsWith("http:") ? ["It is not encrypted on its way."] : []),
  ];
}

/** Addresses that stand in a text as they were typed, by where they begin and end. */
export function bareAddresses(text: string): { from: number; to: number; address: Address }[] {
  const found = [];
  for (const match of text.matchAll(/\bhttps?:\/\/[^\s<>"`]{1,2048}/gi)) {
    const run = withoutEnd(match[0]);
    const address = addressOf(run);
    if (address) found.push({ from: match.index, to: match.index + run.length, address });
  }
  return found;
}

/** Without what belongs to the sentence around an address. */
function withoutEnd(run: string): string {
  let end = run.length;
  for (;;) {
    const last = run[end - 1] ?? "";
    const inside = run.slice(0, end);
    const isLoose = last === ")" && inside.split(")").length > inside.split("(").length;
    if (!/[.,;:!?'*_~\]]/.test(last) && !isLoose) return inside;
    end -= 1;
  }
}

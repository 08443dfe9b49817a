/**
 * Where the node is and the token that opens it: taken from the link's fragment, kept in the browser's storage.
 *
 * The fragment is removed from the address bar at once, so that the token isn't bookmarked or shown on a shared
 * screen. `sessionStorage` wins over `localStorage`, so two tabs can look at two nodes.
 */

export interface NodeLink {
  token: string;
  rpcPort: number;
  /** What this phone is called, where the page is one's over the local network: the node is then where the page came from. */
  phone?: string;
}

/** A token as nodes give them. */
export const TOKEN_PATTERN = /^[0-9a-f]{32,128}$/;

export const RPC_PORT_DEFAULT = 7071;
const KEY = "byway.link";

type KeyValue = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** `#token=HEX&rpc=7071` → link; null when it holds no usable token. */
export function parseFragment(fragment: string): NodeLink | null {
  const params = new URLSearchParams(fragment.replace(/^#/, ""));
  return checkedLink(params.get("token"), params.get("rpc"));
}

function checkedLink(token: unknown, port: unknown): NodeLink | null {
  if (typeof token !== "string" || !TOKEN_PATTERN.test(token)) return null;
  const rpcPort = port === null || port === undefined ? RPC_PORT_DEFAULT : Number(port);
  if (!Number.isInteger(rpcPort) || rpcPort < 1 || rpcPort > 65_535) return null;
  return { token, rpcPort };
}

function phoneLink(token: unknown, phone: string): NodeLink | null {
  return typeof token === "string" && TOKEN_PATTERN.test(token) ? { token, rpcPort: 0, phone } : null;
}

export function storedLink(storages: KeyValue[]): NodeLink | null {
  for (const storage of storages) {
    try {
      const value = JSON.parse(storage.getItem(KEY) ?? "null") as { token?: unknown; rpcPort?: unknown; phone?: unknown } | null;
      const link = value && (typeof value.phone === "string" ? phoneLink(value.token, value.phone) : checkedLink(value.token, value.rpcPort));
      if (link) return link;
    } catch {
      // Storage that is switched off or holds something else counts as empty.
    }
  }
  return null;
}

export function storeLink(storages: KeyValue[], link: NodeLink | null): void {
  for (const storage of storages) {
    try {
      if (link) storage.setItem(KEY, JSON.stringify(link));
      else storage.removeItem(KEY);
    } catch {
      // Without storage the link lasts as long as the page.
    }
  }
}

/** The browser's storages, in the order they are believed; empty where access is denied. */
export function browserStorages(): KeyValue[] {
  try {
    return [window.sessionStorage, window.localStorage];
  } catch {
    return [];
  }
}

/** Link of this page load: from the address if it has one, else from storage. Cleans the address. */
export function takeLink(): NodeLink | null {
  const storages = browserStorages();
  const fresh = parseFragment(location.hash);
  if (location.hash.includes("token=")) history.replaceState(null, "", location.pathname + location.search);
  if (fresh) {
    storeLink(storages, fresh);
    return fresh;
  }
  return storedLink(storages);
}

export function rpcUrl(link: NodeLink, place: Pick<Location, "hostname" | "host">): string {
  return link.phone === undefined ? `ws://${place.hostname}:${link.rpcPort}/` : `wss://${place.host}/`;
}

/**
 * A phone that opens the node over the local network: the code out of the QR code is handed in once, for a token of the phone's own.
 *
 * The page came over the connection that it would have to doubt, so it checks no certificate; a person does, once, in the browser's
 * warning.
 */

import { RpcError } from "./rpc";
import { TOKEN_PATTERN, type NodeLink } from "./link";

/** `#link=CODE` → the code; null when there is none. */
export function codeOf(fragment: string): string | null {
  const code = new URLSearchParams(fragment.replace(/^#/, "")).get("link");
  return code !== null && /^[a-z2-7]{16}$/.test(code) ? code : null;
}

/** Hands the code in. What goes wrong is said for people. */
export async function handIn(code: string, send: typeof fetch = fetch): Promise<NodeLink> {
  let response: Response;
  try {
    response = await send("/link", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ code }) });
  } catch {
    throw new RpcError("link_lost", "Your node can't be reached. See whether it still runs and this phone is in its network, then try again.");
  }
  const body = (await response.json().catch(() => null)) as { name?: unknown; token?: unknown } | null;
  if (response.ok && typeof body?.token === "string" && TOKEN_PATTERN.test(body.token) && typeof body.name === "string") {
    return { token: body.token, rpcPort: 0, phone: body.name };
  }
  throw new RpcError("phone_code_refused", "This code opens nothing any more: each is good for one phone and five minutes. Ask your node for another one.");
}

/** The fingerprint in lines that can be compared by eye: four pairs apart, sixteen a line. */
export function fingerprintLines(fingerprint: string): string[] {
  const pairs = fingerprint.split(":");
  const groups = Array.from({ length: Math.ceil(pairs.length / 4) }, (_, at) => pairs.slice(at * 4, at * 4 + 4).join(":"));
  return Array.from({ length: Math.ceil(groups.length / 2) }, (_, at) => groups.slice(at * 2, at * 2 + 2).join("  "));
}

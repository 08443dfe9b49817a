/** Ports at the exit that lead to a program: reading a new one as a person types it, and how one stands. Pure. */

import type { ForwardedPort, Methods } from "@byway/client";
import { reasonSentence } from "./format";
import { isPort } from "./ports";

export type Protocol = ForwardedPort["protocol"];

export interface ForwardInput {
  protocol: Protocol;
  /** A port of this machine, or an address with a port. */
  to: string;
  /** At the exit; empty for any. */
  port: string;
  /** Whether the program is told where visitors come from. */
  tellsFrom: boolean;
}

export interface ForwardProblems {
  to: string | null;
  port: string | null;
}

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)$/;
/** Only the shape: which addresses there are is for the node to say. */
const IPV6 = /^\[[0-9a-f:.]*:[0-9a-f:.]*\]$/i;

/** Where the program listens, as the node takes it; null for what is no such place. */
function programOf(text: string): string | null {
  const wanted = text.trim();
  const at = wanted.lastIndexOf(":");
  const [host, port] = at < 0 ? ["127.0.0.1", wanted] : [wanted.slice(0, at).toLowerCase().replace(/^localhost$/, "127.0.0.1"), wanted.slice(at + 1)];
  return isPort(port) && (IPV4.test(host) || IPV6.test(host)) ? `${host}:${Number(port)}` : null;
}

export function forwardProblems({ to, port }: ForwardInput): ForwardProblems {
  return {
    to: programOf(to) ? null : "A port of this machine, as in 8080, or an address with a port, as in 192.168.1.5:80.",
    port: port.trim() === "" || isPort(port) ? null : "A number from 1 to 65535, or none for any.",
  };
}

/** Only for an input without problems. */
export function forwardOf({ protocol, to, port, tellsFrom }: ForwardInput): Methods["forward_open"]["params"] {
  return {
    to: programOf(to) ?? to,
    ...(protocol === "udp" ? { protocol } : {}),
    ...(port.trim() === "" ? {} : { port: Number(port) }),
    // A datagram has no first line that could tell.
    ...(tellsFrom && protocol === "tcp" ? { proxy_protocol: true } : {}),
  };
}

/** Whether the exit is being asked: that is over soon. */
export function isWaiting({ reason }: ForwardedPort): boolean {
  return reason?.code === "waiting";
}

/** Whether another exit may give the port that this one doesn't. */
export function needsExit({ public: address, reason }: ForwardedPort): boolean {
  return !address && (reason?.code === "not_connected" || reason?.code === "refused");
}

/** Where visitors come in, or that they can't. */
export function forwardPlace(forward: ForwardedPort): string {
  if (forward.public) return forward.public;
  return isWaiting(forward) ? "Asking the exit…" : forward.port ? `No port ${forward.port} yet` : "No port yet";
}

/** Where it leads, and who is there. */
export function forwardWords({ to, protocol, public: address, visitors, proxy_protocol }: ForwardedPort): string {
  const there = visitors === 0 ? "nobody there now" : visitors === 1 ? "1 visitor now" : `${visitors} visitors now`;
  return [`leads to ${to}${protocol === "udp" ? " by UDP" : ""}`, ...(address ? [there] : []), ...(proxy_protocol ? ["told where visitors come from"] : [])].join(" · ");
}

/** Why there is no port, or why a visitor was turned away; null where all is well or will be soon. */
export function forwardTrouble(forward: ForwardedPort): string | null {
  if (!forward.reason || isWaiting(forward)) return null;
  if (forward.reason.code === "not_connected") return "The exit that you connect to is asked for it.";
  return reasonSentence(forward.reason.message);
}

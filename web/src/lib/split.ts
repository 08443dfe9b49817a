/** Reading the networks outside a tunnel as a person types them. Pure. */

/** As many as a call may name. */
const OUTSIDE_MAX = 64;

export interface ReadOutside {
  networks: string[];
  /** A sentence that says what to do, or null. */
  problem: string | null;
}

/** One network per line, comma or space; the node says what else is wrong with one. */
export function outsideFrom(text: string): ReadOutside {
  const networks = text.split(/[\s,]+/).filter((part) => part !== "");
  const wrong = networks.find((network) => !/^(\d{1,3}(\.\d{1,3}){3}|[0-9a-fA-F:]*:[0-9a-fA-F:.]*)(\/\d{1,3})?$/.test(network));
  if (wrong) return { networks: [], problem: `“${wrong}” is not a network. Write one as in 192.0.2.0/24.` };
  if (networks.length > OUTSIDE_MAX) return { networks: [], problem: `Name at most ${OUTSIDE_MAX} networks.` };
  return { networks, problem: null };
}

/** What somebody looks for on the page *Network*, told by its form. Pure. */

export type Wanted =
  | { kind: "hash"; id: string }
  | { kind: "identity"; id: string }
  | { kind: "height"; height: number }
  | { kind: "none" }
  | { kind: "unclear"; problem: string };

/** 64 digits may be a transaction or an offer, 40 are an identity, a number is a checkpoint's height. */
export function wantedOf(text: string): Wanted {
  const trimmed = text.trim().toLowerCase().replace(/^0x/, "");
  if (trimmed === "") return { kind: "none" };
  const height = Number(trimmed.replace(/[\s,]/g, ""));
  if (/^[0-9][0-9\s,]*$/.test(trimmed) && trimmed.length < 17) {
    return height >= 1 ? { kind: "height", height } : { kind: "unclear", problem: "Checkpoints are counted from 1." };
  }
  if (!/^[0-9a-f]+$/.test(trimmed)) return { kind: "unclear", problem: "Ids are made of the digits 0–9 and a–f." };
  if (trimmed.length === 64) return { kind: "hash", id: trimmed };
  if (trimmed.length === 40) return { kind: "identity", id: trimmed };
  const lengths = "a transaction and an offer have 64 digits, an identity 40";
  return { kind: "unclear", problem: `This id has ${trimmed.length} digits: ${lengths}.` };
}

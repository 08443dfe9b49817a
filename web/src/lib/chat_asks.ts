/** Asking somebody who wants something for it, in words. Pure. */

import type { ChatPerson } from "@byway/client";
import { RpcError } from "./rpc";

/** What a first message costs, where that is why somebody was not asked. */
export function priceOf(error: unknown): string | null {
  if (!(error instanceof RpcError) || error.code !== "first_message_costs") return null;
  return typeof error.data.price === "string" ? error.data.price : null;
}

/** What becomes of it. */
export function priceWords(price: string): string {
  return `They ask ${price} WAY for a first message from somebody whom they don't know. It is set aside for a week: theirs if they block you, and yours again if not. The ledger shows that you have set it aside for them.`;
}

/** Why somebody who was asked does not hear of it. */
export function refusalWords({ refused }: Pick<ChatPerson, "refused">, nowMs: number): string | null {
  switch (refused?.reason) {
    case undefined: return null;
    case "price": return priceWords(refused.price ?? "more");
    case "later": return (refused.again_ms ?? 0) > nowMs ? "They were asked too often. Try again later." : "They were asked too often. You can try again.";
    case "full": return "Too many wait for an answer by them. Try again later, or ask them for an invite.";
    case "payment": return "What was paid does not count with them. Ask them again.";
  }
}

/** On what footing somebody asks. */
export function footingWords({ registered, paid, introduced_by }: ChatPerson, group: string | null): string {
  if (introduced_by) return group ? `They are in ${group} with you.` : "They are in a group with you.";
  if (registered) return "Their identity is registered: there is a pledge for it on the ledger.";
  if (paid) return `They have set ${paid} WAY aside for it. It is yours if you block them, and theirs again if not.`;
  return "Their identity is not registered: such ones cost nothing, and anybody can make many.";
}

/** A link that somebody has clicked on within a message. */

import type { Address } from "../../lib/chat_links";

export interface LinkAsk {
  address: Address;
  text: string;
}

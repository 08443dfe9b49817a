/** Nobody holds for the mock node, as for one that was just set up. */

import type { HoldStatus } from "@byway/client";

export const HOLDING: HoldStatus = { accepts: false, price: "0.00001", room_mb: 1000, client_mb: 50, clients: [], earned: "0", holders: [], bringing: 0 };

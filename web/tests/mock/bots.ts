/** Bots on the market, as the mock node has them. */

import type { BotHire, BotOffer, BotStatus, Method, Methods } from "@byway/client";
import { amountToWire, parseAmount } from "../../src/lib/amount";
import { MethodError } from "./error";
import type { MockNode } from "./node";
import { hex } from "./world";

type Handlers = { [M in Method]?:
  (node: MockNode, params: Methods[M]["params"]) => Methods[M]["result"] | Promise<Methods[M]["result"]> };

export class MockBots {
  offers: BotOffer[] = [
    { bot: hex(5_100, 40), name: "opening-hours", about: "Says when the shops of a town are open.", commands: ["hours", "today"], price: "0.01", score: 420, hired: false },
    { bot: hex(5_200, 40), name: "rhymes", about: "Finds a rhyme for a word.", commands: [], price: "0.002", score: 380, hired: false },
  ];
  hired: BotHire[] = [];

  status(): BotStatus {
    return { clients: [], earned: "0", hired: this.hired };
  }

  hire({ bot, limit }: Methods["bot_hire"]["params"]): BotStatus {
    const offer = this.offers.find((known) => known.bot === bot);
    if (!offer) throw new MethodError(1635, "bot_not_found", "That one offers no bot on the market. `byway bot find` lists those that are offered.", { bot });
    const known = this.hired.find((hire) => hire.bot === bot);
    const most = limit ?? amountToWire(parseAmount(offer.price) * 10n);
    const hire: BotHire = known
      ? { ...known, limit: most, served: true, problem: undefined }
      : { bot, name: offer.name, served: true, price_max: offer.price, limit: most, spent: offer.price, price: offer.price, asked: 0, answered: 0, waiting: 0, overcharged: 0 };
    this.hired = [...this.hired.filter((other) => other.bot !== bot), hire];
    return this.status();
  }

  /** All that was allowed is spent, and a message waits. */
  exhaust(bot: string): void {
    const problem = "all that you allowed is spent; `byway bot hire` with a higher --limit allows more";
    this.hired = this.hired.map((hire) => (hire.bot === bot ? { ...hire, served: false, spent: hire.limit, asked: 3, answered: 2, waiting: 1, refusal: "unpaid", problem } : hire));
  }
}

export const botHandlers: Handlers = {
  bot_find: ({ bots }) => bots.offers,
  bot_status: ({ bots }) => bots.status(),
  bot_hire: ({ bots }, params) => bots.hire(params),
  bot_dismiss: ({ bots }, { bot }) => {
    bots.hired = bots.hired.filter((hire) => hire.bot !== bot);
    return bots.status();
  },
};

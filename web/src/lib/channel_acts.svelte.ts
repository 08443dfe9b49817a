/**
 * Beginning channels, which takes as long as the other side thinks about it: whoever looks at another page meanwhile still
 * learns what came of it.
 */

import type { ChannelRecord } from "@byway/client";
import { Attempt } from "./attempt";
import { openOf, type OpenInput } from "./channel_input";
import { Deed } from "./deed.svelte";
import type { NodeStore } from "./node.svelte";

export class ChannelActs {
  /** A proposal of ours. */
  readonly opening: Deed;
  /** What a peer proposes. */
  readonly answering: Deed;
  /** The channel that was opened last, until that was read. */
  opened = $state.raw<ChannelRecord | null>(null);
  #attempt = new Attempt();

  constructor(private readonly node: NodeStore) {
    this.opening = new Deed(() => node.readChannels());
    this.answering = new Deed(() => node.readChannels());
  }

  /** `done` runs when it is open. */
  open(input: OpenInput, done: () => void): Promise<void> {
    this.opened = null;
    return this.opening.run(async () => {
      const record = await this.#attempt.make(JSON.stringify(input), (key) => this.node.call("channel_open", openOf(input, key)));
      this.#note(record);
      done();
    });
  }

  accept(channel: string): Promise<void> {
    this.opened = null;
    return this.answering.run(async () => this.#note(await this.node.call("channel_accept", { channel })));
  }

  decline(channel: string): Promise<void> {
    return this.answering.run(() => this.node.call("channel_decline", { channel }));
  }

  #note(record: ChannelRecord): void {
    this.node.noteChannel(record);
    this.opened = record;
  }
}

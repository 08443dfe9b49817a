/** Something that a person has the node do, one at a time: whether it is under way, and what went wrong. */

import { errorMessage } from "./rpc";

export class Deed {
  /** `after` is what is looked at anew when something was done. */
  constructor(private readonly after: () => Promise<unknown> = () => Promise.resolve()) {}

  isBusy = $state(false);
  problem = $state<string | null>(null);

  /** Whatever went wrong is told in `problem`. */
  async run(act: () => Promise<unknown>): Promise<void> {
    this.isBusy = true;
    this.problem = null;
    try {
      await act();
      await this.after();
    } catch (error) {
      this.problem = errorMessage(error);
    } finally {
      this.isBusy = false;
    }
  }
}

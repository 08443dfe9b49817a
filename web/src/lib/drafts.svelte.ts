/**
 * What was begun and not sent, for each conversation. The node keeps its text, so that it is there on every page of it and after a restart; which message is
 * answered or edited is known to this page only.
 *
 * What was typed here stands until the node has it; afterwards what the node has stands.
 */

export interface Draft {
  text: string;
  /** The message that it answers. */
  reply: string | null;
  /** The message of one's own that it is to replace. */
  editing: string | null;
}

export const NO_DRAFT: Draft = { text: "", reply: null, editing: null };
/** Between the last letter and the node's being told of it. */
const PAUSE_MS = 800;

export class Drafts {
  #typed = $state.raw<Record<string, Draft>>({});
  #due = new Map<string, ReturnType<typeof setTimeout>>();
  #keeping: Promise<unknown> = Promise.resolve();

  /** `keep` has the node keep a text, and the conversation noted that it gives. */
  constructor(private readonly keep: (conversation: string, text: string) => Promise<unknown>) {}

  /** `kept` is what the node has. */
  of(conversation: string, kept: string): Draft {
    return this.#typed[conversation] ?? { ...NO_DRAFT, text: kept };
  }

  set(conversation: string, draft: Draft): void {
    // Another text for what was said is no draft: the one before it comes back afterwards.
    if (draft.editing !== null) this.#keepDue(conversation);
    this.#typed = { ...this.#typed, [conversation]: draft };
    if (draft.editing !== null) return;
    clearTimeout(this.#due.get(conversation));
    this.#due.set(conversation, setTimeout(() => this.#keepDue(conversation), PAUSE_MS));
    // What was sent is no draft any more, even if the page is left now.
    if (draft.text.trim() === "") this.#keepDue(conversation);
  }

  /** An edit ends: what was begun before it is there again. */
  drop(conversation: string): void {
    const { [conversation]: _, ...rest } = this.#typed;
    this.#typed = rest;
  }

  /** The page may be left. */
  keepAll(): void {
    for (const conversation of [...this.#due.keys()]) this.#keepDue(conversation);
  }

  #keepDue(conversation: string): void {
    const due = this.#due.get(conversation);
    const draft = this.#typed[conversation];
    if (due === undefined || !draft) return;
    clearTimeout(due);
    this.#due.delete(conversation);
    const text = draft.text.trim() === "" ? "" : draft.text;
    this.#keeping = this.#keeping.then(async () => {
      try {
        await this.keep(conversation, text);
        const now = this.#typed[conversation];
        if (now?.text === draft.text && now.reply === null && now.editing === null) this.drop(conversation);
      } catch {
        // It stays on the page, and is brought to the node with the next letter.
      }
    });
  }
}

/** What was begun and not sent, for each conversation: kept with the tab, so that a reload loses nothing and the disk gets nothing for good. */

export interface Draft {
  text: string;
  /** The message that it answers. */
  reply: string | null;
  /** The message of one's own that it is to replace. */
  editing: string | null;
}

export const NO_DRAFT: Draft = { text: "", reply: null, editing: null };
const KEY = "byway.drafts";

export type Store = Pick<Storage, "getItem" | "setItem">;

export function readDrafts(store: Store): Record<string, Draft> {
  try {
    const read: unknown = JSON.parse(store.getItem(KEY) ?? "{}");
    const entries = typeof read === "object" && read !== null ? Object.entries(read) : [];
    return Object.fromEntries(entries.filter((entry): entry is [string, Draft] => isDraft(entry[1])));
  } catch {
    return {};
  }
}

export function writeDrafts(store: Store, drafts: Record<string, Draft>): void {
  try {
    store.setItem(KEY, JSON.stringify(drafts));
  } catch {
    // Without storage they last as long as the page.
  }
}

/** Without an empty one. */
export function withDraft(drafts: Record<string, Draft>, conversation: string, draft: Draft): Record<string, Draft> {
  const { [conversation]: _, ...rest } = drafts;
  return draft.text.trim() === "" && draft.reply === null && draft.editing === null ? rest : { ...rest, [conversation]: draft };
}

function isDraft(value: unknown): boolean {
  const { text, reply, editing } = (value ?? {}) as Partial<Draft>;
  const isName = (name: unknown): boolean => name === null || typeof name === "string";
  return typeof text === "string" && isName(reply) && isName(editing);
}

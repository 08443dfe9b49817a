/** Which page is shown: named by the fragment of the address, so that it can be linked and gone back to. */

export type View = "browse" | "messages" | "wallet" | "channels" | "provide" | "network";

export const VIEWS: { view: View; label: string }[] = [
  { view: "browse", label: "Browse" },
  { view: "messages", label: "Messages" },
  { view: "wallet", label: "Wallet" },
  { view: "channels", label: "Channels" },
  { view: "provide", label: "Provide" },
  { view: "network", label: "Network" },
];

/** What a phone is shown of them. */
export const PHONE_VIEWS = VIEWS.filter(({ view }) => view === "messages" || view === "wallet");

class CurrentView {
  now = $state<View>(viewOf(location.hash));
  /** What of that page, where it has parts: stands behind a slash. */
  part = $state<string | null>(partOf(location.hash));
  /** The thread that is open in it, by the message that it began with. */
  thread = $state<string | null>(threadOf(location.hash));

  constructor() {
    window.addEventListener("hashchange", () => {
      const next = viewOf(location.hash);
      const part = partOf(location.hash);
      this.thread = threadOf(location.hash);
      if (next === this.now && part === this.part) return;
      this.now = next;
      this.part = part;
      window.scrollTo(0, 0);
    });
  }
}

export function viewOf(hash: string): View {
  const name = /^#(\w+)/.exec(hash)?.[1];
  return VIEWS.find(({ view }) => view === name)?.view ?? "browse";
}

export function partOf(hash: string): string | null {
  return /^#\w+\/(\w+)(?:\/[0-9a-f]+\/[0-9a-f]+)?$/.exec(hash)?.[1] ?? null;
}

export function threadOf(hash: string): string | null {
  return /^#messages\/\w+\/([0-9a-f]+\/[0-9a-f]+)$/.exec(hash)?.[1] ?? null;
}

export const view = new CurrentView();

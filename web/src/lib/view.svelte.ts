/** Which page is shown: named by the fragment of the address, so that it can be linked and gone back to. */

export type View = "browse" | "wallet" | "provide" | "network";

export const VIEWS: { view: View; label: string }[] = [
  { view: "browse", label: "Browse" },
  { view: "wallet", label: "Wallet" },
  { view: "provide", label: "Provide" },
  { view: "network", label: "Network" },
];

class CurrentView {
  now = $state<View>(viewOf(location.hash));

  constructor() {
    window.addEventListener("hashchange", () => {
      const next = viewOf(location.hash);
      if (next === this.now) return;
      this.now = next;
      window.scrollTo(0, 0);
    });
  }
}

export function viewOf(hash: string): View {
  const name = /^#(\w+)/.exec(hash)?.[1];
  return VIEWS.find(({ view }) => view === name)?.view ?? "browse";
}

export const view = new CurrentView();

/** Which part of the page is shown: named by the fragment of its address, so that it can be linked and gone back to. */

export type View = "home" | "network";

class CurrentView {
  now = $state<View>(viewOf(location.hash));

  constructor() {
    window.addEventListener("hashchange", () => (this.now = viewOf(location.hash)));
  }
}

export function viewOf(hash: string): View {
  return /^#network\b/.test(hash) ? "network" : "home";
}

export const view = new CurrentView();

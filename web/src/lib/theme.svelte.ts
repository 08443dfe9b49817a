/** Light, dark, or as the system says. The first paint is handled by `public/theme.js`. */

export type Theme = "system" | "light" | "dark";
const KEY = "byway.theme";

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system";
  }
}

const darkQuery = window.matchMedia("(prefers-color-scheme: dark)");

class ThemeChoice {
  chosen = $state<Theme>(stored());
  #systemIsDark = $state(darkQuery.matches);
  /** What is on the screen. */
  shown = $derived<"light" | "dark">(
    this.chosen === "system" ? (this.#systemIsDark ? "dark" : "light") : this.chosen,
  );

  constructor() {
    darkQuery.addEventListener("change", (event) => (this.#systemIsDark = event.matches));
  }

  /** Turns to the other one; when that is the system's own, follows the system again. */
  toggle(): void {
    const next = this.shown === "dark" ? "light" : "dark";
    const system = this.#systemIsDark ? "dark" : "light";
    this.#choose(next === system ? "system" : next);
  }

  #choose(theme: Theme): void {
    this.chosen = theme;
    const root = document.documentElement;
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    try {
      if (theme === "system") localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, theme);
    } catch {
      // Without storage the choice lasts as long as the page.
    }
  }
}

export const theme = new ThemeChoice();

/** Forms that open within a card: Escape closes them, and the focus then goes back to what opened them. */

import { tick } from "svelte";
import type { Attachment } from "svelte/attachments";

export function sheet(close: () => void): Attachment<HTMLElement> {
  return (form) => {
    const opener = document.activeElement;
    const words = opener?.textContent;
    const card = form.closest("section");
    function keydown(event: KeyboardEvent): void {
      // Escape in the middle of a composed letter ends that.
      if (event.key === "Escape" && !event.isComposing) close();
    }
    form.addEventListener("keydown", keydown);
    return async () => {
      form.removeEventListener("keydown", keydown);
      await tick();
      // Whoever is elsewhere by now stays there.
      if (opener === document.body || (document.activeElement !== document.body && !form.contains(document.activeElement))) return;
      // A button that went while the form was open is another one when it comes back.
      const again = opener?.isConnected ? opener : [...(card?.querySelectorAll("button") ?? [])].find((button) => button.textContent === words);
      if (again instanceof HTMLElement) again.focus({ preventScroll: true });
    };
  };
}

/** Notifications of the system: asked for by a click only, and shown only while nobody looks at the page. */

const KEY = "byway.notifies";

export interface News {
  title: string;
  body: string;
  /** What replaces what was told before of the same. */
  tag: string;
  /** The part of the page *Messages* that it leads to. */
  part: string;
}

export class Notifier {
  /** What the browser says; `unsupported` where it has none. */
  permission = $state<NotificationPermission | "unsupported">(typeof Notification === "undefined" ? "unsupported" : Notification.permission);
  isWanted = $state(localStorage.getItem(KEY) === "yes");
  isOn = $derived(this.isWanted && this.permission === "granted");

  /** Called by a click: browsers refuse others, and so should pages. */
  async toggle(): Promise<void> {
    if (this.permission === "unsupported") return;
    const wants = !this.isOn;
    if (wants && this.permission === "default") this.permission = await Notification.requestPermission();
    this.isWanted = wants && this.permission === "granted";
    try {
      localStorage.setItem(KEY, this.isWanted ? "yes" : "no");
    } catch {
      // Without storage it lasts as long as the page.
    }
  }

  notify({ title, body, tag, part }: News): void {
    if (!this.isOn || (!document.hidden && document.hasFocus())) return;
    const notification = new Notification(title, { body, tag });
    notification.onclick = () => {
      window.focus();
      location.hash = `messages/${part}`;
      notification.close();
    };
  }
}

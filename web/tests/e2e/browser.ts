/** A browser and pages for the end-to-end tests. */

import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium, type BrowserContext, type Page } from "playwright-core";

/** `BYWAY_CHROMIUM` names another browser than the distribution's. */
const EXECUTABLE = process.env.BYWAY_CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
  // A microphone that beeps; a page still has to be let hear it.
  "--use-fake-device-for-media-stream", "--mute-audio",
];
export const RESULTS = resolve(import.meta.dirname, "../../test-results");
export const DIST = resolve(import.meta.dirname, "../../dist");

export const VIEWPORTS = {
  desktop: { width: 1440, height: 900 },
  phone: { width: 360, height: 740 },
};
export type Viewport = keyof typeof VIEWPORTS;
export type Scheme = "light" | "dark";

export class Browser {
  /** Errors of the console and of the policy, for tests to look at. */
  readonly faults: string[] = [];
  private constructor(readonly context: BrowserContext, readonly folder: string) {}

  static async start(viewport: Viewport, scheme: Scheme, reducedMotion: "reduce" | "no-preference" = "no-preference"): Promise<Browser> {
    if (!existsSync(EXECUTABLE)) throw new Error(`no Chromium at ${EXECUTABLE}; install it or set BYWAY_CHROMIUM`);
    const folder = await mkdtemp(join(tmpdir(), "byway-web-"));
    const isPhone = viewport === "phone";
    const context = await chromium.launchPersistentContext(folder, {
      executablePath: EXECUTABLE, headless: true, args: FLAGS, viewport: VIEWPORTS[viewport], colorScheme: scheme,
      reducedMotion, deviceScaleFactor: isPhone ? 2 : 1, hasTouch: isPhone, isMobile: isPhone, acceptDownloads: true,
    });
    return new Browser(context, folder);
  }

  async page(url: string): Promise<Page> {
    const page = await this.context.newPage();
    page.on("console", (message) => message.type() === "error" && this.faults.push(message.text()));
    page.on("pageerror", (error) => this.faults.push(String(error)));
    await page.goto(url);
    return page;
  }

  async stop(): Promise<void> {
    await this.context.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A picture of the whole page. Things that rest while out of view are brought into it first. */
export async function shoot(page: Page, name: string): Promise<void> {
  await page.evaluate(async () => {
    for (const y of [document.body.scrollHeight, 0]) {
      scrollTo(0, y);
      await new Promise((done) => setTimeout(done, 150));
    }
  });
  await page.screenshot({ path: join(RESULTS, `${name}.png`), fullPage: true });
}

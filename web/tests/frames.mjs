/**
 * Frames a second of the page *Network* over a real node: `npm run frames -- "$(byway status --link)"`.
 *
 * Prints one JSON object: frames a second and their distances over ten seconds, and what one frame costs the main thread.
 * It is no test, since what a machine can draw is its own affair.
 */

import { chromium } from "playwright-core";

const [link] = process.argv.slice(2);
if (!link) throw new Error("give the page's link, which `byway status --link` prints");
const browser = await chromium.launch({
  executablePath: process.env.BYWAY_CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
await page.goto(link);
await page.getByRole("link", { name: "Network" }).click();
await page.getByRole("button", { name: /Live picture of the kernel/ }).waitFor();
const devtools = await page.context().newCDPSession(page);
await devtools.send("Performance.enable");
const spent = async () => Object.fromEntries((await devtools.send("Performance.getMetrics")).metrics.map(({ name, value }) => [name, value]));

const before = await spent();
const gaps = await page.evaluate(() => new Promise((done) => {
  const times = [];
  requestAnimationFrame(function step(now) {
    times.push(now);
    if (now - times[0] < 10_000) requestAnimationFrame(step);
    else done(times.slice(1).map((time, index) => time - times[index]));
  });
}));
const after = await spent();
await browser.close();

const sorted = gaps.toSorted((a, b) => a - b);
const perFrame = (name) => Number((((after[name] - before[name]) * 1000) / gaps.length).toFixed(2));
console.log(JSON.stringify({
  frames_per_s: Number(((gaps.length * 1000) / gaps.reduce((sum, gap) => sum + gap, 0)).toFixed(1)),
  gap_ms_p50: sorted[Math.floor(gaps.length * 0.5)], gap_ms_p99: sorted[Math.floor(gaps.length * 0.99)], gap_ms_max: sorted.at(-1),
  main_thread_ms: perFrame("TaskDuration"), script_ms: perFrame("ScriptDuration"), layout_ms: perFrame("LayoutDuration"),
}));

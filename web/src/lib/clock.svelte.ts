/** Time on the page: one timer a second for "3 min ago", and a slow frame clock for what moves. */

class Clock {
  nowMs = $state(Date.now());

  constructor() {
    setInterval(() => (this.nowMs = Date.now()), 1000);
  }
}

export const clock = new Clock();

const motionQuery = window.matchMedia("(prefers-reduced-motion: reduce)");
/** Whether the user asked the system for less motion; read when an animation would start. */
export function wantsLessMotion(): boolean {
  return motionQuery.matches;
}

/**
 * Calls `draw` about every `frame_ms` until stopped, never while the page is hidden. Waits between frames
 * instead of skipping them, since every requested frame costs the browser a whole pass.
 */
export function everyFrame(frame_ms: number, draw: () => void): () => void {
  let frame = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isStopped = false;
  const request = () => {
    frame = requestAnimationFrame(() => {
      draw();
      if (!isStopped) timer = setTimeout(request, frame_ms);
    });
  };
  request();
  return () => {
    isStopped = true;
    cancelAnimationFrame(frame);
    clearTimeout(timer);
  };
}

/** The last minute of speeds, for the sparkline. Pure. */

export interface RateSample {
  timeMs: number;
  downBps: number;
  upBps: number;
}

export const RATE_SPAN_MS = 60_000;

/** Adds a sample and forgets those that left the span. */
export function withRate(samples: RateSample[], sample: RateSample): RateSample[] {
  const oldest = sample.timeMs - RATE_SPAN_MS - 2_000;
  return [...samples.filter((old) => old.timeMs >= oldest && old.timeMs < sample.timeMs), sample];
}

/** A round number at or above the highest sample, so that the scale doesn't jitter: 1, 2 or 5 × 10^n. */
export function rateScale(samples: RateSample[]): number {
  const SCALE_MIN_BPS = 1_000_000;
  const highest = Math.max(SCALE_MIN_BPS, ...samples.map((sample) => Math.max(sample.downBps, sample.upBps)));
  const power = 10 ** Math.floor(Math.log10(highest));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= highest) ?? 10;
  return step * power;
}

/** Points "x,y x,y …" of a line in a box, the newest at the right edge. */
export function ratePoints(
  samples: RateSample[],
  pick: (sample: RateSample) => number,
  scale: number,
  nowMs: number,
  width: number,
  height: number,
): [number, number][] {
  return samples.map((sample) => [
    width * (1 - (nowMs - sample.timeMs) / RATE_SPAN_MS),
    height - (height * Math.min(pick(sample), scale)) / scale,
  ]);
}

/** A smooth path through points: curves that never overshoot a sample (horizontal tangents). */
export function smoothPath(points: [number, number][]): string {
  const first = points[0];
  if (!first) return "";
  let path = `M${first[0].toFixed(1)} ${first[1].toFixed(1)}`;
  for (let index = 1; index < points.length; index += 1) {
    const [x0, y0] = points[index - 1]!;
    const [x1, y1] = points[index]!;
    const middle = ((x0 + x1) / 2).toFixed(1);
    path += `C${middle} ${y0.toFixed(1)} ${middle} ${y1.toFixed(1)} ${x1.toFixed(1)} ${y1.toFixed(1)}`;
  }
  return path;
}

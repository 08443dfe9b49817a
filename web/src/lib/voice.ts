/** Voice notes in numbers: how loud they are, and how long. Pure. */

/** Bars of a voice note; the node takes up to 128. */
export const BARS = 64;
/** The longest that is recorded. */
export const VOICE_MS_MAX = 15 * 60_000;

/** How loud a moment is, 0 to 255, by samples around 128; small differences of what is quiet show as well. */
export function loudness(samples: Uint8Array): number {
  let peak = 0;
  for (const sample of samples) peak = Math.max(peak, Math.abs(sample - 128));
  return Math.min(255, Math.round(255 * Math.sqrt(Math.min(1, peak / 128))));
}

/** So many bars of however many moments, each as loud as the loudest in it. */
export function barsOf(moments: number[], bars = BARS): number[] {
  if (moments.length <= bars) return moments.length === 0 ? [0] : [...moments];
  return Array.from({ length: bars }, (_, bar) => {
    const [from, to] = [Math.floor((bar * moments.length) / bars), Math.floor(((bar + 1) * moments.length) / bars)];
    return moments.slice(from, to).reduce((loudest, moment) => Math.max(loudest, moment), 0);
  });
}

/** "0:07", as players show it. */
export function playTime(seconds: number): string {
  const whole = Number.isFinite(seconds) ? Math.max(0, Math.floor(seconds)) : 0;
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, String(whole % 60).padStart(2, "0")];
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

const SPEEDS = [1, 1.5, 2];

export function speedAfter(speed: number): number {
  return SPEEDS[(SPEEDS.indexOf(speed) + 1) % SPEEDS.length]!;
}

/** What a recording is called, by the type that the browser has recorded. */
export function voiceName(type: string): string {
  const endings: Record<string, string> = { "audio/webm": "webm", "audio/ogg": "ogg", "audio/mp4": "m4a" };
  return `voice-note.${endings[type] ?? "webm"}`;
}

/** Without what codec is within. */
export function plainType(type: string): string {
  return type.split(";")[0]!.trim().toLowerCase() || "audio/webm";
}

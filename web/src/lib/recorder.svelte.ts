/** A voice note while it is made: from the microphone, of which the browser asks its user; heard before it is sent, or thrown away. */

import type { ChatItem } from "@byway/client";
import { upload } from "./chat_files";
import type { NodeStore } from "./node.svelte";
import { errorMessage, idempotencyKey } from "./rpc";
import { barsOf, loudness, plainType, voiceName, VOICE_MS_MAX } from "./voice";

/** Between two looks at how loud it is. */
const MOMENT_MS = 50;
const BITS_PER_SECOND = 32_000;

export class VoiceRecorder {
  state = $state<"asking" | "recording" | "heard" | "sending" | "refused">("asking");
  durationMs = $state(0);
  /** How loud it is now, 0 to 255. */
  level = $state(0);
  problem = $state<string | null>(null);
  /** What was recorded, to be heard. */
  url = $state<string | null>(null);
  levels = $state.raw<number[]>([]);

  #upload = idempotencyKey();
  #key = idempotencyKey();
  #gone = 0;
  #calling = new AbortController();
  #recorder: MediaRecorder | null = null;
  #moments: number[] = [];
  #blob: Blob | null = null;
  #end = (): void => undefined;

  constructor(private readonly node: Pick<NodeStore, "call">, private readonly conversation: string) {}

  /** After a click: the browser asks for the microphone. */
  async start(): Promise<void> {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      if (this.#calling.signal.aborted) return stopAll(stream);
      this.#record(stream);
    } catch (error) {
      this.state = "refused";
      this.problem = refusal(error);
    }
  }

  stop(): void {
    if (this.#recorder?.state === "recording") this.#recorder.stop();
  }

  /** Nothing of it stays. */
  discard(): void {
    this.#calling.abort();
    this.stop();
    this.#end();
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
  }

  /** The message that it became; null where it was not sent, and why stands in `problem`. Tried again it is said once. */
  async send(): Promise<ChatItem | null> {
    const blob = this.#blob;
    if (!blob || this.state === "sending") return null;
    this.state = "sending";
    this.problem = null;
    try {
      await upload(this.node, this.#upload, blob, this.#gone, (gone) => (this.#gone = gone), this.#calling.signal);
      const type = plainType(blob.type);
      const file = { upload: this.#upload, name: voiceName(type), media_type: type, duration_ms: Math.max(1, Math.round(this.durationMs)) };
      return await this.node.call("chat_attach", { to: this.conversation, files: [file], levels: this.levels, idempotency_key: this.#key });
    } catch (error) {
      this.problem = errorMessage(error);
      this.state = "heard";
      return null;
    }
  }

  #record(stream: MediaStream): void {
    const recorder = (this.#recorder = new MediaRecorder(stream, { audioBitsPerSecond: BITS_PER_SECOND }));
    const parts: Blob[] = [];
    const sound = new AudioContext();
    const meter = sound.createAnalyser();
    meter.fftSize = 2_048;
    sound.createMediaStreamSource(stream).connect(meter);
    const samples = new Uint8Array(meter.fftSize);
    const startedMs = performance.now();
    const timer = setInterval(() => {
      this.durationMs = performance.now() - startedMs;
      meter.getByteTimeDomainData(samples);
      this.level = loudness(samples);
      this.#moments.push(this.level);
      if (this.durationMs >= VOICE_MS_MAX) this.stop();
    }, MOMENT_MS);
    this.#end = () => {
      clearInterval(timer);
      stopAll(stream);
      void sound.close().catch(() => undefined);
      this.#end = () => undefined;
    };
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onstop = () => {
      this.durationMs = performance.now() - startedMs;
      this.#end();
      if (!this.#calling.signal.aborted) this.#hear(new Blob(parts, { type: plainType(recorder.mimeType) }));
    };
    recorder.start(1_000);
    this.state = "recording";
  }

  #hear(blob: Blob): void {
    this.#blob = blob;
    this.levels = barsOf(this.#moments);
    this.url = URL.createObjectURL(blob);
    this.state = "heard";
  }
}

function stopAll(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

function refusal(error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return "The browser does not let this page hear the microphone. Allow it beside the address, and try again.";
  if (name === "NotFoundError") return "There is no microphone. Connect one, and try again.";
  return "Nothing can be recorded in this browser.";
}

/** Puts the kernel's picture on a canvas; where things are is decided in `lanes.ts`. */

import { dotRadius, glow, laneY, spanOf, timeX, type Area, type Mark } from "./lanes";

export interface LaneColors {
  line: string;
  proposed: string;
  final: string;
}

export interface Moment {
  /** Local time, for what fades. */
  nowMs: number;
  /** Kernel time at the right edge. */
  edgeMs: number;
  /** No fading effects. */
  isStill: boolean;
}

export function laneColors(style: CSSStyleDeclaration): LaneColors {
  const color = (name: string) => style.getPropertyValue(name).trim();
  return { line: color("--line"), proposed: color("--line-strong"), final: color("--accent") };
}

export function drawLanes(context: CanvasRenderingContext2D, marks: Mark[], area: Area, moment: Moment, colors: LaneColors): void {
  context.clearRect(0, 0, area.width, area.height);
  drawLines(context, area, colors);
  const oldest_ms = moment.edgeMs - spanOf(area) - 500;
  const shown = marks.filter((mark) => mark.time_ms <= moment.edgeMs + 500 && mark.time_ms >= oldest_ms);
  const radius = dotRadius(shown, area);
  drawDots(context, shown.filter((mark) => mark.litAtMs === null), radius, area, moment, colors.proposed);
  drawDots(context, shown.filter((mark) => mark.litAtMs !== null), radius, area, moment, colors.final);
  for (const mark of shown) if (mark.isLeader) drawLeader(context, mark, radius, area, moment, colors);
  fadeLeftEdge(context, area);
}

function drawLines(context: CanvasRenderingContext2D, area: Area, colors: LaneColors): void {
  context.beginPath();
  for (let lane = 0; lane < area.lanes; lane += 1) {
    const y = Math.round(laneY(lane, area)) + 0.5;
    context.moveTo(0, y);
    context.lineTo(area.width, y);
  }
  context.strokeStyle = colors.line;
  context.lineWidth = 1;
  context.stroke();
}

/** All dots of one colour in one path: cheap even when the kernel is busy. */
function drawDots(context: CanvasRenderingContext2D, marks: Mark[], radius: number, area: Area, moment: Moment, color: string): void {
  context.beginPath();
  for (const mark of marks) {
    const x = timeX(mark.time_ms, moment.edgeMs, area);
    const y = laneY(mark.author, area);
    // A snapshot with content is larger than a heartbeat.
    const size = mark.transactions > 0 ? radius : radius * 0.62;
    const bump = moment.isStill ? 0 : glow(mark, moment.nowMs) * radius * 0.5;
    context.moveTo(x + size + bump, y);
    context.arc(x, y, size + bump, 0, 2 * Math.PI);
  }
  context.fillStyle = color;
  context.fill();
}

/** A commit: a ring that stays around its leader, and one that spreads while it is new. */
function drawLeader(context: CanvasRenderingContext2D, mark: Mark, radius: number, area: Area, moment: Moment, colors: LaneColors): void {
  const x = timeX(mark.time_ms, moment.edgeMs, area);
  const y = laneY(mark.author, area);
  context.strokeStyle = colors.final;
  context.lineWidth = 1.5;
  context.beginPath();
  context.arc(x, y, radius + 3, 0, 2 * Math.PI);
  context.stroke();
  const strength = moment.isStill ? 0 : glow(mark, moment.nowMs);
  if (strength <= 0) return;
  context.globalAlpha = strength * 0.7;
  context.beginPath();
  context.arc(x, y, radius + 3 + (1 - strength) * 9, 0, 2 * Math.PI);
  context.stroke();
  context.globalAlpha = 1;
}

/** Dots leave softly. Done here, since a mask over the canvas costs a layer in every frame. */
function fadeLeftEdge(context: CanvasRenderingContext2D, area: Area): void {
  const FADE_PX = 28;
  const fade = context.createLinearGradient(0, 0, FADE_PX, 0);
  fade.addColorStop(0, "rgb(0 0 0 / 1)");
  fade.addColorStop(1, "rgb(0 0 0 / 0)");
  context.globalCompositeOperation = "destination-out";
  context.fillStyle = fade;
  context.fillRect(0, 0, FADE_PX, area.height);
  context.globalCompositeOperation = "source-over";
}

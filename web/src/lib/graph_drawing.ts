/** Puts the kernel's picture on a canvas; where things are is decided in `rounds.ts`. */

import { dotRadius, glow, isCrowded, laneY, placeX, type Mark, type Round, type Scale } from "./rounds";

export interface GraphColors {
  line: string;
  proposed: string;
  final: string;
  chosen: string;
  text: string;
  font: string;
}

export interface Moment {
  /** Local time, for what fades. */
  nowMs: number;
  /** Place at the right edge. */
  edge: number;
  /** No fading effects. */
  isStill: boolean;
  /** The snapshot that is pointed at. */
  chosen: string | null;
}

/** In larger kernels only what decides a commit is drawn: references of leaders, and those to them. */
const ALL_REFERENCES_LANES_MAX = 16;

export function graphColors(style: CSSStyleDeclaration): GraphColors {
  const color = (name: string) => style.getPropertyValue(name).trim();
  return {
    line: color("--line"), proposed: color("--line-strong"), final: color("--accent"), chosen: color("--ink"), text: color("--ink-3"),
    font: `11px ${style.fontFamily}`,
  };
}

export function drawGraph(context: CanvasRenderingContext2D, rounds: Round[], scale: Scale, moment: Moment, colors: GraphColors): void {
  context.clearRect(0, 0, scale.width, scale.height);
  drawLanes(context, scale, colors);
  const first = rounds.findIndex((round) => placeX(round.place, moment.edge, scale) > -scale.column);
  const shown = first < 0 ? [] : rounds.slice(first);
  for (const round of shown) if (round.skipped > 0) drawGap(context, round, scale, moment, colors);
  drawReferences(context, shown, scale, moment, colors);
  const marks = shown.flatMap((round) => round.marks.map((mark) => ({ mark, x: placeX(round.place, moment.edge, scale) })));
  const radius = dotRadius(scale);
  drawDots(context, marks.filter(({ mark }) => mark.litAtMs === null), radius, scale, moment, colors.proposed);
  drawDots(context, marks.filter(({ mark }) => mark.litAtMs !== null), radius, scale, moment, colors.final);
  const crowded = new Set(shown.filter(isCrowded).map((round) => round.round));
  for (const { mark, x } of marks) if (mark.isLeader && !crowded.has(mark.round)) drawLeader(context, mark, x, radius, scale, moment, colors);
  if (moment.chosen) drawChosen(context, shown, radius, scale, moment, colors);
  fadeLeftEdge(context, scale);
}

function drawLanes(context: CanvasRenderingContext2D, scale: Scale, colors: GraphColors): void {
  context.beginPath();
  for (const seat of scale.seats) {
    const y = Math.round(laneY(seat, scale)) + 0.5;
    context.moveTo(0, y);
    context.lineTo(scale.width, y);
  }
  context.strokeStyle = colors.line;
  context.lineWidth = 1;
  context.stroke();
}

/** Rounds that were left out: the lanes are broken, and a number says how many there were. */
function drawGap(context: CanvasRenderingContext2D, round: Round, scale: Scale, moment: Moment, colors: GraphColors): void {
  const x = placeX(round.place - 0.95, moment.edge, scale);
  const width = scale.column * 0.5;
  context.clearRect(x - width / 2, 0, width, scale.height);
  context.save();
  context.translate(x, scale.height / 2);
  context.rotate(-Math.PI / 2);
  context.fillStyle = colors.text;
  context.font = colors.font;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(`${round.skipped} more`, 0, 0);
  context.restore();
}

function drawReferences(context: CanvasRenderingContext2D, rounds: Round[], scale: Scale, moment: Moment, colors: GraphColors): void {
  const drawsAll = scale.seats.length <= ALL_REFERENCES_LANES_MAX;
  const [waiting, lit, decisive] = [new Path2D(), new Path2D(), new Path2D()];
  for (let index = 1; index < rounds.length; index += 1) {
    const [before, round] = [rounds[index - 1]!, rounds[index]!];
    if (before.round + 1 !== round.round) continue;
    const [fromX, toX] = [placeX(round.place, moment.edge, scale), placeX(before.place, moment.edge, scale)];
    const leader = isCrowded(before) ? undefined : before.marks.find((mark) => mark.isLeader)?.author;
    for (const mark of round.marks) {
      const fromY = laneY(mark.author, scale);
      for (const author of mark.references) {
        const path = author === leader ? decisive : mark.litAtMs === null ? waiting : lit;
        if (!drawsAll && author !== leader && (!mark.isLeader || isCrowded(round))) continue;
        path.moveTo(fromX, fromY);
        path.lineTo(toX, laneY(author, scale));
      }
    }
  }
  const stroke = (path: Path2D, color: string, alpha: number, width: number) => {
    context.globalAlpha = alpha;
    context.strokeStyle = color;
    context.lineWidth = width;
    context.stroke(path);
  };
  stroke(waiting, colors.proposed, 0.75, 0.8);
  stroke(lit, colors.final, 0.22, 0.8);
  stroke(decisive, colors.final, 0.75, 1.1);
  context.globalAlpha = 1;
}

interface Placed {
  mark: Mark;
  x: number;
}

/** All dots of one colour in one path: cheap even when there are many. */
function drawDots(context: CanvasRenderingContext2D, marks: Placed[], radius: number, scale: Scale, moment: Moment, color: string): void {
  context.beginPath();
  for (const { mark, x } of marks) {
    const y = laneY(mark.author, scale);
    // A snapshot with content is larger than a heartbeat.
    const size = mark.transactions > 0 ? radius : radius * 0.66;
    const bump = moment.isStill ? 0 : glow(mark, moment.nowMs) * radius * 0.5;
    context.moveTo(x + size + bump, y);
    context.arc(x, y, size + bump, 0, 2 * Math.PI);
  }
  context.fillStyle = color;
  context.fill();
}

/** A commit: a ring that stays around its leader, and one that spreads while it is new. */
function drawLeader(context: CanvasRenderingContext2D, mark: Mark, x: number, radius: number, scale: Scale, moment: Moment, colors: GraphColors): void {
  const y = laneY(mark.author, scale);
  drawRing(context, x, y, radius + 3, colors.final);
  const strength = moment.isStill ? 0 : glow(mark, moment.nowMs);
  if (strength <= 0) return;
  context.globalAlpha = strength * 0.7;
  drawRing(context, x, y, radius + 3 + (1 - strength) * 9, colors.final);
  context.globalAlpha = 1;
}

/** What the chosen snapshot references, and what references it. */
function drawChosen(context: CanvasRenderingContext2D, rounds: Round[], radius: number, scale: Scale, moment: Moment, colors: GraphColors): void {
  const at = rounds.findIndex((round) => round.marks.some((mark) => mark.hash === moment.chosen));
  const round = rounds[at];
  const chosen = round?.marks.find((mark) => mark.hash === moment.chosen);
  if (!round || !chosen) return;
  const [x, y] = [placeX(round.place, moment.edge, scale), laneY(chosen.author, scale)];
  const isNext = (one: Round | undefined, other: Round | undefined) => one !== undefined && other !== undefined && one.round + 1 === other.round;
  const [before, after] = [rounds[at - 1], rounds[at + 1]];
  const lines = new Path2D();
  const line = (toX: number, author: number) => {
    lines.moveTo(x, y);
    lines.lineTo(toX, laneY(author, scale));
  };
  if (isNext(before, round)) for (const author of chosen.references) line(placeX(before!.place, moment.edge, scale), author);
  if (isNext(round, after)) {
    const x = placeX(after!.place, moment.edge, scale);
    for (const mark of after!.marks) if (mark.references.includes(chosen.author)) line(x, mark.author);
  }
  context.strokeStyle = colors.chosen;
  context.lineWidth = 1.3;
  context.stroke(lines);
  drawRing(context, x, y, radius + 5, colors.chosen);
}

function drawRing(context: CanvasRenderingContext2D, x: number, y: number, radius: number, color: string): void {
  context.strokeStyle = color;
  context.lineWidth = 1.5;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.stroke();
}

/** Columns leave softly. Done here, since a mask over the canvas costs a layer in every frame. */
function fadeLeftEdge(context: CanvasRenderingContext2D, scale: Scale): void {
  const FADE_PX = 28;
  const fade = context.createLinearGradient(0, 0, FADE_PX, 0);
  fade.addColorStop(0, "rgb(0 0 0 / 1)");
  fade.addColorStop(1, "rgb(0 0 0 / 0)");
  context.globalCompositeOperation = "destination-out";
  context.fillStyle = fade;
  context.fillRect(0, 0, FADE_PX, scale.height);
  context.globalCompositeOperation = "source-over";
}

/**
 * Texts and names of others, made harmless to look at: what can't be seen goes, but where writing and emoji need it, and marks are piled up
 * no higher than any writing does (`docs/formats/chat.md`, "What others chose, as it is shown"). Pure.
 *
 * Whoever shows them isolates them, too (`<bdi>`, `dir="auto"`), so that they turn the direction of nothing beside them.
 */

/** Marks on one character: Tibetan and pointed Hebrew have up to this many. */
const MARKS_MAX = 6;

const HIDDEN = new RegExp(
  "[\\p{Cc}\\u{ad}\\u{34f}\\u{61c}\\u{115f}\\u{1160}\\u{17b4}\\u{17b5}\\u{180b}-\\u{180f}\\u{200b}-\\u{200f}\\u{2028}-\\u{202e}\\u{2060}-\\u{206f}" +
  "\\u{2800}\\u{3164}\\u{fe00}-\\u{fe0f}\\u{feff}\\u{ffa0}\\u{fff0}-\\u{fffb}\\u{e0000}-\\u{e0fff}]", "u",
);
const MARK = /\p{M}/u;
const JOINERS = ["\u200c", "\u200d"];

/** Whether a character can't be seen, or changes how others look. */
export function isHidden(character: string): boolean {
  return HIDDEN.test(character);
}

function isWritten(character: string | undefined): character is string {
  return character !== undefined && character.codePointAt(0)! > 127 && !/\s/.test(character);
}

/** Whether a hidden character does its proper work between these. */
function isNeeded(character: string, before: string | undefined, after: string | undefined): boolean {
  const code = character.codePointAt(0)!;
  if (JOINERS.includes(character)) return isWritten(before) && isWritten(after) && !isHidden(after) && !MARK.test(after);
  if (code >= 0xfe00 && code <= 0xfe0f) return before !== undefined && !isHidden(before) && !/\s/.test(before);
  const previous = before?.codePointAt(0) ?? 0;
  return code >= 0xe0020 && code <= 0xe007f && (previous === 0x1f3f4 || (previous >= 0xe0020 && previous <= 0xe007e));
}

/** A text of several lines. */
export function harmlessText(text: string): string {
  const rest = Array.from(text.replace(/\r\n?|\u2028|\u2029/g, "\n"));
  const shown: string[] = [];
  let marks = 0;
  rest.forEach((character, index) => {
    if (character !== "\n" && character !== "\t" && isHidden(character) && !isNeeded(character, shown.at(-1), rest[index + 1])) return;
    marks = MARK.test(character) ? marks + 1 : 0;
    if (marks <= MARKS_MAX) shown.push(character);
  });
  return shown.join("");
}

/** On one line. */
export function harmlessLine(text: string): string {
  return harmlessText(text).replace(/\s+/g, " ").trim();
}

/** As texts are compared: compatibility forms made one, small letters, no accents. */
export function folded(text: string): string {
  return harmlessText(text).normalize("NFKC").toLowerCase().normalize("NFD").replace(/[\u0300-\u036f]/g, "").replace(/\s+/g, " ");
}

/** Replaced in place if known, in front if new. */
export function upserted<T>(list: T[] | null, item: T, isSame: (a: T, b: T) => boolean): T[] {
  const index = list?.findIndex((known) => isSame(known, item)) ?? -1;
  if (!list || index < 0) return [item, ...(list ?? [])];
  return [...list.slice(0, index), item, ...list.slice(index + 1)];
}

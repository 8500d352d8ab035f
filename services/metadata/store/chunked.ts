/** Parts of a list, each of at most `size`: engines bound the parameters of a statement. */
export function* chunked<T>(items: readonly T[], size: number): Iterable<readonly T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}

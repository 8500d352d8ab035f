import type { FolderBehind } from "./start-options";

/** Does it for all at once; those that fail are told in `behind`. */
export async function eachFolder<T extends string | { readonly folder: string }, R>(
  items: readonly T[],
  behind: FolderBehind[],
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const done = await Promise.all(
    items.map(async (item) => {
      try {
        return { result: await work(item) };
      } catch (error) {
        const folder = typeof item === "string" ? item : item.folder;
        const reason = error instanceof Error ? error.message : String(error);
        behind.push({ folder, reason, failed: true });
        return undefined;
      }
    }),
  );
  return done.flatMap((entry) => (entry === undefined ? [] : [entry.result]));
}

/** Those that `only` names, comma-separated, in its order; all when it is undefined. */
export function chosenByName<C>(
  all: readonly C[],
  nameOf: (one: C) => string,
  only: string | undefined,
): readonly C[] {
  if (only === undefined) return all;
  return only.split(",").map((name) => {
    const found = all.find((one) => nameOf(one) === name.trim());
    if (found === undefined) {
      throw new Error(`There is no case ${name}, but these: ${all.map(nameOf).join(", ")}.`);
    }
    return found;
  });
}

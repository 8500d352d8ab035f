/** Where reasons are named, read as text: for the test and the script that hold table, code and contracts together. */

const word = /\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b|\b(?:CANCELLED|INTERNAL)\b/g;

/** Reasons that a contract's comments promise: after "Errors:" to the end of that list, and after "efused with". */
export function reasonsInProto(text: string): string[] {
  const comments = text
    .split("\n")
    .filter((line) => line.trim().startsWith("//"))
    .map((line) => line.trim().replace(/^\/\/ ?/, ""))
    .join(" ");
  const lists = comments.match(/(?:Errors:|[Rr]efused with)[^.;]*/g) ?? [];
  return [...new Set(lists.flatMap((list) => list.match(word) ?? []))];
}

/** Reasons that code names: thrown, asked for by hasReason, or put into a refusal. */
export function reasonsInCode(text: string): string[] {
  const places = [
    /new CairnError\(\s*"([A-Z_]+)"/g,
    /\breason: "([A-Z_]+)"/g,
    /\b(?:refuse|refusal|refused)\(\s*"([A-Z_]+)"/g,
  ];
  const found = places.flatMap((place) => [...text.matchAll(place)].map((match) => match[1] ?? ""));
  const asked = [...text.matchAll(/hasReason\(([^)]*)\)/g)].flatMap(
    (match) => match[1]?.match(/"[A-Z_]+"/g) ?? [],
  );
  return [...new Set([...found, ...asked.map((quoted) => quoted.slice(1, -1))])];
}

/** What a start prints, once, for a person; the log follows below it. */
export function startScreen(facts: {
  readonly version: string;
  readonly url: string;
  readonly roots: readonly string[];
  readonly promise: string;
  /** What the store runs without, and why; a line each. */
  readonly lost: readonly string[];
  /** The key when this start made it. */
  readonly adminKey: string | undefined;
  /** What to say instead when it did not. */
  readonly keyHint: string;
  readonly newKeyCommand: string;
  readonly tookMs: number;
}): string {
  const key = facts.adminKey ?? "$API_KEY";
  const authorization = `-H "Authorization: Bearer ${key}"`;
  return [
    "",
    `  Cairn ${facts.version}, ready in ${(facts.tookMs / 1000).toFixed(1)} s`,
    "",
    `  Address        ${facts.url}`,
    `  Data           ${facts.roots.join(", ")}`,
    `                 ${facts.promise}`,
    ...facts.lost.map((line) => `  LOST           ${line}`),
    ...(facts.lost.length === 0
      ? []
      : [
          "                 The store runs on the others. Start it again once this is back, or with an empty folder in its place.",
        ]),
    "",
    facts.adminKey === undefined ? `  ${facts.keyHint}` : `  Admin API Key: ${facts.adminKey}`,
    ...(facts.adminKey === undefined
      ? []
      : [`  Keep it: it is shown this once. \`${facts.newKeyCommand}\` makes another.`]),
    "",
    facts.adminKey === undefined
      ? "  Make a bucket, upload a file, download it (first: export API_KEY=s3_key_…):"
      : "  Make a bucket, upload a file, download it:",
    `    curl -X PUT ${facts.url}/photos ${authorization}`,
    `    curl -T README.md ${facts.url}/photos/README.md ${authorization}`,
    `    curl ${facts.url}/photos/README.md ${authorization}`,
    "",
    "",
  ].join("\n");
}

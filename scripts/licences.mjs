// Writes docs/licences.md: what production installs, under which licence, as package-lock.json says.
// With --check it writes nothing and fails when the page is stale. Either way a licence that is not permissive fails.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const permissive = new Set([
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "BlueOak-1.0.0",
  "CC0-1.0",
  "ISC",
  "MIT",
  "Unicode-3.0",
  "Unlicense",
  "Zlib",
]);

/** Whether an SPDX expression of names, AND, OR and brackets leaves us a permissive choice; AND binds closer. */
function isPermissive(expression) {
  const tokens = expression.match(/[()]|[^()\s]+/g) ?? [];
  const either = () => {
    let sound = both();
    while (tokens[0] === "OR") {
      tokens.shift();
      sound = both() || sound;
    }
    return sound;
  };
  const both = () => {
    let sound = one();
    while (tokens[0] === "AND") {
      tokens.shift();
      sound = one() && sound;
    }
    return sound;
  };
  const one = () => {
    const token = tokens.shift();
    if (token !== "(") return permissive.has(token);
    const sound = either();
    tokens.shift();
    return sound;
  };
  return either() && tokens.length === 0;
}

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
const direct = new Set(Object.keys(packages[""].dependencies));

const rows = new Map();
for (const [path, entry] of Object.entries(packages)) {
  if (path === "" || entry.dev === true) continue;
  const name = entry.name ?? path.replace(/^.*node_modules\//, "");
  const version = entry.version;
  rows.set(`${name}@${version}`, {
    name,
    version,
    licence: String(entry.license ?? "not stated").replace(/^\((.*)\)$/, "$1"),
    direct: direct.has(name) && path === `node_modules/${name}`,
  });
}
const sorted = [...rows.values()].sort((a, b) =>
  a.name === b.name ? (a.version < b.version ? -1 : 1) : a.name < b.name ? -1 : 1,
);
const line = ({ name, version, licence }) => `| ${name} | ${version} | ${licence} |`;
const table = (chosen) =>
  ["| package | version | licence |", "|---|---|---|", ...chosen.map(line)].join("\n");
const page = `# Licences

Cairn is under the [Apache License 2.0](../LICENSE). This is what a production installation (\`npm ci --omit=dev\`)
brings along, as \`package-lock.json\` says; packages for one platform only are among them.
Only permissive licences may be here. Written by \`node scripts/licences.mjs\`; CI fails when it is stale.

## What Cairn names itself

${table(sorted.filter((row) => row.direct))}

## What those bring

${table(sorted.filter((row) => !row.direct))}
`;

const refused = sorted.filter(({ licence }) => !isPermissive(licence));
for (const { name, version, licence } of refused) {
  console.error(`${name} ${version}: ${licence} is not among the permissive licences`);
}
if (refused.length > 0) process.exit(1);

const target = join(root, "docs/licences.md");
if (process.argv.includes("--check")) {
  let found = "";
  try {
    found = readFileSync(target, "utf8");
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  if (found !== page) {
    console.error("docs/licences.md is stale: run `node scripts/licences.mjs` and commit");
    process.exit(1);
  }
} else {
  writeFileSync(target, page);
}
console.log(`${sorted.length} production packages, all under permissive licences`);

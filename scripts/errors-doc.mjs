// Writes docs/errors.md from services/common/errors/table.ts, and tells which reasons nothing in services/ names.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { outputFiles } = await build({
  stdin: {
    contents:
      'export * from "./errors-page"; export * from "./reasons-used"; export { errorTable } from "./table";',
    resolveDir: join(root, "services/common/errors"),
    loader: "ts",
  },
  bundle: true,
  format: "esm",
  platform: "node",
  write: false,
});
const source = outputFiles[0]?.text ?? "";
const { errorsPage, errorTable, reasonsInCode } = await import(
  `data:text/javascript;base64,${Buffer.from(source).toString("base64")}`
);

mkdirSync(join(root, "docs"), { recursive: true });
writeFileSync(join(root, "docs/errors.md"), errorsPage());

const sources = readdirSync(join(root, "services"), { recursive: true, encoding: "utf8" }).filter(
  (name) => name.endsWith(".ts") && !name.endsWith(".test.ts"),
);
const named = new Set(
  sources.flatMap((name) => reasonsInCode(readFileSync(join(root, "services", name), "utf8"))),
);
const unused = Object.keys(errorTable).filter((reason) => !named.has(reason));
console.log(`docs/errors.md: ${Object.keys(errorTable).length} reasons`);
if (unused.length > 0) console.log(`in the table, but named by no code: ${unused.join(", ")}`);

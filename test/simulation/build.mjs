// Bundles the simulator. Four modules are replaced: ids, which draw randomness ahead of need, SQLite, by one that knows
// what is open, and the sync of its log, by one that power cuts can take back.
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { bundleOptions } from "../../scripts/bundle-options.mjs";
import { planted } from "../support/planted.mjs";

const here = import.meta.dirname ?? resolve("test/simulation");
const root = resolve(here, "../..");
const world = resolve(here, "world");
const replaced = {
  name: "replaced",
  setup(bundle) {
    bundle.onResolve({ filter: /ids\/(uuid|random-hex)$|^\.\/random-hex$|^\.\/uuid$/ }, () => ({
      path: resolve(world, "seeded-ids.ts"),
    }));
    bundle.onResolve({ filter: /^better-sqlite3$/ }, () => ({ path: resolve(world, "sqlite.ts") }));
    bundle.onResolve({ filter: /^\.\/wal-sync$/ }, ({ importer }) =>
      importer.endsWith("services/common/sql/sqlite.ts")
        ? { path: resolve(world, "wal-sync.ts") }
        : undefined,
    );
    bundle.onResolve({ filter: /^better-sqlite3-real$/ }, () => ({ path: "better-sqlite3", external: true }));
  },
};

export function buildSimulator(outfile = "dist/simulate.js", patches = []) {
  return build({
    entryPoints: [resolve(here, "main.ts")],
    outfile: resolve(root, outfile),
    ...bundleOptions,
    plugins: [planted(patches), replaced],
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await buildSimulator();

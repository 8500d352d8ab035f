// Bundles the simulator into dist/. Three modules are replaced: ids, which draw randomness ahead of need, and SQLite,
// by one that knows what is open.
import { resolve } from "node:path";
import { build } from "esbuild";

const world = resolve(import.meta.dirname ?? "test/simulation", "world");
const replaced = {
  name: "replaced",
  setup(bundle) {
    bundle.onResolve({ filter: /ids\/(uuid|random-hex)$|^\.\/random-hex$|^\.\/uuid$/ }, () => ({
      path: resolve(world, "seeded-ids.ts"),
    }));
    bundle.onResolve({ filter: /^better-sqlite3$/ }, () => ({ path: resolve(world, "sqlite.ts") }));
    bundle.onResolve({ filter: /^better-sqlite3-real$/ }, () => ({ path: "better-sqlite3", external: true }));
  },
};

await build({
  entryPoints: { simulate: "test/simulation/main.ts" },
  outdir: "dist",
  bundle: true,
  packages: "external",
  platform: "node",
  target: "node20",
  format: "cjs",
  sourcemap: true,
  logLevel: "warning",
  plugins: [replaced],
});

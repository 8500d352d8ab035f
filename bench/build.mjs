// Bundles the harness into dist/bench/, beside the store's own dist/cairn.js that it measures.
import { build } from "esbuild";
import { bundleOptions } from "../scripts/bundle-options.mjs";

await build({
  entryPoints: {
    ...Object.fromEntries(
      ["run", "floor", "listing", "node", "start"].map((name) => [name, `bench/${name}.ts`]),
    ),
    ...Object.fromEntries(
      ["durability", "growth", "race", "soak"].map((name) => [name, `bench/${name}/run.ts`]),
    ),
  },
  outdir: "dist/bench",
  ...bundleOptions,
});

// Bundles the harness into dist/bench/, beside the store's own dist/cairn.js that it measures.
import { build } from "esbuild";
import { bundleOptions } from "../scripts/bundle-options.mjs";

await build({
  entryPoints: ["run", "floor", "listing", "node", "start"].map((name) => `bench/${name}.ts`),
  outdir: "dist/bench",
  ...bundleOptions,
});

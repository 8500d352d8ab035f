// Bundles the harness into dist/bench/, beside the store's own dist/cairn.js that it measures.
import { build } from "esbuild";

await build({
  entryPoints: ["run", "floor", "listing", "node", "start"].map((name) => `bench/${name}.ts`),
  outdir: "dist/bench",
  bundle: true,
  packages: "external",
  platform: "node",
  target: "node20",
  format: "cjs",
  sourcemap: true,
  logLevel: "warning",
});

// Bundles our own sources into dist/; packages stay in node_modules, so native modules load as usual.
import { build } from "esbuild";

await build({
  entryPoints: { cairn: "services/main.ts" },
  outdir: "dist",
  bundle: true,
  packages: "external",
  platform: "node",
  target: "node20",
  format: "cjs",
  sourcemap: true,
  banner: { js: "#!/usr/bin/env node" },
  logLevel: "warning",
});

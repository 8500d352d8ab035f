// Bundles the store into dist/.
import { build } from "esbuild";
import { bundleOptions } from "./bundle-options.mjs";

await build({
  entryPoints: { cairn: "services/main.ts" },
  outdir: "dist",
  ...bundleOptions,
  banner: { js: "#!/usr/bin/env node" },
});

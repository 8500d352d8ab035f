import { readFileSync } from "node:fs";
import { resolve } from "node:path";

const root = resolve(import.meta.dirname ?? "test/support", "../..");

/**
 * Plants a bug while bundling: each patch is `[file, what stands there, what stands there instead]`. The product's own
 * files know nothing of it. Fails when the text is not there exactly once, so that no plant withers unseen.
 */
export function planted(patches) {
  const byFile = Map.groupBy
    ? Map.groupBy(patches, ([file]) => file)
    : patches.reduce((map, patch) => map.set(patch[0], [...(map.get(patch[0]) ?? []), patch]), new Map());
  return {
    name: "planted",
    setup(bundle) {
      for (const [file, ofFile] of byFile) {
        const path = resolve(root, file);
        bundle.onLoad({ filter: new RegExp(`${file.replaceAll(/[.\\/]/g, "\\$&")}$`) }, (args) => {
          if (args.path !== path) return undefined;
          let contents = readFileSync(path, "utf8");
          for (const [, stands, instead] of ofFile) {
            const parts = contents.split(stands);
            if (parts.length !== 2)
              throw new Error(`${file} holds ${parts.length - 1} times, instead of once:\n${stands}`);
            contents = parts.join(instead);
          }
          return { contents, loader: "ts" };
        });
      }
    },
  };
}

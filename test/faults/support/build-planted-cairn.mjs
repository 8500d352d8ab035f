// `node build-planted-cairn.mjs NAME OUTFILE`: a whole `cairn` with one bug in it, for the controls of fault tests.
import { build } from "esbuild";
import { bundleOptions } from "../../../scripts/bundle-options.mjs";
import { planted } from "../../support/planted.mjs";
import { smallLimits, stepPatches } from "./named-steps.mjs";

/** As in test/simulation/planted-bugs.mjs: file, what stands there, what stands there instead. */
const bugs = {
  /** No bug: each named step is a place to be killed at. */
  "named-steps": stepPatches,
  /** No bug either: all kinds of files come to be within seconds. */
  "small-limits": smallLimits,
  "deletes-by-any-database": [
    [
      "services/object/histories.ts",
      'if (remembered !== undefined && !check.confirmed) return check.detail || "the metadata has another history";\n',
      "",
    ],
    [
      "services/object/histories.ts",
      'if (hasReason(error, "HISTORY_MISMATCH")) return error.message;',
      'if (hasReason(error, "HISTORY_MISMATCH")) return "";',
    ],
    [
      "services/object/histories.ts",
      "return check.confirmed && check.current !== undefined ? { confirmed, current: check.current } : undefined;",
      "return check.current === undefined ? undefined : { confirmed, current: check.current };",
    ],
    [
      "services/storage/history.ts",
      '  if (remembered === undefined) throw mismatch("the volume follows none yet");\n  requireSameHistory(remembered, current);\n',
      "  if (current !== confirmed) return current;\n",
    ],
  ],
};

const [name = "", outfile] = process.argv.slice(2);
await build({
  entryPoints: ["services/main.ts"],
  outfile,
  ...bundleOptions,
  sourcemap: false,
  plugins: [planted(bugs[name])],
});

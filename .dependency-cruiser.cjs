/**
 * The import directions of DESIGN §4, held by a rule and not by goodwill (`npm run lint:imports`).
 * Types count: an `import type` binds two folders as much as a value does.
 */
const services = "bucket|gateway|identity|metadata|object|storage";
/** A service's own tests may stand on real neighbours, in process (D§11: no mocks of our own services). */
const tests = "(\\.test\\.ts$|/testing/|/testing\\.ts$|/test-[^/]+\\.ts$|-suite\\.ts$|-under-test\\.ts$)";
const storeSide = `^services/(?:${services})/(?:store/|migrations/|store\\.ts$|tables\\.ts$)`;

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: "no-circular",
      comment: "Files that need each other are one file, or lack a third.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "no-unresolvable",
      comment: "An import that cannot be found would escape every other rule.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: "no-other-service",
      comment: "A service knows another one by its contract in gen/ only.",
      severity: "error",
      from: { path: `^services/(${services})/`, pathNot: tests },
      to: { path: `^services/(?:${services})/`, pathNot: "^services/$1/" },
    },
    {
      name: "gateway-knows-contracts-only",
      comment: "The gateway stands on generated clients and on common, and owns no tables.",
      severity: "error",
      from: { path: "^services/gateway/", pathNot: tests },
      to: { path: "^(?!gen/|node_modules/|services/(?:gateway|common)/)[^/]+/" },
    },
    {
      name: "common-knows-no-service",
      comment: "What two services share depends on neither.",
      severity: "error",
      from: { path: "^services/common/" },
      to: { path: `^services/(?:(?:${services}|cli)/|[^/]+\\.ts$)` },
    },
    {
      name: "services-know-no-composition",
      comment: "Only the composition and the command line know how the services are put together.",
      severity: "error",
      from: { path: `^services/(?:${services})/`, pathNot: tests },
      to: { path: "^services/(?:cli/|[^/]+\\.ts$)" },
    },
    {
      name: "rpc-is-the-outermost",
      comment: "rpc -> logic -> store: only what opens a service imports its rpc side.",
      severity: "error",
      from: { path: `^services/(${services})/`, pathNot: `(/open\\.ts$|/rpc\\.ts$|/rpc/|${tests})` },
      to: { path: "^services/$1/rpc(?:\\.ts$|/)" },
    },
    {
      name: "store-knows-no-logic",
      comment:
        "rpc -> logic -> store: a store is handed what it keeps and decides nothing; pure words (domain.ts) are shared.",
      severity: "error",
      from: { path: storeSide, pathNot: tests },
      to: { path: `^services/(?:${services})/`, pathNot: `(${storeSide}|/domain\\.ts$|/config\\.ts$)` },
    },
    {
      name: "production-needs-no-development-package",
      comment: "What runs in production is in `dependencies`.",
      severity: "error",
      from: { path: "^services/", pathNot: `(${tests}|^services/cli/split)` },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"] },
    },
    {
      name: "production-needs-no-test",
      comment: "Test support stays with tests.",
      severity: "error",
      from: { path: "^services/", pathNot: tests },
      to: { path: `(^test/|^bench/|${tests})`, pathNot: "^(?:node_modules|gen)/" },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "(^|/)(?:node_modules|gen)/" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "require", "node", "types", "default"],
    },
  },
};

/** One configuration for all suites; `npm test -- put-object` runs what matches. */
module.exports = {
  testMatch: [
    "<rootDir>/services/**/*.test.ts",
    "<rootDir>/test/**/*.test.ts",
    "<rootDir>/bench/**/*.test.ts",
  ],
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      { jsc: { parser: { syntax: "typescript" }, target: "es2022" }, module: { type: "commonjs" } },
    ],
  },
  testEnvironment: "node",
  globalSetup: "<rootDir>/test/support/global-setup.ts",
  globalTeardown: "<rootDir>/test/support/global-teardown.ts",
  moduleNameMapper: { "^(\\.{1,2}/.*)\\.js$": "$1" },
  testTimeout: 60_000,
  maxWorkers: 2,
  reporters: ["default", "<rootDir>/test/support/closing-line-reporter.js"],
};

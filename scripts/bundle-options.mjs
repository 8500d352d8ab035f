// How all of our own sources are bundled; packages stay in node_modules, so native modules load as usual.
export const bundleOptions = {
  bundle: true,
  packages: "external",
  platform: "node",
  target: "node20",
  format: "cjs",
  sourcemap: true,
  logLevel: "warning",
};

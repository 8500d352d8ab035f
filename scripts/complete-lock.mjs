// Adds to package-lock.json the optional packages of other platforms that the lock leaves out.
// npm drops them when the registry in use carries this platform only, and then `npm ci` refuses the lock
// ("Missing: @biomejs/cli-darwin-arm64@ from lock file"). Run it after `npm install` on such a registry.
// Their versions are exact in the packages that name them; integrity is filled in by npm where they can be fetched.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const systems = [
  "aix",
  "android",
  "darwin",
  "freebsd",
  "linux",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
  "win32",
];
const processors = [
  "arm",
  "arm64",
  "ia32",
  "loong64",
  "mips64el",
  "ppc64",
  "ppc",
  "riscv64",
  "s390x",
  "wasm32",
  "x64",
];
const sameAs = {
  armv7: "arm",
  aarch64: "arm64",
  armhf: "arm",
  windows: "win32",
  macos: "darwin",
  linuxmusl: "linux",
};

/** What npm reads to leave a package out, told by the package's name: linux-x64-musl, darwin-arm64, win32-x64-msvc. */
function platformOf(name) {
  const words = name
    .replace(/^@[^/]+\//, "")
    .split(/[-.]/)
    .map((word) => sameAs[word] ?? word);
  const os = systems.find((system) => words.includes(system));
  const cpu = processors.find((processor) => words.includes(processor));
  const libc = words.some((word) => word.startsWith("musl"))
    ? "musl"
    : words.some((word) => word.startsWith("gnu"))
      ? "glibc"
      : undefined;
  return {
    ...(cpu === undefined ? {} : { cpu: [cpu] }),
    ...(os === "linux" && libc !== undefined ? { libc: [libc] } : {}),
    ...(os === undefined ? {} : { os: [os] }),
  };
}

const path = join(dirname(fileURLToPath(import.meta.url)), "../package-lock.json");
const lock = JSON.parse(readFileSync(path, "utf8"));

/** Where Node would find a package for the one that lies at `from`. */
function found(from, name) {
  for (let folder = from; ; folder = folder.slice(0, folder.lastIndexOf("/node_modules/"))) {
    if (lock.packages[`${folder}/node_modules/${name}`] !== undefined) return true;
    if (!folder.includes("/node_modules/")) return lock.packages[`node_modules/${name}`] !== undefined;
  }
}

let added = 0;
for (const [from, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (from === "" || found(from, name)) continue;
    const platform = platformOf(name);
    if (!/^\d+\.\d+\.\d+/.test(version) || Object.keys(platform).length === 0) {
      console.error(`left out: ${name}@${version} of ${from} says neither an exact version nor a platform`);
      continue;
    }
    lock.packages[`node_modules/${name}`] = {
      version,
      ...(platform.cpu === undefined ? {} : { cpu: platform.cpu }),
      ...(entry.dev === true ? { dev: true } : {}),
      ...(platform.libc === undefined ? {} : { libc: platform.libc }),
      ...(entry.license === undefined ? {} : { license: entry.license }),
      optional: true,
      ...(platform.os === undefined ? {} : { os: platform.os }),
    };
    added += 1;
  }
}
const { "": root, ...others } = lock.packages;
const sorted = Object.fromEntries(Object.entries(others).sort(([a], [b]) => a.localeCompare(b, "en")));
if (added > 0)
  writeFileSync(path, `${JSON.stringify({ ...lock, packages: { "": root, ...sorted } }, null, 2)}\n`);
console.log(`${added} packages of other platforms added`);

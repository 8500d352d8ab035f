import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, options, readSettings } from "./options";

const folder = mkdtempSync(join(tmpdir(), "cairn-options-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a flag goes before the environment, the environment before the default", () => {
  expect(readSettings({}, {}).rateLimit).toBe(100);
  expect(readSettings({}, { RATE_LIMIT: "7" }).rateLimit).toBe(7);
  expect(readSettings({ rateLimit: "9" }, { RATE_LIMIT: "7" }).rateLimit).toBe(9);
});

test("an empty variable is as good as none, as compose files make them", () => {
  expect(readSettings({}, { RATE_LIMIT: "" }).rateLimit).toBe(100);
});

test("every default is a good value", () => {
  expect(() => readSettings({}, {})).not.toThrow();
});

test.each([
  ["PORT", "70000", /PORT is "70000", but must be a whole number from 0 to 65535/],
  ["PORT", "7841a", /whole number/],
  ["RATE_LIMIT", "-1", /whole number/],
  ["STORAGE_RESERVE", "1 gig", /size such as/],
  ["DELETE_GRACE", "15", /duration such as/],
  ["LOG_LEVEL", "loud", /LOG_LEVEL/],
  ["IDENTITY_URL", "identity", /address such as/],
  ["STORAGE_URLS", "a:1,b", /address such as/],
  ["REGION", "eu central", /letters/],
])("%s=%s is refused with a sentence that names it", (env, value, sentence) => {
  expect(() => readSettings({}, { [env]: value })).toThrow(sentence);
});

test("all wrong values are named at once", () => {
  expect(() => readSettings({}, { PORT: "x", RATE_LIMIT: "y" })).toThrow(/PORT[\s\S]*RATE_LIMIT/);
});

test("a wrong secret is named but not printed", () => {
  const read = () => readSettings({}, { DATABASE_URL: "mysql://root:hunter2@x/y" });
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(/DATABASE_URL/);
  expect(read).not.toThrow(/hunter2/);
});

test("a secret may come from a file, without its last newline; an unreadable file is named", () => {
  const path = join(folder, "key");
  writeFileSync(path, "s3_key_x\n");
  expect(readSettings({}, { ADMIN_API_KEY_FILE: path }).adminApiKey).toBe("s3_key_x");
  expect(() => readSettings({}, { ADMIN_API_KEY_FILE: `${path}-not` })).toThrow(
    /ADMIN_API_KEY_FILE .*ENOENT/,
  );
});

test("no two options share a variable or a flag", () => {
  const all = Object.values(options) as { env: string; flag?: string }[];
  const flags = all.flatMap((option) => option.flag ?? []);
  expect(new Set(all.map((option) => option.env)).size).toBe(all.length);
  expect(new Set(flags).size).toBe(flags.length);
});

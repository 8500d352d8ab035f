import { readFileSync } from "node:fs";
import { join } from "node:path";
import { optionsTable } from "./options-table";

test("the README's table of configuration is what the options say", () => {
  const readme = readFileSync(join(__dirname, "../../README.md"), "utf8");
  const [, table] = /<!-- options -->\n([\s\S]*?)\n<!-- \/options -->/.exec(readme) ?? [];
  expect(table).toBe(optionsTable());
});

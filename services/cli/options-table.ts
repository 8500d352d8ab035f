import { type Option, options } from "../common/config/options";

/** The README's table of configuration; its test fails when the two differ. */
export function optionsTable(): string {
  const rows = Object.values<Option>(options).map((spec) => {
    const flag = spec.flag === undefined ? "" : `\`--${spec.flag}\``;
    const env = `\`${spec.env}\`${spec.secret ? ` or \`${spec.env}_FILE\`` : ""}`;
    const usual = spec.default === undefined ? "" : `\`${spec.default}\``;
    return `| ${flag} | ${env} | ${usual} | ${spec.description} |`;
  });
  return ["| flag | environment | default | what |", "|---|---|---|---|", ...rows].join("\n");
}

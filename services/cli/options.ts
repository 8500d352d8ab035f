import { type Command, Option as Flag } from "commander";
import { type Option, type OptionName, options } from "../common/config/options";

const byFlag = new Map(
  Object.entries<Option>(options).flatMap(([key, spec]) =>
    spec.flag === undefined ? [] : [[camel(spec.flag), key as OptionName]],
  ),
);

/** Gives a verb the flags of these options, with their variables and defaults in the help. */
export function addFlags(command: Command, names: readonly OptionName[]): Command {
  for (const name of names) {
    const spec: Option = options[name];
    if (spec.flag === undefined) continue;
    const shown = spec.default === undefined ? "" : `, default ${spec.default}`;
    const flag = new Flag(`--${spec.flag} <${spec.argument}>`, `${spec.description} (${spec.env}${shown})`);
    // A data folder may be given again and again; the last one of anything else counts.
    if (name === "data")
      flag.argParser((value, former?: string) => (former === undefined ? value : `${former},${value}`));
    command.addOption(flag);
  }
  return command;
}

/** What commander parsed, by option name. */
export function flagsOf(parsed: Readonly<Record<string, unknown>>): Partial<Record<OptionName, string>> {
  const flags: Partial<Record<OptionName, string>> = {};
  for (const [flag, value] of Object.entries(parsed)) {
    const name = byFlag.get(flag);
    if (name !== undefined && typeof value === "string") flags[name] = value;
  }
  return flags;
}

function camel(flag: string): string {
  return flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

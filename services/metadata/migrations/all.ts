import type { Migration } from "kysely";
import { first } from "./0001-first";

/** Every step of the schema by name, in the order in which they run. */
export function migrationsFor(kind: "sqlite" | "postgres"): Record<string, Migration> {
  return { "0001-first": first(kind) };
}

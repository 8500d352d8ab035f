import type { Migration } from "kysely";
import { first } from "./0001-first";
import { healing } from "./0002-healing";
import { coveringListing } from "./0003-listing";

/** Every step of the schema by name, in the order in which they run. */
export function migrationsFor(kind: "sqlite" | "postgres"): Record<string, Migration> {
  return { "0001-first": first(kind), "0002-healing": healing(kind), "0003-listing": coveringListing };
}

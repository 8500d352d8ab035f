import type { Migration } from "kysely";
import { usersAndKeys } from "./0001-users-and-keys";

/** Every step of the identity service's schema, in order. A released step is never changed. */
export function identityMigrations(kind: "sqlite" | "postgres"): Record<string, Migration> {
  return { "0001-users-and-keys": usersAndKeys(kind) };
}

import type { Migration } from "kysely";
import { documents } from "./0001-documents";

/** Every step of the bucket service's schema, in order. A released step is never changed. */
export function bucketMigrations(kind: "sqlite" | "postgres"): Record<string, Migration> {
  return { "0001-documents": documents(kind) };
}

import { V7Generator } from "uuidv7";
import { fromPool } from "./random-pool";

const generator = new V7Generator({ nextUint32: () => fromPool(4).readUInt32LE() });

/** A new id: UUIDv7 (RFC 9562), lower-case text; ids of one process sort by the time they were made. */
export function newId(): string {
  return generator.generate().toString();
}

/** The time that a UUIDv7 carries, in milliseconds since the Unix epoch. */
export function timeOfId(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function isUuid(text: string): boolean {
  return uuidPattern.test(text);
}

// Takes the place of services/common/ids/{uuid,random-hex}.ts in the simulator's bundle: those draw randomness ahead
// of need, and what one run left over would change the next.
import nodeCrypto from "node:crypto";

let lastMs = 0;
let counter = 0;

/** UUIDv7s of this run, in the order in which they were made. */
export function newId(): string {
  const nowMs = Date.now();
  counter = nowMs === lastMs ? counter + 1 : 0;
  lastMs = nowMs;
  const time = nowMs.toString(16).padStart(12, "0");
  const order = (0x7000 + (counter & 0xfff)).toString(16);
  const tail = nodeCrypto.randomBytes(8);
  tail[0] = ((tail[0] as number) & 0x3f) | 0x80;
  const hex = tail.toString("hex");
  return `${time.slice(0, 8)}-${time.slice(8)}-${order}-${hex.slice(0, 4)}-${hex.slice(4)}`;
}

export function timeOfId(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function isUuid(text: string): boolean {
  return uuidPattern.test(text);
}

/** Only request and trace ids come from here: no decision rests on them. */
export function randomHex(bytes: number): string {
  return "5".repeat(2 * bytes);
}

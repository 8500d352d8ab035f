import { CairnError } from "../../common/errors/cairn-error";

/** Fields of which a second one makes two readers see two different requests. */
const single = new Map(
  ["host", "authorization", "content-length", "transfer-encoding", "content-md5", "expect", "range"].map(
    (name, index) => [name, 1 << index],
  ),
);

/**
 * Refuses what node:http lets through and a proxy in front may read otherwise: two Host fields, two Authorization
 * fields. Two lengths, and a length beside a coding, its parser refuses itself. Errors: INVALID_REQUEST.
 */
export function checkFraming(rawHeaders: readonly string[]): void {
  let seen = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    if (name.length > 17 || name.length < 4) continue;
    const bit = single.get(name.toLowerCase());
    if (bit === undefined) continue;
    if ((seen & bit) !== 0)
      throw new CairnError("INVALID_REQUEST", { message: `The request has two ${name} header fields.` });
    seen |= bit;
  }
}

import type { Body } from "../bodies";

/** A body as the trace names it. */
export function short(body: Body): string {
  return `${body.etag.slice(0, 8)} (${body.bytes.length} bytes)`;
}

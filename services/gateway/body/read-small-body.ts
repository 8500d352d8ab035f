import { CairnError, hasReason } from "../../common/errors/cairn-error";
import type { RequestBody } from "./request-body";

/** The whole body of a request that is a document, not an object. Errors: BODY_TOO_LARGE, and those of the body. */
export async function readSmallBody(body: RequestBody, maxBytes: number): Promise<Buffer> {
  if ((body.declaredBytes ?? 0) > maxBytes) throw tooLarge(maxBytes);
  if (!body.chunked && (body.declaredBytes ?? 0) === 0) return Buffer.alloc(0);
  body.limit(maxBytes);
  const chunks: Buffer[] = [];
  try {
    for (let chunk = await body.next(); chunk !== undefined; chunk = await body.next()) chunks.push(chunk);
  } catch (error) {
    throw hasReason(error, "ENTITY_TOO_LARGE") ? tooLarge(maxBytes) : error;
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

function tooLarge(maxBytes: number): CairnError {
  return new CairnError("BODY_TOO_LARGE", {
    message: `The request body may have at most ${maxBytes} bytes here.`,
  });
}

import { CairnError } from "../common/errors/cairn-error";
import { isUuid } from "../common/ids/uuid";

/** The same text when it is an id. INVALID_ARGUMENT for any other: none may become a path or a record. */
export function checkBlobId(blobId: string): string {
  if (!isUuid(blobId)) throw new CairnError("INVALID_ARGUMENT", { message: `"${blobId}" is no blob id.` });
  return blobId;
}

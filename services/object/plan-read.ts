import type { GetVersionResponse } from "../../gen/cairn/metadata/v1/metadata_pb";
import { CairnError } from "../common/errors/cairn-error";
import type { ByteRange } from "./ranges";

/** A run of bytes of one blob that a read sends. */
export type Slice = { readonly blobId: string; readonly offsetBytes: number; readonly lengthBytes: number };

/**
 * The slices of blobs that make up a range of a version's content. `extentsOffset` is where the first extent begins
 * in the content. Throws INTERNAL when the extents do not cover the range.
 */
export function planRead(
  version: Pick<GetVersionResponse, "extents" | "extentsOffsetBytes">,
  range: ByteRange,
): Slice[] {
  const slices: Slice[] = [];
  const end = range.offsetBytes + range.lengthBytes;
  let at = Number(version.extentsOffsetBytes);
  let covered = range.offsetBytes;
  for (const extent of version.extents) {
    const length = Number(extent.lengthBytes);
    const from = Math.max(at, range.offsetBytes);
    const to = Math.min(at + length, end);
    if (to > from) {
      if (from !== covered) break;
      slices.push({
        blobId: extent.blobId,
        offsetBytes: Number(extent.offsetBytes) + from - at,
        lengthBytes: to - from,
      });
      covered = to;
    }
    at += length;
  }
  if (covered !== end) throw new CairnError("INTERNAL", { message: "The extents do not cover the content." });
  return slices;
}

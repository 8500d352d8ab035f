import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { ExtentSchema } from "../../gen/cairn/common/v1/common_pb";
import { planRead } from "./plan-read";

test("slices of blobs give what the same range of the whole content gives", () => {
  const extents = fc.array(fc.record({ offset: fc.nat(20), length: fc.integer({ min: 1, max: 40 }) }), {
    minLength: 1,
    maxLength: 8,
  });
  fc.assert(
    fc.property(extents, fc.nat(400), fc.nat(400), fc.nat(8), (list, a, b, drop) => {
      const blobs = new Map(
        list.map((_, index) => [
          `blob-${index}`,
          Buffer.from(Array.from({ length: 64 }, (__, at) => (index * 64 + at) % 251)),
        ]),
      );
      const content = Buffer.concat(
        list.map((extent, index) =>
          (blobs.get(`blob-${index}`) as Buffer).subarray(extent.offset, extent.offset + extent.length),
        ),
      );
      const offsetBytes = a % content.length;
      const lengthBytes = Math.min(b, content.length - offsetBytes);
      // The metadata may leave out leading extents that the range does not touch.
      let skipped = 0;
      let extentsOffsetBytes = 0;
      while (
        skipped < Math.min(drop, list.length - 1) &&
        extentsOffsetBytes + (list[skipped]?.length ?? 0) <= offsetBytes
      ) {
        extentsOffsetBytes += list[skipped]?.length ?? 0;
        skipped++;
      }
      const messages = list.slice(skipped).map((extent, index) =>
        create(ExtentSchema, {
          blobId: `blob-${index + skipped}`,
          offsetBytes: BigInt(extent.offset),
          lengthBytes: BigInt(extent.length),
        }),
      );
      const slices = planRead(
        { extents: messages, extentsOffsetBytes: BigInt(extentsOffsetBytes) },
        { offsetBytes, lengthBytes, partial: true },
      );
      const read = Buffer.concat(
        slices.map((slice) =>
          (blobs.get(slice.blobId) as Buffer).subarray(
            slice.offsetBytes,
            slice.offsetBytes + slice.lengthBytes,
          ),
        ),
      );
      expect(read).toEqual(content.subarray(offsetBytes, offsetBytes + lengthBytes));
    }),
  );
});

test("extents that end too early are an error, not a short answer", () => {
  const extents = [create(ExtentSchema, { blobId: "a", lengthBytes: 5n })];
  expect(() =>
    planRead({ extents, extentsOffsetBytes: 0n }, { offsetBytes: 0, lengthBytes: 6, partial: false }),
  ).toThrow(expect.objectContaining({ reason: "INTERNAL" }));
});

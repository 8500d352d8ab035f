import { create, type DescField, type DescMessage, type MessageShape, ScalarType } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import fc from "fast-check";
import { ExecuteRequestSchema, GetVersionRequestSchema } from "../../../gen/cairn/metadata/v1/metadata_pb";
import {
  GetSmallObjectRequestSchema,
  PutSmallObjectRequestSchema,
} from "../../../gen/cairn/object/v1/object_pb";
import {
  ReadSmallBlobRequestSchema,
  WriteSmallBlobRequestSchema,
} from "../../../gen/cairn/storage/v1/storage_pb";
import { newId } from "../ids/uuid";
import { surelyValid } from "./surely-valid";
import { everyMessage } from "./testing/every-message";

const validator = createValidator();

test("what it takes, protovalidate takes too: every message, with values near every limit", () => {
  expect(everyMessage.length).toBeGreaterThan(100);
  let taken = 0;
  let refused = 0;
  for (const schema of everyMessage) {
    fc.assert(
      fc.property(messages(schema, 0), (message) => {
        const surely = surelyValid(schema, message);
        const { kind } = validator.validate(schema, message);
        expect(surely && kind !== "valid").toBe(false);
        if (surely) taken += 1;
        if (kind === "invalid") refused += 1;
      }),
      { numRuns: 60 },
    );
  }
  expect(taken).toBeGreaterThan(1_000);
  expect(refused).toBeGreaterThan(1_000);
});

test("it takes the requests that small objects make, so that they pay no more", () => {
  const [blobId, volumeId, bucketId] = [newId(), newId(), newId()];
  const content = new Uint8Array(4096);
  const bucket = { bucketId, configVersion: 1n };
  const requests = [
    create(GetSmallObjectRequestSchema, {
      read: { bucket, key: "a", range: { range: { case: "firstLast", value: { first: 0n, last: 9n } } } },
    }),
    create(PutSmallObjectRequestSchema, {
      header: { bucket, key: "a", sizeBytes: 4096n, headers: { contentType: "text/plain" }, algorithms: [1] },
      content,
      finish: { sizeBytes: 4096n },
    }),
    create(GetVersionRequestSchema, { bucketId, key: "a" }),
    create(ReadSmallBlobRequestSchema, { blobId, volumeId, lengthBytes: 4096 }),
    create(WriteSmallBlobRequestSchema, { blobId, volumeId, content, crc32c: 1 }),
    create(ExecuteRequestSchema, {
      commands: [
        {
          id: newId(),
          change: {
            case: "putVersion",
            value: {
              bucketId,
              key: "a",
              configVersion: 1n,
              content: { sizeBytes: 4096n, etag: "0".repeat(32) },
              extents: [{ blobId, lengthBytes: 4096n }],
              newBlobs: [{ blobId, sizeBytes: 4096n, volumeIds: [volumeId, newId(), newId()] }],
            },
          },
        },
      ],
    }),
  ];
  for (const request of requests) {
    const schema = everyMessage.find(({ typeName }) => typeName === request.$typeName) as DescMessage;
    expect(validator.validate(schema, request).kind).toBe("valid");
    expect([request.$typeName, surelyValid(schema, request)]).toEqual([request.$typeName, true]);
  }
});

type Init = Record<string, unknown>;

function messages(schema: DescMessage, depth: number): fc.Arbitrary<MessageShape<DescMessage>> {
  const members = schema.members.map((member) => {
    const name = member.localName;
    if (member.kind !== "oneof") return [name, fc.option(values(member, depth), { nil: undefined })] as const;
    const cases = member.fields.map((field) =>
      values(field, depth).map((value) => ({ case: field.localName, value })),
    );
    return [name, fc.oneof(fc.constant({ case: undefined }), ...cases)] as const;
  });
  return fc.record(Object.fromEntries(members)).map((init: Init) => create(schema, init as never));
}

function values(field: DescField, depth: number): fc.Arbitrary<unknown> {
  switch (field.fieldKind) {
    case "message":
      return depth > 4 ? fc.constant(undefined) : messages(field.message, depth + 1);
    case "enum":
      return fc.integer({ min: -1, max: 12 });
    case "list": {
      const item =
        field.listKind === "message"
          ? depth > 4
            ? undefined
            : messages(field.message, depth + 1)
          : field.listKind === "enum"
            ? fc.integer({ min: 0, max: 9 })
            : scalars(field.scalar);
      return item === undefined ? fc.constant([]) : fc.array(item, { maxLength: 3 });
    }
    case "map":
      return fc.dictionary(fc.string({ minLength: 1, maxLength: 3 }), fc.string({ maxLength: 3 }), {
        maxKeys: 3,
      });
    default:
      return scalars(field.scalar);
  }
}

function scalars(type: ScalarType): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.STRING:
      return fc.oneof(
        fc.constant(newId()),
        fc.constant(""),
        fc.string({ unit: "binary", maxLength: 70 }),
        fc.constantFrom(
          "a",
          "GET",
          "ä".repeat(512),
          "𝄞".repeat(64),
          "x".repeat(1025),
          "€".repeat(342),
          "bucket-a",
        ),
      );
    case ScalarType.BYTES:
      return fc.constantFrom(0, 4, 8, 16, 20, 32, 33, 1_048_577).map((length) => new Uint8Array(length));
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.INT64:
      return fc.constantFrom(-1n, 0n, 1n, 1000n, 3_600_000n, 2n ** 62n);
    case ScalarType.UINT64:
      return fc.constantFrom(0n, 1n, 1000n, 2n ** 53n, 2n ** 63n);
    default:
      return fc.constantFrom(0, 1, 2, 999, 1000, 1001, 10_001);
  }
}

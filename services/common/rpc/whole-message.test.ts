import { create, type DescMessage } from "@bufbuild/protobuf";
import { ExecuteRequestSchema } from "../../../gen/cairn/metadata/v1/metadata_pb";
import { GetObjectRequestSchema } from "../../../gen/cairn/object/v1/object_pb";
import { everyMessage } from "./testing/every-message";
import { wholeMessage } from "./whole-message";

test("every empty message is what the library makes of it", () => {
  for (const schema of everyMessage) {
    expect(wholeMessage(schema, {})).toStrictEqual(create(schema));
    // Members that may not be there are left out, not undefined.
    expect(Object.keys(wholeMessage(schema, {}))).toEqual(Object.keys(create(schema)));
  }
});

test("every message with everything set is what the library makes of it", () => {
  expect(everyMessage.length).toBeGreaterThan(100);
  for (const schema of everyMessage) {
    const init = filled(schema, 0);
    expect(wholeMessage(schema, init)).toStrictEqual(create(schema, init as never));
  }
});

test("a whole message is passed on as it is, and whole messages within an initialiser too", () => {
  const bucket = { bucketId: "b", configVersion: 3n };
  const whole = create(GetObjectRequestSchema, { bucket, key: "k" });
  expect(wholeMessage(GetObjectRequestSchema, whole)).toBe(whole);
  const request = { commands: [{ id: "1", change: { case: "endLease" as const, value: { leaseId: "l" } } }] };
  expect(wholeMessage(ExecuteRequestSchema, request)).toStrictEqual(create(ExecuteRequestSchema, request));
});

test("two empty messages share nothing that can change", () => {
  const [one, other] = [0, 1].map(() => wholeMessage(GetObjectRequestSchema, {})) as unknown as object[];
  for (const key of Object.keys(one ?? {})) {
    const value = (one as Record<string, unknown>)[key];
    if (typeof value === "object") expect(value).not.toBe((other as Record<string, unknown>)[key]);
  }
});

/** An initialiser that sets each member, of each oneof the last case, three levels deep. */
function filled(schema: DescMessage, depth: number): Record<string, unknown> {
  const init: Record<string, unknown> = {};
  for (const member of schema.members) {
    if (member.kind === "oneof") {
      const field = member.fields.at(-1);
      if (field !== undefined)
        init[member.localName] = { case: field.localName, value: oneValue(field, depth) };
    } else if (member.fieldKind !== "message" || depth < 3) init[member.localName] = oneValue(member, depth);
  }
  return init;
}

function oneValue(field: DescMessage["fields"][number], depth: number): unknown {
  switch (field.fieldKind) {
    case "message":
      return filled(field.message, depth + 1);
    case "list":
      return field.listKind === "message" ? [filled(field.message, depth + 1)] : ["x"];
    case "map":
      return field.mapKind === "message" ? { a: filled(field.message, depth + 1) } : { a: "x" };
    case "enum":
      return 1;
    default:
      return field.scalar === 12 ? new Uint8Array([1, 2]) : "x";
  }
}

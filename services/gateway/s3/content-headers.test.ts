import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ContentHeadersSchema } from "../../../gen/cairn/common/v1/common_pb";
import { contentHeaders, pushContentHeaders, responseOverrides } from "./content-headers";

function roundTrip(headers: Record<string, string>): Map<string, string> {
  const message = create(ContentHeadersSchema, contentHeaders(headers));
  const wire = fromBinary(ContentHeadersSchema, toBinary(ContentHeadersSchema, message));
  const flat: string[] = [];
  pushContentHeaders(flat, wire, new Map());
  const answer = new Map<string, string>();
  for (let i = 0; i < flat.length; i += 2) answer.set(flat[i] ?? "", flat[i + 1] ?? "");
  return answer;
}

test("names like __proto__ and constructor come back over the wire", () => {
  const answer = roundTrip({
    "x-amz-meta-__proto__": "a",
    "x-amz-meta-constructor": "b",
    "content-type": "text/plain",
  });
  expect(answer.get("x-amz-meta-__proto__")).toBe("a");
  expect(answer.get("x-amz-meta-constructor")).toBe("b");
  expect(answer.get("Content-Type")).toBe("text/plain");
});

test("Latin-1 bytes and RFC 2047 words come back as they were", () => {
  const latin1 = "caf\u00e9";
  const word = "=?UTF-8?B?4piD?=";
  const answer = roundTrip({ "x-amz-meta-a": latin1, "x-amz-meta-b": word });
  expect(answer.get("x-amz-meta-a")).toBe(latin1);
  expect(answer.get("x-amz-meta-b")).toBe(word);
});

test("raw bytes beyond Latin-1 are refused with a way out", () => {
  const snowman = Buffer.from("☃").toString("latin1");
  expect(() => contentHeaders({ "x-amz-meta-a": snowman })).toThrow(
    expect.objectContaining({ reason: "INVALID_ARGUMENT", hint: expect.stringContaining("RFC 2047") }),
  );
});

test("2 KiB of metadata pass, one byte more does not", () => {
  expect(() => contentHeaders({ "x-amz-meta-a": "v".repeat(2047) })).not.toThrow();
  expect(() => contentHeaders({ "x-amz-meta-a": "v".repeat(2048) })).toThrow(
    expect.objectContaining({ reason: "METADATA_TOO_LARGE" }),
  );
});

test("an override cannot end its header field", () => {
  expect(() => responseOverrides(new Map([["response-content-type", "a\r\nX: y"]]))).toThrow(
    expect.objectContaining({ reason: "INVALID_ARGUMENT" }),
  );
  expect(
    responseOverrides(new Map([["response-content-type", "text/css"]])).get("response-content-type"),
  ).toBe("text/css");
});

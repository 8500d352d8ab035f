import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ObjectInfoSchema } from "../../../gen/cairn/object/v1/object_pb";
import { keepByteOrderMarks } from "./text-encoding";

test("a string that begins with U+FEFF survives the wire: it may be a key", () => {
  keepByteOrderMarks();
  keepByteOrderMarks();
  for (const key of ["\ufeffbom", "\ufeff", "\ufeff\ufeff", "plain", "é\u{1F600}"]) {
    const message = create(ObjectInfoSchema, { key });
    expect(fromBinary(ObjectInfoSchema, toBinary(ObjectInfoSchema, message)).key).toBe(key);
  }
});

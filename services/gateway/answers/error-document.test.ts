import { CairnError } from "../../common/errors/cairn-error";
import { errorTable, type Reason } from "../../common/errors/table";
import { errorDocument, errorHeaders } from "./error-document";

const options = { resource: "/b/<k>", requestId: "0123456789ABCDEF" };

test.each(Object.keys(errorTable) as Reason[])("%s has a code and a sentence in both dialects", (reason) => {
  const error = new CairnError(reason);
  const json = JSON.parse(errorDocument(error, { ...options, dialect: "json" }));
  expect(json).toEqual({
    error: {
      code: errorTable[reason].s3,
      message: errorTable[reason].sentence,
      resource: "/b/<k>",
      requestId: "0123456789ABCDEF",
    },
  });
  const xml = errorDocument(error, { ...options, dialect: "xml" });
  expect(xml).toContain(`<Error><Code>${errorTable[reason].s3}</Code><Message>`);
  expect(xml).toContain("<Resource>/b/&lt;k&gt;</Resource><RequestId>0123456789ABCDEF</RequestId></Error>");
});

test("the thrower's own resource and hint are shown", () => {
  const error = new CairnError("NO_SUCH_BUCKET", { resource: "photos", hint: "Make it first." });
  expect(JSON.parse(errorDocument(error, { ...options, dialect: "json" })).error).toMatchObject({
    resource: "photos",
    hint: "Make it first.",
  });
});

test("errors bring the header fields that clients act on", () => {
  expect(errorHeaders(new CairnError("METADATA_UNAVAILABLE"))).toEqual(["Retry-After", "5"]);
  expect(errorHeaders(new CairnError("RANGE_NOT_SATISFIABLE", { params: { size_bytes: "10" } }))).toEqual([
    "Content-Range",
    "bytes */10",
  ]);
  expect(errorHeaders(new CairnError("MISSING_KEY"))).toEqual(["WWW-Authenticate", 'Bearer realm="cairn"']);
});

import type { CairnError } from "../../common/errors/cairn-error";
import { parseTarget } from "../http/raw-target";
import { routeS3 } from "./router";

function route(line: string, headers: Record<string, string> = {}): string {
  const [method = "", url = ""] = line.split(" ");
  try {
    return routeS3(method, parseTarget(url), headers).name;
  } catch (error) {
    return (error as CairnError).reason;
  }
}

test.each([
  ["GET /", "ListBuckets"],
  ["PUT /b", "CreateBucket"],
  ["PUT /b/", "CreateBucket"],
  ["GET /b?list-type=2&prefix=a", "ListObjects"],
  ["HEAD /b", "HeadBucket"],
  ["DELETE /b", "DeleteBucket"],
  ["POST /b?delete", "DeleteObjects"],
  ["PUT /b/k", "PutObject"],
  ["PUT /b/k?x-id=PutObject", "PutObject"],
  ["GET /b/k?response-content-type=text/css", "GetObject"],
  ["HEAD /b/k", "HeadObject"],
  ["DELETE /b/k", "DeleteObject"],
  ["DELETE /b//", "DeleteObject"],
])("%s is %s", (line, name) => {
  expect(route(line)).toBe(name);
});

test("a copy is a PUT with a source", () => {
  expect(route("PUT /b/k", { "x-amz-copy-source": "/b/j" })).toBe("CopyObject");
});

test.each([
  "GET /b?policy",
  "PUT /b?policy",
  "DELETE /b?lifecycle",
  "GET /b?versions",
  "GET /b?uploads",
  "DELETE /b?anything-new",
  "PUT /b/k?tagging",
  "PUT /b/k?partNumber=1&uploadId=u",
  "GET /b/k?versionId=v",
  "DELETE /b/k?versionId=v",
  "DELETE /b/k?uploadId=u",
  "POST /b/k?uploads",
  "POST /b",
])("%s is never answered as if it were plain", (line) => {
  expect(route(line)).toBe("NOT_IMPLEMENTED");
});

test.each(["PUT /", "OPTIONS /b/k", "PATCH /b", "POST /b/k"])("%s is not allowed", (line) => {
  expect(route(line)).toBe("METHOD_NOT_ALLOWED");
});

import { sigV4 } from "./sigv4";

/** The credentials and the moment of the examples in the page that sigv4.ts names. */
const credentials = {
  accessKey: "AKIAIOSFODNN7EXAMPLE",
  secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  region: "us-east-1",
};
const host = "examplebucket.s3.amazonaws.com";
const now = () => new Date("2013-05-24T00:00:00.000Z");
const dialect = sigV4(credentials, { now });
const signatureOf = (head: string) => /Signature=([0-9a-f]{64})\r\n/.exec(head)?.[1];

test("a listing is signed as the page's example of it", () => {
  const payload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  const head = sigV4(credentials, { now, payload }).head("GET", host, "/?max-keys=2&prefix=J");
  expect(signatureOf(head)).toBe("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
});

test("a head carries the fields that it signs", () => {
  const head = dialect.head("PUT", host, "/a", { bodyBytes: 5 });
  expect(head).toContain("PUT /a HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\n");
  expect(head).toContain("Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,");
  expect(head).toContain("\r\nx-amz-date: 20130524T000000Z\r\n");
  expect(head).toContain("\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\n");
  expect(head).toMatch(/Content-Length: 5\r\n\r\n$/);
});

test("every part of a request changes its signature; the order of the query does not", () => {
  const heads = [
    dialect.head("GET", host, "/a"),
    dialect.head("PUT", host, "/a"),
    dialect.head("GET", host, "/b"),
    dialect.head("GET", "other", "/a"),
    dialect.head("GET", host, "/a?x=1"),
    sigV4({ ...credentials, secretKey: "x" }, { now }).head("GET", host, "/a"),
    sigV4(credentials, { now: () => new Date("2013-05-25T00:00:00Z") }).head("GET", host, "/a"),
  ];
  expect(new Set(heads.map(signatureOf)).size).toBe(heads.length);
  const query = (text: string) => signatureOf(dialect.head("GET", host, `/?${text}`));
  expect(query("prefix=J&max-keys=2")).toBe(query("max-keys=2&prefix=J"));
});

import { inOneWay } from "../support/behaviour";

const statuses = (answer: string) =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));

inOneWay((store) => {
  let bucket: string;
  beforeAll(async () => {
    bucket = await store().bucket();
    await store().put(bucket, "k", "as it was");
  });
  const isUntouched = async () => {
    expect((await store().get(bucket, "k")).text).toBe("as it was");
    expect(await store().keys(bucket)).toEqual(["k"]);
  };
  const put = (...fields: string[]) => store().head("PUT", `/${bucket}/k`, ...fields);

  const requests: [string, () => string][] = [
    ["two Host fields", () => `${put("Host: other", "Content-Length: 1")}\r\na`],
    [
      "no Host field",
      () =>
        `PUT /${bucket}/k HTTP/1.1\r\nAuthorization: Bearer ${store().adminKey}\r\nContent-Length: 1\r\n\r\na`,
    ],
    ["two Authorization fields", () => `${put("Authorization: Bearer other", "Content-Length: 1")}\r\na`],
    [
      "two Range fields",
      () => `${store().head("GET", `/${bucket}/k`, "Range: bytes=0-1", "Range: bytes=2-3")}\r\n`,
    ],
    [
      "an absolute-form target",
      () => `${store().head("PUT", `http://elsewhere/${bucket}/k`, "Content-Length: 1")}\r\na`,
    ],
    ["an authority-form target", () => `${store().head("CONNECT", "elsewhere:443")}\r\n`],
    ["an asterisk target", () => `${store().head("OPTIONS", "*")}\r\n`],
    ["a target without slash", () => `${store().head("PUT", `${bucket}/k`, "Content-Length: 1")}\r\na`],
    ["a fragment", () => `${store().head("PUT", `/${bucket}/k#x`, "Content-Length: 1")}\r\na`],
    ["two different lengths", () => `${put("Content-Length: 1", "Content-Length: 2")}\r\nab`],
    ["the same length twice", () => `${put("Content-Length: 1", "Content-Length: 1")}\r\na`],
    ["a list of lengths", () => `${put("Content-Length: 1, 1")}\r\na`],
    ["a negative length", () => `${put("Content-Length: -1")}\r\na`],
    ["a length with a plus", () => `${put("Content-Length: +1")}\r\na`],
    ["a hexadecimal length", () => `${put("Content-Length: 0x1")}\r\na`],
    [
      "length and coding",
      () => `${put("Content-Length: 1", "Transfer-Encoding: chunked")}\r\n1\r\na\r\n0\r\n\r\n`,
    ],
    [
      "coding and length",
      () => `${put("Transfer-Encoding: chunked", "Content-Length: 1")}\r\n1\r\na\r\n0\r\n\r\n`,
    ],
    ["an unknown coding", () => `${put("Transfer-Encoding: gzip")}\r\na`],
    ["chunked not last", () => `${put("Transfer-Encoding: chunked, gzip")}\r\n1\r\na\r\n0\r\n\r\n`],
    [
      "chunked twice",
      () => `${put("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")}\r\n1\r\na\r\n0\r\n\r\n`,
    ],
    ["a space before the colon", () => `${put("Content-Length : 1")}\r\na`],
    ["a folded header", () => `${put("X-A: b\r\n c", "Content-Length: 1")}\r\na`],
    ["a chunk of no hexadecimal size", () => `${put("Transfer-Encoding: chunked")}\r\nzz\r\na\r\n0\r\n\r\n`],
    ["a chunk longer than said", () => `${put("Transfer-Encoding: chunked")}\r\n1\r\nabc\r\n0\r\n\r\n`],
    [
      "a chunk of 2^80 bytes",
      () => `${put("Transfer-Encoding: chunked")}\r\n${"f".repeat(20)}\r\na\r\n0\r\n\r\n`,
    ],
    ["HTTP/2 by prior knowledge", () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["no HTTP at all", () => "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n"],
    ["a space in the target", () => `${store().head("PUT", `/${bucket}/k k`, "Content-Length: 1")}\r\na`],
    ["bad percent encoding", () => `${store().head("PUT", `/${bucket}/%zz`, "Content-Length: 1")}\r\na`],
    ["NUL in the key", () => `${store().head("PUT", `/${bucket}/a%00b`, "Content-Length: 1")}\r\na`],
    ["a bare NUL", () => `${store().head("PUT", `/${bucket}/a\0b`, "Content-Length: 1")}\r\na`],
    ["a parameter twice", () => `${store().head("GET", `/${bucket}?prefix=a&prefix=b`)}\r\n`],
    [
      "65 parameters",
      () =>
        `${store().head("GET", `/${bucket}?${Array.from({ length: 65 }, (_, n) => `p${n}=1`).join("&")}`)}\r\n`,
    ],
  ];
  test.each(requests)("%s is refused with a clear error, and nothing is done", async (_name, request) => {
    const answer = await store().raw(request(), { endAfter: true });
    const [status = 0] = statuses(answer);
    // A CONNECT that is not answered, but closed, is a refusal too.
    if (answer !== "") expect([400, 405, 501]).toContain(status);
    expect(statuses(answer)).not.toContain(200);
    await isUntouched();
  });

  test("a header of more than 16 KiB is 431, and the connection is closed", async () => {
    const answer = await store().raw(`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${"a".repeat(20_000)}\r\n\r\n`, {
      endAfter: true,
    });
    expect(statuses(answer)).toEqual([431]);
  });

  test("requests in one packet are answered one after the other, in their order", async () => {
    const answer = await store().raw(
      `${put("Content-Length: 5")}\r\nfirst${store().head("GET", `/${bucket}/k`)}\r\n${store().head("PUT", `/${bucket}/k`, "Content-Length: 9")}\r\nas it was${store().head("GET", `/${bucket}/k`, "Connection: close")}\r\n`,
    );
    expect(statuses(answer)).toEqual([200, 200, 200, 200]);
    expect(answer.indexOf("\r\n\r\nfirst")).toBeGreaterThan(0);
    expect(answer.endsWith("\r\n\r\nas it was")).toBe(true);
    await isUntouched();
  });

  test("a body that would be taken for a request is not: the refused body is read or the connection closed", async () => {
    const smuggled = store().head("DELETE", `/${bucket}/k`);
    const answer = await store().raw(
      `PUT /${bucket}/k HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\nContent-Length: ${smuggled.length + 2}\r\n\r\n${smuggled}\r\n${store().head("GET", `/${bucket}/k`, "Connection: close")}\r\n`,
    );
    expect(statuses(answer)[0]).toBe(401);
    expect(statuses(answer)).not.toContain(204);
    await isUntouched();
  });

  test("trailers behind chunked coding are no headers", async () => {
    const answer = await store().raw(
      `${store().head("PUT", `/${bucket}/trailed`, "Transfer-Encoding: chunked", "Connection: close")}\r\n1\r\na\r\n0\r\nx-amz-meta-a: b\r\n\r\n`,
    );
    expect(statuses(answer)).toEqual([200]);
    const got = await store().get(bucket, "trailed");
    expect([got.text, got.headers["x-amz-meta-a"]]).toEqual(["a", undefined]);
    await store().ask("DELETE", `/${bucket}/trailed`);
  });
});

import { inFourWays, inOneWay, refusal } from "../support/behaviour";

inFourWays((store) => {
  test("what is said of the content comes back as it was said, with GET, HEAD and after a copy", async () => {
    const bucket = await store().bucket();
    const said = {
      "content-type": "text/css; charset=utf-8",
      "cache-control": "max-age=5, private",
      "content-disposition": 'attachment; filename="a b.css"',
      "content-encoding": "gzip",
      "content-language": "de, en",
      expires: "Thu, 01 Dec 2050 16:00:00 GMT",
      "x-amz-meta-colour": "blue",
      "x-amz-meta-empty": "",
      "x-amz-meta-latin": "caf\xe9",
      "x-amz-meta-word": "=?UTF-8?B?8J+YgA==?=",
      "x-amz-meta-__proto__": "kept",
      "x-amz-meta-constructor": "kept too",
    };
    expect((await store().put(bucket, "k", "x", said)).status).toBe(200);
    for (const method of ["GET", "HEAD"])
      expect((await store().ask(method, `/${bucket}/k`)).headers).toMatchObject(said);
    await store().ask("PUT", `/${bucket}/copy`, { headers: { "x-amz-copy-source": `/${bucket}/k` } });
    expect((await store().get(bucket, "copy")).headers).toMatchObject(said);
  });

  test("nothing said: a type for bytes, and no other header", async () => {
    const bucket = await store().bucket();
    await store().put(bucket, "k", "x");
    const { headers } = await store().get(bucket, "k");
    expect(headers["content-type"]).toBe("binary/octet-stream");
    for (const name of [
      "cache-control",
      "content-disposition",
      "content-encoding",
      "content-language",
      "expires",
    ])
      expect(headers[name]).toBeUndefined();
    expect(Object.keys(headers).filter((name) => name.startsWith("x-amz-meta-"))).toEqual([]);
  });

  test("2 KiB of user metadata are kept, a byte more is refused and makes nothing", async () => {
    const bucket = await store().bucket();
    const name = "abcd";
    const most = { [`x-amz-meta-${name}`]: "v".repeat(2048 - name.length) };
    expect((await store().put(bucket, "most", "x", most)).status).toBe(200);
    expect((await store().get(bucket, "most")).headers).toMatchObject(most);
    const more = { [`x-amz-meta-${name}`]: "v".repeat(2049 - name.length) };
    expect(refusal(await store().put(bucket, "more", "x", more))).toEqual([400, "MetadataTooLarge"]);
    expect(refusal(await store().put(bucket, "most", "y", more))).toEqual([400, "MetadataTooLarge"]);
    const got = await store().get(bucket, "most");
    expect([got.text, await store().keys(bucket)]).toEqual(["x", ["most"]]);
  });

  test("a PUT without metadata takes the former metadata away", async () => {
    const bucket = await store().bucket();
    await store().put(bucket, "k", "x", { "x-amz-meta-a": "b", "content-type": "text/plain" });
    await store().put(bucket, "k", "x");
    const { headers } = await store().get(bucket, "k");
    expect([headers["x-amz-meta-a"], headers["content-type"]]).toEqual([undefined, "binary/octet-stream"]);
  });
});

inOneWay((store) => {
  test("characters beyond Latin-1 that are not encoded are refused, and nothing is made", async () => {
    const bucket = await store().bucket();
    const smile = Buffer.from("\u{1F600}", "utf8").toString("latin1");
    const answer = await store().put(bucket, "k", "x", { "x-amz-meta-a": smile });
    expect(refusal(answer)).toEqual([400, "InvalidArgument"]);
    expect(answer.json.error.hint).toContain("=?UTF-8?B?");
    expect(await store().keys(bucket)).toEqual([]);
  });

  test.each([
    ["a bare newline", "x-amz-meta-a: b\nc"],
    ["a NUL", "x-amz-meta-a: b\0c"],
    ["a name with a space", "x-amz-meta a: b"],
  ])("a header field with %s is no HTTP: 400, and nothing is made", async (_name, field) => {
    const bucket = await store().bucket();
    const answer = await store().raw(
      `${store().head("PUT", `/${bucket}/k`, field, "Content-Length: 1")}\r\nx`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(await store().keys(bucket)).toEqual([]);
  });

  test("the same metadata twice is one value with both", async () => {
    const bucket = await store().bucket();
    await store().ask("PUT", `/${bucket}/k`, { body: "x", headers: { "x-amz-meta-a": ["1", "2"] } });
    expect((await store().get(bucket, "k")).headers["x-amz-meta-a"]).toBe("1, 2");
  });
});

import { inFourWays } from "../support/behaviour";

inFourWays((store) => {
  test("a Bearer client gets {error:{code,message,resource,requestId,hint}}", async () => {
    const answer = await store().ask("GET", "/no-such-bucket-here/a%20key");
    expect([answer.status, answer.headers["content-type"]]).toEqual([404, "application/json"]);
    expect(answer.json).toEqual({
      error: {
        code: "NoSuchBucket",
        message: expect.stringMatching(/\w/),
        resource: expect.stringContaining("no-such-bucket-here"),
        requestId: answer.headers["x-amz-request-id"],
        ...(answer.json.error.hint === undefined ? {} : { hint: expect.any(String) }),
      },
    });
    const anonymous = await store().ask("GET", "/b", { key: null, headers: { accept: "application/json" } });
    expect(anonymous.json.error.hint).toContain("Bearer s3_key_");
  });

  test("everybody else gets S3's XML document", async () => {
    const anonymous = await store().ask("GET", "/some-bucket/k%26k", { key: null });
    expect([anonymous.status, anonymous.headers["content-type"]]).toEqual([401, "application/xml"]);
    expect(anonymous.text).toMatch(
      /^<\?xml version="1.0" encoding="UTF-8"\?>\n<Error><Code>AccessDenied<\/Code><Message>[^<]+<\/Message><Resource>\/some-bucket\/k%26k<\/Resource><RequestId>[0-9A-F]{16}<\/RequestId><\/Error>$/,
    );
    const asked = await store().ask("GET", "/no-such-bucket-here", { headers: { accept: "text/xml" } });
    expect(asked.text).toContain("<Code>NoSuchBucket</Code>");
  });

  test("x-amz-request-id is on all answers, another each time", async () => {
    const bucket = await store().bucket();
    await store().put(bucket, "k", "x");
    const ids: unknown[] = [];
    for (const [method, path] of [
      ["GET", "/"],
      ["GET", `/${bucket}/k`],
      ["HEAD", `/${bucket}/absent`],
      ["DELETE", `/${bucket}/k`],
      ["PATCH", "/"],
      ["GET", "/%zz"],
      ["GET", "/_/health/live"],
      ["GET", "/_/api/v1/whoami"],
      ["GET", "/_/nothing"],
    ] as const) {
      const answer = await store().ask(method, path);
      expect([path, answer.headers["x-amz-request-id"]]).toEqual([
        path,
        expect.stringMatching(/^[0-9A-F]{16}$/),
      ]);
      ids.push(answer.headers["x-amz-request-id"]);
    }
    expect(new Set(ids).size).toBe(ids.length);
    expect(await store().raw("NONSENSE\r\n\r\n", { endAfter: true })).toMatch(
      /x-amz-request-id: [0-9A-F]{16}/,
    );
  });

  test("an error never repeats the key that was sent (I9)", async () => {
    const key = `s3_key_${"ab".repeat(32)}`;
    for (const path of ["/", "/b/k", "/_/api/v1/whoami"]) {
      const answer = await store().ask("GET", path, { key });
      expect([answer.status, answer.text.includes("abab")]).toEqual([401, false]);
    }
  });
});

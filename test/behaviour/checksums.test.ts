import { createHash, randomBytes } from "node:crypto";
import { crc32, crc32c } from "@node-rs/crc32";
import { Crc64Nvme } from "../../services/common/hashing/crc64nvme";
import { inFourWays, inOneWay, refusal } from "../support/behaviour";

const body = randomBytes(700_001);
const number32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes.toString("base64");
};
const digest = (algorithm: string, bytes: Uint8Array) => createHash(algorithm).update(bytes).digest("base64");
const sums: Record<string, (bytes: Uint8Array) => string> = {
  crc32: (bytes) => number32(crc32(bytes)),
  crc32c: (bytes) => number32(crc32c(bytes)),
  crc64nvme: (bytes) => new Crc64Nvme().update(bytes).digest().toString("base64"),
  sha1: (bytes) => digest("sha1", bytes),
  sha256: (bytes) => digest("sha256", bytes),
};
const names = Object.keys(sums);

inFourWays((store) => {
  let bucket: string;
  beforeAll(async () => {
    bucket = await store().bucket();
  });

  test.each(names)("x-amz-checksum-%s is checked, kept, and told to those who ask", async (name) => {
    const header = `x-amz-checksum-${name}`;
    const right = sums[name]?.(body) ?? "";
    const put = await store().put(bucket, name, body, { [header]: right });
    expect([put.status, put.headers[header]]).toEqual([200, right]);
    for (const method of ["GET", "HEAD"]) {
      const asked = await store().ask(method, `/${bucket}/${name}`, {
        headers: { "x-amz-checksum-mode": "ENABLED" },
      });
      expect([asked.headers[header], asked.headers["x-amz-checksum-type"]]).toEqual([right, "FULL_OBJECT"]);
      expect((await store().ask(method, `/${bucket}/${name}`)).headers[header]).toBeUndefined();
    }
    const wrong = sums[name]?.(Buffer.from("other")) ?? "";
    expect(refusal(await store().put(bucket, name, body.subarray(1), { [header]: wrong }))).toEqual([
      400,
      "BadDigest",
    ]);
    expect((await store().get(bucket, name)).bytes.equals(body)).toBe(true);
    expect(refusal(await store().put(bucket, `${name}-new`, body, { [header]: wrong }))).toEqual([
      400,
      "BadDigest",
    ]);
    expect((await store().get(bucket, `${name}-new`)).status).toBe(404);
  });

  test.each(names)("x-amz-sdk-checksum-algorithm: %s alone has it computed and kept", async (name) => {
    const put = await store().put(bucket, "computed", body, {
      "x-amz-sdk-checksum-algorithm": name.toUpperCase(),
    });
    expect([put.status, put.headers[`x-amz-checksum-${name}`]]).toEqual([200, sums[name]?.(body)]);
  });

  test("Content-MD5 is checked; a wrong one leaves the object as it was", async () => {
    expect((await store().put(bucket, "md5", body, { "content-md5": digest("md5", body) })).status).toBe(200);
    const wrong = await store().put(bucket, "md5", "other", { "content-md5": digest("md5", body) });
    expect(refusal(wrong)).toEqual([400, "BadDigest"]);
    expect((await store().get(bucket, "md5")).bytes.equals(body)).toBe(true);
  });

  test("x-amz-content-sha256 is checked when it is one", async () => {
    const hex = createHash("sha256").update(body).digest("hex");
    expect((await store().put(bucket, "sha", body, { "x-amz-content-sha256": hex })).status).toBe(200);
    expect(refusal(await store().put(bucket, "sha", "other", { "x-amz-content-sha256": hex }))).toEqual([
      400,
      "BadDigest",
    ]);
    expect((await store().get(bucket, "sha")).bytes.equals(body)).toBe(true);
  });

  test("a wrong checksum behind a body in chunked coding leaves nothing", async () => {
    async function* pieces() {
      for (let offset = 0; offset < body.length; offset += 50_000)
        yield body.subarray(offset, offset + 50_000);
    }
    const answer = await store().ask("PUT", `/${bucket}/chunked`, {
      body: pieces(),
      headers: { "x-amz-checksum-sha256": digest("sha256", Buffer.from("other")) },
    });
    expect(refusal(answer)).toEqual([400, "BadDigest"]);
    expect((await store().get(bucket, "chunked")).status).toBe(404);
  });

  test("a copy keeps the checksum of its source", async () => {
    const right = sums.crc32c?.(body) ?? "";
    await store().put(bucket, "summed", body, { "x-amz-checksum-crc32c": right });
    await store().ask("PUT", `/${bucket}/summed-copy`, {
      headers: { "x-amz-copy-source": `/${bucket}/summed` },
    });
    const head = await store().ask("HEAD", `/${bucket}/summed-copy`, {
      headers: { "x-amz-checksum-mode": "ENABLED" },
    });
    expect(head.headers["x-amz-checksum-crc32c"]).toBe(right);
  });
});

inOneWay((store) => {
  test.each([
    ["content-md5", "not base64!", "InvalidDigest"],
    ["content-md5", Buffer.alloc(15).toString("base64"), "InvalidDigest"],
    ["content-md5", createHash("md5").update("x").digest("hex"), "InvalidDigest"],
    ["x-amz-checksum-crc32", Buffer.alloc(5).toString("base64"), "InvalidDigest"],
    ["x-amz-checksum-sha256", "abc", "InvalidDigest"],
    ["x-amz-sdk-checksum-algorithm", "MD4", "InvalidRequest"],
    ["x-amz-content-sha256", "abc", "InvalidDigest"],
    ["x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "NotImplemented"],
    ["content-encoding", "aws-chunked", "NotImplemented"],
    ["x-amz-trailer", "x-amz-checksum-crc32", "NotImplemented"],
  ])("%s: %s is refused and makes nothing", async (name, value, code) => {
    const bucket = await store().bucket();
    expect(refusal(await store().put(bucket, "k", "x", { [name]: value }))[1]).toBe(code);
    expect(await store().keys(bucket)).toEqual([]);
  });

  test("two different x-amz-checksum-* are refused", async () => {
    const bucket = await store().bucket();
    const answer = await store().put(bucket, "k", "x", {
      "x-amz-checksum-crc32": number32(crc32("x")),
      "x-amz-checksum-crc32c": number32(crc32c("x")),
    });
    expect(refusal(answer)).toEqual([400, "InvalidRequest"]);
    expect(await store().keys(bucket)).toEqual([]);
  });
});

import { createHash } from "node:crypto";
import { crc32 } from "@node-rs/crc32";
import { inFourWays, inOneWay, refusal } from "../support/behaviour";

const xmlOf = (keys: readonly string[], quiet = false) =>
  `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${keys
    .map((key) => `<Object><Key>${key.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</Key></Object>`)
    .join("")}<Quiet>${quiet}</Quiet></Delete>`;

inFourWays((store) => {
  const remove = (bucket: string, body: string, headers: Record<string, string> = {}) =>
    store().ask("POST", `/${bucket}?delete`, { body, headers });

  test("a thousand keys go with one request, those that are not there too", async () => {
    const bucket = await store().bucket();
    const there = Array.from({ length: 20 }, (_, number) => `there/${number}`);
    await Promise.all([...there, "kept"].map((key) => store().put(bucket, key, "x")));
    const absent = Array.from({ length: 980 }, (_, number) => `absent/${number}`);
    const answer = await remove(bucket, xmlOf([...there, ...absent]));
    expect([answer.status, answer.json.deleted.length, answer.json.errors]).toEqual([200, 1000, []]);
    expect(await store().keys(bucket)).toEqual(["kept"]);
  });

  test("more than a thousand, or none, are refused and nothing is deleted", async () => {
    const bucket = await store().bucket();
    await store().put(bucket, "k", "x");
    const many = ["k", ...Array.from({ length: 1000 }, (_, number) => `n${number}`)];
    expect(refusal(await remove(bucket, xmlOf(many)))).toEqual([400, "MalformedXML"]);
    expect(refusal(await remove(bucket, xmlOf([])))).toEqual([400, "MalformedXML"]);
    expect((await store().get(bucket, "k")).text).toBe("x");
  });

  test("as JSON, quietly, and with a key that cannot be: each has an outcome of its own", async () => {
    const bucket = await store().bucket();
    await store().put(bucket, "a", "x");
    await store().put(bucket, "b", "x");
    const body = JSON.stringify({ objects: [{ key: "a" }, { key: "x".repeat(1025) }], quiet: false });
    const answer = await remove(bucket, body, { "content-type": "application/json" });
    expect(answer.json).toEqual({
      deleted: [{ key: "a" }],
      errors: [{ key: "x".repeat(1025), code: "KeyTooLongError", message: expect.any(String) }],
    });
    const quiet = await remove(bucket, xmlOf(["b", "absent"], true), { accept: "application/xml" });
    expect(quiet.text).toContain("<DeleteResult");
    expect(quiet.text).not.toContain("<Deleted>");
    expect(await store().keys(bucket)).toEqual([]);
  });

  test("keys that XML has to escape", async () => {
    const bucket = await store().bucket();
    const keys = ["a&b", "a<b", "a>b", 'a"b', "é\u{1F600}", " lead", "a  b"];
    await Promise.all(keys.map((key) => store().put(bucket, key, "x")));
    expect((await remove(bucket, xmlOf(keys))).json.errors).toEqual([]);
    expect(await store().keys(bucket)).toEqual([]);
  });

  test("a body that does not match its checksum deletes nothing", async () => {
    const bucket = await store().bucket();
    await store().put(bucket, "k", "x");
    const body = xmlOf(["k"]);
    const crc = (text: string) => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(crc32(text));
      return bytes.toString("base64");
    };
    const md5 = (text: string) => createHash("md5").update(text).digest("base64");
    for (const headers of [{ "content-md5": md5("other") }, { "x-amz-checksum-crc32": crc("other") }]) {
      expect(refusal(await remove(bucket, body, headers))).toEqual([400, "BadDigest"]);
      expect((await store().get(bucket, "k")).text).toBe("x");
    }
    const good = { "content-md5": md5(body), "x-amz-checksum-crc32": crc(body) };
    expect((await remove(bucket, body, good)).status).toBe(200);
    expect(await store().keys(bucket)).toEqual([]);
  });
});

inOneWay((store) => {
  const deep = `<Delete>${"<Object>".repeat(40)}${"</Object>".repeat(40)}</Delete>`;
  const deepJson = `{"objects":${"[".repeat(40)}${"]".repeat(40)}}`;
  const json = "application/json";
  test.each([
    ["a DOCTYPE", '<!DOCTYPE Delete [<!ENTITY x "k">]><Delete><Object><Key>&x;</Key></Object></Delete>', ""],
    ["an entity of its own", "<Delete><Object><Key>&x;</Key></Object></Delete>", ""],
    ["an element that is not closed", "<Delete><Object><Key>k</Key></Object>", ""],
    ["too deep XML", deep, ""],
    ["another root", "<Erase><Object><Key>k</Key></Object></Erase>", ""],
    ["an Object without Key", "<Delete><Object></Object></Delete>", ""],
    ["an unknown element", "<Delete><Key>k</Key></Delete>", ""],
    ["nothing", "", ""],
    ["bytes that are no UTF-8", "<Delete><Object><Key>\xff</Key></Object></Delete>", ""],
    ["more than 2 MiB", `<Delete><Object><Key>k</Key></Object>${" ".repeat(2 * 1024 * 1024)}</Delete>`, ""],
    ["too many elements", `<Delete>${"<Object><Key>k</Key></Object>".repeat(6000)}</Delete>`, ""],
    ["no JSON", "{", json],
    ["too deep JSON", deepJson, json],
    ["__proto__ in JSON", '{"objects":[{"key":"k","__proto__":{"x":1}}]}', json],
    ["an unknown member in JSON", '{"objects":[{"key":"k"}],"force":true}', json],
    ["a number as key", '{"objects":[{"key":1}]}', json],
    ["an array as JSON", '[{"key":"k"}]', json],
  ])("a body with %s is refused with 400, and nothing is deleted", async (_name, body, type) => {
    const bucket = await store().bucket();
    await store().put(bucket, "k", "x");
    const answer = await store().ask("POST", `/${bucket}?delete`, {
      body: Buffer.from(body, "latin1"),
      ...(type === "" ? {} : { headers: { "content-type": type } }),
    });
    expect(answer.status).toBe(400);
    expect((await store().get(bucket, "k")).text).toBe("x");
  });

  test("versions, which are not implemented, are refused and not ignored", async () => {
    const bucket = await store().bucket();
    await store().put(bucket, "k", "x");
    const body = "<Delete><Object><Key>k</Key><VersionId>1</VersionId></Object></Delete>";
    expect((await store().ask("POST", `/${bucket}?delete`, { body })).status).toBe(501);
    expect((await store().get(bucket, "k")).text).toBe("x");
  });
});

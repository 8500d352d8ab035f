import { createHash } from "node:crypto";
import { inFourWays } from "../support/behaviour";
import type { HttpAnswer } from "../support/http";

const racers = 100;
const rounds = 2;

/** How many answers of each kind; with the code and sentence of what should not be among them. */
function countByStatus(answers: readonly HttpAnswer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, text } of answers) {
    const kind = status === 200 || status === 412 ? String(status) : `${status} ${text}`;
    counts[kind.slice(0, 120)] = (counts[kind.slice(0, 120)] ?? 0) + 1;
  }
  return counts;
}

inFourWays((store) => {
  test("a hundred writers with If-None-Match: * on one key: exactly one wins a round", async () => {
    const bucket = await store().bucket();
    for (let round = 0; round < rounds; round++) {
      const key = `round-${round}`;
      const answers = await Promise.all(
        Array.from({ length: racers }, (_, racer) =>
          store().put(bucket, key, `racer ${racer}`, { "if-none-match": "*" }),
        ),
      );
      const winners = answers.flatMap(({ status }, racer) => (status === 200 ? [racer] : []));
      expect(countByStatus(answers)).toEqual({ 200: 1, 412: racers - 1 });
      expect((await store().get(bucket, key)).text).toBe(`racer ${winners[0]}`);
      expect(await store().keys(bucket, key)).toEqual([key]);
    }
  });

  test("a hundred writers with If-Match on one key: exactly one wins a round, and builds on what it knew", async () => {
    const bucket = await store().bucket();
    let etag = (await store().put(bucket, "k", "start")).headers.etag ?? "";
    for (let round = 0; round < rounds; round++) {
      const body = (racer: number) => `round ${round}, racer ${racer}`;
      const answers = await Promise.all(
        Array.from({ length: racers }, (_, racer) =>
          store().put(bucket, "k", body(racer), { "if-match": etag }),
        ),
      );
      const winners = answers.flatMap(({ status }, racer) => (status === 200 ? [racer] : []));
      expect(countByStatus(answers)).toEqual({ 200: 1, 412: racers - 1 });
      const winner = winners[0] ?? -1;
      expect((await store().get(bucket, "k")).text).toBe(body(winner));
      etag = answers[winner]?.headers.etag ?? "";
      expect(etag).toBe(`"${createHash("md5").update(body(winner)).digest("hex")}"`);
    }
  });

  test("a hundred writers without condition: all are acknowledged, one of them is there, whole", async () => {
    const bucket = await store().bucket();
    const bodies = Array.from({ length: racers }, (_, racer) => `racer ${racer} `.repeat(1 + racer * 20));
    const answers = await Promise.all(bodies.map((body) => store().put(bucket, "k", body)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const got = await store().get(bucket, "k");
    expect(bodies).toContain(got.text);
    expect(got.headers.etag).toBe(`"${createHash("md5").update(got.text).digest("hex")}"`);
    expect((await store().api("GET", `/buckets/${bucket}`)).json.usage).toEqual({
      objects: 1,
      sizeBytes: got.text.length,
    });
  });

  test("a counter that many raise by If-Match loses no step", async () => {
    const bucket = await store().bucket();
    await store().put(bucket, "counter", "0");
    let acknowledged = 0;
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        for (let step = 0; step < 3; ) {
          const got = await store().get(bucket, "counter");
          const raised = await store().put(bucket, "counter", String(Number(got.text) + 1), {
            "if-match": got.headers.etag ?? "",
          });
          if (raised.status !== 200) continue;
          step++;
          acknowledged++;
        }
      }),
    );
    expect([acknowledged, (await store().get(bucket, "counter")).text]).toEqual([30, "30"]);
  });

  test("a listing after each acknowledged write shows it; after each delete it does not", async () => {
    const bucket = await store().bucket();
    await Promise.all(
      Array.from({ length: 20 }, async (_, writer) => {
        for (let round = 0; round < rounds; round++) {
          const key = `k-${writer}-${round}`;
          const put = await store().put(bucket, key, `${writer} ${round}`, { "if-none-match": "*" });
          expect(put.status).toBe(200);
          const [object] = (await store().ask("GET", `/${bucket}?prefix=${key}&max-keys=1`)).json.objects;
          expect(object).toMatchObject({ key, etag: put.json.etag });
          if (round % 2 === 0) continue;
          expect((await store().ask("DELETE", `/${bucket}/${key}`)).status).toBe(204);
          expect((await store().ask("GET", `/${bucket}?prefix=${key}`)).json.objects).toEqual([]);
        }
      }),
    );
    expect(await store().keys(bucket)).toHaveLength((20 * rounds) / 2);
  });
});

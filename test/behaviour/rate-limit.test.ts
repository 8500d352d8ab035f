import { options } from "../../services/common/config/options";
import { inFourWays, inOneWay } from "../support/behaviour";
import { until } from "../support/until";

/** Begins when enough of the minute is left: a window that ends within a test would give it another quota. */
async function earlyInTheMinute(): Promise<void> {
  await until(() => new Date().getUTCSeconds() < 52, 15_000);
}

let hosts = 0;
/** An address that no other test counts under. */
const address = () => `10.9.${Math.floor(++hosts / 250)}.${(hosts % 250) + 1}`;

inFourWays(
  (store) => {
    const asks = async (key: string | null, from: string, times: number, path = "/") => {
      const answers = [];
      for (let time = 0; time < times; time++)
        answers.push(await store().ask("GET", path, { key, headers: { "x-forwarded-for": from } }));
      return answers;
    };
    const statuses = async (...asked: Parameters<typeof asks>) =>
      (await asks(...asked)).map(({ status }) => status);

    test("RATE_LIMIT requests a minute and address; RateLimit-* says what is left; then 429 with Retry-After", async () => {
      await earlyInTheMinute();
      const from = address();
      const answers = await asks(null, from, 6);
      expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401, 429]);
      expect(answers.map(({ headers }) => headers["ratelimit-remaining"])).toEqual([
        "4",
        "3",
        "2",
        "1",
        "0",
        "0",
      ]);
      for (const { headers } of answers) expect(headers["ratelimit-limit"]).toBe("5");
      const refused = answers[5];
      expect(Number(refused?.headers["retry-after"])).toBeGreaterThan(0);
      expect(Number(refused?.headers["retry-after"])).toBeLessThanOrEqual(60);
      expect(refused?.text).toContain("<Code>SlowDown</Code>");
      expect(await statuses(null, address(), 1)).toEqual([401]);
    });

    test("a request that is refused has no effect, and its body is not read", async () => {
      await earlyInTheMinute();
      const { text: key } = await store().makeKey({ requestsPerMinute: 0 });
      const headers = { "x-forwarded-for": address() };
      const bucket = `limited-${Date.now()}`;
      expect((await store().ask("PUT", `/${bucket}`, { key, headers })).status).toBe(200);
      expect((await store().ask("PUT", `/${bucket}/k`, { key, headers, body: "kept" })).status).toBe(200);
      for (let time = 0; time < 3; time++) await store().ask("GET", `/${bucket}`, { key, headers });
      expect((await store().ask("PUT", `/${bucket}/k`, { key, headers, body: "other" })).status).toBe(429);
      expect((await store().ask("PUT", `/${bucket}/new`, { key, headers, body: "x" })).status).toBe(429);
      expect((await store().ask("DELETE", `/${bucket}/k`, { key, headers })).status).toBe(429);
      const waiting = await store().raw(
        `PUT /${bucket}/k HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nX-Forwarded-For: ${headers["x-forwarded-for"]}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n`,
      );
      expect(waiting).toMatch(/^HTTP\/1\.1 429 /);
      expect([(await store().get(bucket, "k")).text, await store().keys(bucket)]).toEqual(["kept", ["k"]]);
    });

    test("failed logins count, and one IPv6 /64 is one address", async () => {
      await earlyInTheMinute();
      const network = `2001:db8:${++hosts}`;
      const answers: number[] = [];
      for (let host = 1; host <= 6; host++)
        answers.push(...(await statuses(`s3_key_${"1".repeat(64)}`, `${network}::${host}`, 1)));
      expect(answers).toEqual([401, 401, 401, 401, 401, 429]);
    });

    test("a key with a quota of its own counts by key from every address; the first admin's key has none", async () => {
      await earlyInTheMinute();
      const { text } = await store().makeKey({ requestsPerMinute: 2 });
      const answers: number[] = [];
      for (let time = 0; time < 3; time++) answers.push(...(await statuses(text, address(), 1)));
      expect(answers).toEqual([200, 200, 429]);
      const admin = await asks(store().adminKey, address(), 12);
      expect(admin.map(({ status, headers }) => [status, headers["ratelimit-limit"]])).toEqual(
        admin.map(() => [200, undefined]),
      );
    });

    test("health is never limited: a probe that is refused would restart a healthy process", async () => {
      const from = address();
      expect(await statuses(null, from, 8, "/_/health/live")).toEqual(Array(8).fill(200));
      expect(await statuses(null, from, 8, "/health")).toEqual(Array(8).fill(200));
    });

    test("what the client invents in X-Forwarded-For is not read", async () => {
      await earlyInTheMinute();
      const from = address();
      const answers: number[] = [];
      for (let time = 0; time < 6; time++)
        answers.push(...(await statuses(null, `10.0.0.${time}, ${from}`, 1)));
      expect(answers).toEqual([401, 401, 401, 401, 401, 429]);
    });
  },
  { rateLimit: "5", trustedProxies: "1" },
);

inOneWay(
  (store) => {
    test("the default of RATE_LIMIT gives an address a hundred requests a minute", async () => {
      await earlyInTheMinute();
      const first = await store().ask("GET", "/", { key: null });
      expect(first.headers).toMatchObject({ "ratelimit-limit": "100", "ratelimit-remaining": "99" });
      const rest = await Promise.all(
        Array.from({ length: 100 }, () => store().ask("GET", "/", { key: null })),
      );
      expect(rest.filter(({ status }) => status === 429)).toHaveLength(1);
    });
  },
  { rateLimit: options.rateLimit.default },
);

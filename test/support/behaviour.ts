import { randomUUID } from "node:crypto";
import type { OptionName } from "../../services/common/config/options";
import { fourWays, openTestStore, type TestStore, type Way } from "./four-ways";
import { encodeKey, encodeValue, Http, type HttpAnswer } from "./http";

export type MakeKey = {
  readonly permissions?: readonly ("read" | "write" | "admin")[];
  readonly buckets?: readonly string[];
  readonly requestsPerMinute?: number;
  readonly expiresAt?: string;
  /** Of whom; a new user when absent. */
  readonly userId?: string;
};

/** A store as the tests of behaviour see it: over HTTP alone, as its admin. */
export class StoreUnderTest extends Http {
  readonly #store: TestStore;

  constructor(store: TestStore) {
    super(store.url, store.adminKey);
    this.#store = store;
  }

  get adminKey(): string {
    return this.#store.adminKey;
  }

  /** Makes a bucket that no other test uses. */
  async bucket(owner: Http = this): Promise<string> {
    const name = `b-${randomUUID()}`;
    const made = await owner.ask("PUT", `/${name}`);
    if (made.status !== 200) throw new Error(`no bucket: ${made.status} ${made.text}`);
    return name;
  }

  put(bucket: string, key: string, body: string | Uint8Array, headers: Record<string, string> = {}) {
    return this.ask("PUT", `/${bucket}/${encodeKey(key)}`, { body, headers });
  }

  get(bucket: string, key: string, headers: Record<string, string> = {}) {
    return this.ask("GET", `/${bucket}/${encodeKey(key)}`, { headers });
  }

  /** Every key of a bucket, page by page, in the order in which they came. */
  async keys(bucket: string, prefix = ""): Promise<string[]> {
    const keys: string[] = [];
    let token = "";
    do {
      const page = await this.ask("GET", `/${bucket}?prefix=${encodeValue(prefix)}${token}`);
      if (page.status !== 200) throw new Error(`no listing: ${page.status} ${page.text}`);
      keys.push(...page.json.objects.map((object: { key: string }) => object.key));
      const next = page.json.nextContinuationToken;
      token = next === undefined ? "" : `&continuation-token=${encodeValue(next)}`;
    } while (token !== "");
    return keys;
  }

  /** The admin API. */
  api(method: string, path: string, body?: unknown, key: string | null = this.adminKey): Promise<HttpAnswer> {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    return this.ask(method, `/_/api/v1${path}`, { key, ...(text === undefined ? {} : { body: text }) });
  }

  /** A new user's key, or another one of `userId`; no rate limit unless one is given. */
  async makeKey(options: MakeKey = {}): Promise<{ userId: string; keyId: string; text: string; http: Http }> {
    const { userId: known, ...settings } = options;
    const userId = known ?? (await this.api("POST", "/users", { name: `u-${randomUUID()}` })).json.id;
    const made = await this.api("POST", `/users/${userId}/keys`, {
      name: "test",
      requestsPerMinute: -1,
      ...settings,
    });
    if (made.status !== 201) throw new Error(`no key: ${made.status} ${made.text}`);
    const { key, text } = made.json;
    return { userId, keyId: key.id, text, http: this.as(text) };
  }

  async end(): Promise<void> {
    this.close();
    await this.#store.close();
  }
}

/** Runs the same tests on {SQLite, PostgreSQL} × {in process, gRPC}; one store a way, opened once. */
export function inFourWays(
  behaviour: (store: () => StoreUnderTest, way: Way) => void,
  flags: Partial<Record<OptionName, string>> = {},
): void {
  describe.each(fourWays)("$engine, $carrier", (way) => withStore(way, behaviour, flags));
}

/** For what does not depend on database and transport: the edge alone decides it. */
export function inOneWay(
  behaviour: (store: () => StoreUnderTest, way: Way) => void,
  flags: Partial<Record<OptionName, string>> = {},
): void {
  const [way] = fourWays;
  describe(`${way.engine}, ${way.carrier}`, () => withStore(way, behaviour, flags));
}

function withStore(
  way: Way,
  behaviour: (store: () => StoreUnderTest, way: Way) => void,
  flags: Partial<Record<OptionName, string>>,
): void {
  let store: StoreUnderTest | undefined;
  beforeAll(async () => {
    store = new StoreUnderTest(await openTestStore(way, flags));
  }, 60_000);
  afterAll(() => store?.end());
  behaviour(() => {
    if (store === undefined) throw new Error("the store did not open");
    return store;
  }, way);
}

/** Status and S3 code of a refusal, JSON or XML. */
export function refusal(answer: HttpAnswer): [number, string] {
  const { text } = answer;
  if (text === "") return [answer.status, ""];
  return [
    answer.status,
    text.startsWith("{") ? answer.json.error.code : (/<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? ""),
  ];
}

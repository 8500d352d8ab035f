import { setTimeout as delay } from "node:timers/promises";
import { type Body, bodyOf, makeBody, md5Of } from "./bodies";
import { absent, Expected } from "./expected";
import type { Random } from "./random";
import type { Outcome, StoreClient } from "./store-client";

const maxKeysOfLane = 40;
/** A store that is away is asked again after this long, so that a lane does not spend its keys on it. */
const pauseAfterUnknownMs = 150;

/**
 * Puts, overwrites, deletes, copies, conditional puts, races, buckets, in a closed loop on several lanes at once. Each
 * lane has keys of its own, so that what must be there is known; a key with an unknown outcome is left alone until
 * `settle`, since a late request may still change it.
 */
export class MixedLoad {
  /** By key, of the bucket `bucket`. */
  readonly objects = new Map<string, Expected>();
  /** By name: "there" or absent. */
  readonly buckets = new Map<string, Expected>();
  /** Keys that were written to since the last `settle`. */
  readonly touched = new Set<string>();
  /** Answers that no correct store gives. */
  readonly wrong: string[] = [];
  acknowledged = 0;
  unknown = 0;
  /** Why outcomes are unknown, the first few. */
  readonly reasons: string[] = [];
  readonly #lanes: Lane[];
  #stop = true;
  #running: Promise<void>[] = [];

  constructor(
    readonly client: StoreClient,
    readonly bucket: string,
    random: Random,
    lanes = 6,
  ) {
    this.#lanes = Array.from({ length: lanes }, (_, index) => new Lane(this, `lane-${index}`, random));
  }

  get stopped(): boolean {
    return this.#stop;
  }

  start(): void {
    this.#stop = false;
    this.#running = this.#lanes.map((lane) => lane.run());
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await Promise.all(this.#running);
  }

  /** An acknowledged object of another's making. */
  know(key: string, value: string): void {
    const expected = this.objects.get(key) ?? new Expected();
    expected.acknowledged(value);
    this.objects.set(key, expected);
    this.touched.add(key);
    this.acknowledged += 1;
  }

  /** Nothing that was sent can still take effect: what is there now is what each name stands for from now on. */
  settle(observed: { objects: ReadonlyMap<string, string>; buckets: ReadonlySet<string> }): void {
    for (const [key, expected] of this.objects) expected.acknowledged(observed.objects.get(key) ?? absent);
    for (const [name, expected] of this.buckets)
      expected.acknowledged(observed.buckets.has(name) ? "there" : absent);
    this.touched.clear();
  }
}

class Lane {
  readonly #keys: string[] = [];
  #serial = 0;

  constructor(
    readonly load: MixedLoad,
    readonly name: string,
    readonly random: Random,
  ) {}

  async run(): Promise<void> {
    const steps: [weight: number, step: () => Promise<void>][] = [
      [26, () => this.#put(this.#anyKey())],
      [14, () => this.#put(this.#keyThatIs("there") ?? this.#newKey())],
      [12, () => this.#delete()],
      [12, () => this.#copy()],
      [8, () => this.#race()],
      [8, () => this.#putIfMatch()],
      [6, () => this.#putIfWrong()],
      [6, () => this.#scratchBucket()],
      [8, () => this.#read()],
    ];
    const all = steps.flatMap(([weight, step]) => Array.from({ length: weight }, () => step));
    while (!this.load.stopped) await this.random.pick(all)();
  }

  async #put(key: string, headers: Record<string, string> = {}, body = this.#body()): Promise<void> {
    const expected = this.#expected(key);
    await this.#note(key, expected, await this.#send("PUT", key, headers, body), body.md5);
  }

  async #delete(): Promise<void> {
    const key = this.#keyThatIs("there");
    if (key === undefined) return;
    await this.#note(key, this.#expected(key), await this.#send("DELETE", key), absent);
  }

  async #copy(): Promise<void> {
    const from = this.#keyThatIs("there");
    if (from === undefined) return;
    const value = this.#expected(from).sure as string;
    const key = this.#anyKey();
    if (key === from) return;
    const headers = { "x-amz-copy-source": `/${this.load.bucket}/${from}` };
    await this.#note(key, this.#expected(key), await this.#send("PUT", key, headers), value);
  }

  /** Two at once with If-None-Match: * on a key that is not there: one wins, whatever happens between. */
  async #race(): Promise<void> {
    const key = this.#keyThatIs(absent) ?? this.#newKey();
    const expected = this.#expected(key);
    const bodies = [this.#body(), this.#body()] as const;
    const outcomes = await Promise.all(
      bodies.map((body) => this.#send("PUT", key, { "if-none-match": "*" }, body)),
    );
    this.load.touched.add(key);
    const values = (kind: Outcome["kind"]) =>
      bodies.filter((_, index) => outcomes[index]?.kind === kind).map((body) => body.md5);
    const [won, lost, unknown] = [values("done"), values("refused"), values("unknown")];
    this.load.acknowledged += won.length + lost.length;
    this.load.unknown += unknown.length;
    if (won.length === 2) this.load.wrong.push(`${key}: two writers won with If-None-Match: *`);
    if (lost.length === 2) this.load.wrong.push(`${key}: no writer won with If-None-Match: *`);
    if (won.length > 0) expected.acknowledged(...won);
    else if (lost.length === 1) expected.acknowledged(...unknown);
    else for (const value of unknown) expected.maybe(value);
    await this.#pauseIf(unknown.length > 0);
  }

  async #putIfMatch(): Promise<void> {
    const key = this.#keyThatIs("there");
    if (key === undefined) return;
    await this.#put(key, { "if-match": `"${this.#expected(key).sure}"` });
  }

  /** A condition that does not hold: 412, and nothing changes (I6). */
  async #putIfWrong(): Promise<void> {
    const key = this.#keyThatIs("there");
    if (key === undefined) return;
    const headers: Record<string, string> =
      this.random.next() < 0.5 ? { "if-none-match": "*" } : { "if-match": `"${"0".repeat(32)}"` };
    const outcome = await this.#send("PUT", key, headers, this.#body());
    this.load.touched.add(key);
    if (outcome.kind === "done")
      this.load.wrong.push(`${key}: written though ${JSON.stringify(headers)} did not hold`);
    // What does not hold before cannot hold later: even an unknown outcome may not change the key.
    await this.#pauseIf(outcome.kind === "unknown");
  }

  async #scratchBucket(): Promise<void> {
    const name = `scratch-${this.load.bucket}-${this.name}-${this.#serial++}`;
    const expected = new Expected();
    this.load.buckets.set(name, expected);
    const made = await this.load.client.try("PUT", `/${name}`);
    await this.#noteBucket(name, expected, made, "there");
    if (made.kind !== "done" || this.random.next() < 0.3) return;
    await this.#noteBucket(name, expected, await this.load.client.try("DELETE", `/${name}`), absent);
  }

  async #read(): Promise<void> {
    const key = this.random.pick([...this.#keys, ""]);
    const expected = this.load.objects.get(key);
    if (expected?.sure === undefined) return;
    const outcome = await this.#send("GET", key);
    if (outcome.kind === "unknown") return this.#pauseIf(true);
    const found = outcome.kind === "done" ? md5Of(outcome.answer.body) : absent;
    if (outcome.kind === "refused" && outcome.answer.status !== 404)
      this.load.wrong.push(`${key}: read gave ${outcome.answer.status}`);
    else if (!expected.allows(found))
      this.load.wrong.push(`${key}: read ${found} under load, expected ${expected.possible}`);
  }

  async #noteBucket(name: string, expected: Expected, outcome: Outcome, value: string): Promise<void> {
    if (outcome.kind === "done") expected.acknowledged(value);
    else if (outcome.kind === "unknown") expected.maybe(value);
    else this.load.wrong.push(`bucket ${name}: ${describe(outcome)}`);
    this.load[outcome.kind === "unknown" ? "unknown" : "acknowledged"] += 1;
    await this.#pauseIf(outcome.kind === "unknown");
  }

  #note(key: string, expected: Expected, outcome: Outcome, value: string): Promise<void> {
    this.load.touched.add(key);
    if (outcome.kind === "done") {
      expected.acknowledged(value);
      this.load.acknowledged += 1;
    } else if (outcome.kind === "unknown") {
      expected.maybe(value);
      this.load.unknown += 1;
    } else this.load.wrong.push(`${key}: ${describe(outcome)}, the key being ${expected.possible}`);
    return this.#pauseIf(outcome.kind === "unknown");
  }

  async #pauseIf(unknown: boolean): Promise<void> {
    if (unknown) await delay(pauseAfterUnknownMs);
  }

  async #send(
    method: string,
    key: string,
    headers: Record<string, string> = {},
    body?: Body,
  ): Promise<Outcome> {
    const options = body === undefined ? { headers } : { headers, body: body.bytes };
    const outcome = await this.load.client.try(method, `/${this.load.bucket}/${key}`, options);
    if (outcome.kind === "unknown" && this.load.reasons.length < 20)
      this.load.reasons.push(`${method} ${key}: ${outcome.why}`);
    return outcome;
  }

  #body(): Body {
    return makeBody(this.random, `${this.name}-${this.#serial++}`);
  }

  #anyKey(): string {
    const sure = this.#keys.filter((key) => this.#expected(key).sure !== undefined);
    return sure.length >= maxKeysOfLane ? this.random.pick(sure) : this.#newKey();
  }

  #keyThatIs(state: "there" | typeof absent): string | undefined {
    const matching = this.#keys.filter((key) => {
      const { sure } = this.#expected(key);
      return sure !== undefined && (sure === absent) === (state === absent);
    });
    return matching.length === 0 ? undefined : this.random.pick(matching);
  }

  #newKey(): string {
    const key = `${this.name}/${this.#serial++}`;
    this.#keys.push(key);
    this.load.objects.set(key, new Expected());
    return key;
  }

  #expected(key: string): Expected {
    const expected = this.load.objects.get(key);
    if (expected === undefined) throw new Error(`${key} was never made`);
    return expected;
  }
}

function describe(outcome: Outcome): string {
  return outcome.kind === "unknown"
    ? outcome.why
    : `${outcome.answer.status} ${outcome.answer.body.toString().slice(0, 200)}`;
}

/** Objects of a stated size, all acknowledged. */
export async function putObjects(
  client: StoreClient,
  bucket: string,
  random: Random,
  sizesBytes: readonly number[],
  prefix = "object",
): Promise<Map<string, Body>> {
  const bodies = new Map<string, Body>();
  for (const [index, sizeBytes] of sizesBytes.entries()) {
    const body = bodyOf(sizeBytes, random, `${prefix}-${index}`);
    await client.expect([200], "PUT", `/${bucket}/${prefix}-${index}`, { body: body.bytes });
    bodies.set(`${prefix}-${index}`, body);
  }
  return bodies;
}

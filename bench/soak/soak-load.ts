import { setTimeout as delay } from "node:timers/promises";
import { type Body, makeBody, md5Of } from "../../test/faults/support/bodies";
import { absent, Expected } from "../../test/faults/support/expected";
import type { Random } from "../../test/faults/support/random";
import type { Outcome, StoreClient } from "../../test/faults/support/store-client";

/** Few, so that what lies in the store at any time is bounded and what grows is the store's own. */
const keysALane = 24;
const pauseAfterUnknownMs = 200;
/** A request without a known outcome may still take effect; after this long it cannot. */
const settledAfterMs = 60_000;

/**
 * Puts, small and large, reads, heads, listings, copies and deletes in a closed loop on several lanes, every answer
 * checked. Each lane has keys of its own, so that what must be there is known. A key whose outcome is unknown is
 * given up: another takes its place, and it is removed once nothing that was sent can still change it.
 */
export class SoakLoad {
  /** Answers that no sound store gives; the first of them. */
  readonly wrong: string[] = [];
  /** Why outcomes are unknown, the first few. */
  readonly reasons: string[] = [];
  answered = 0;
  unknown = 0;
  #stopping = true;
  #running: Promise<void>[] = [];
  readonly #lanes: Lane[];

  constructor(
    readonly client: StoreClient,
    readonly bucket: string,
    random: Random,
    lanes: number,
  ) {
    this.#lanes = Array.from({ length: lanes }, (_, index) => new Lane(this, `lane-${index}`, random));
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  start(): void {
    this.#stopping = false;
    this.#running = this.#lanes.map((lane) => lane.run());
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#running);
  }

  complain(what: string): void {
    if (this.wrong.length < 50) this.wrong.push(what);
  }

  /** Removes the keys that were given up, when the load is stopped; for nothing that it sent is still on its way. */
  async settle(): Promise<void> {
    for (const lane of this.#lanes) await lane.removeGivenUp(Number.POSITIVE_INFINITY);
  }
}

class Lane {
  readonly #objects = new Map<string, Expected>();
  readonly #givenUp: { readonly key: string; readonly atMs: number }[] = [];
  #serial = 0;

  constructor(
    readonly load: SoakLoad,
    readonly name: string,
    readonly random: Random,
  ) {
    for (let key = 0; key < keysALane; key += 1) this.#newKey();
  }

  async run(): Promise<void> {
    const steps: [weight: number, step: (key: string) => Promise<void>][] = [
      [30, (key) => this.#put(key)],
      [30, (key) => this.#get(key)],
      [12, (key) => this.#head(key)],
      [6, () => this.#list()],
      [10, (key) => this.#copy(key)],
      [12, (key) => this.#delete(key)],
    ];
    const all = steps.flatMap(([weight, step]) => Array.from({ length: weight }, () => step));
    while (!this.load.stopping) {
      await this.random.pick(all)(this.random.pick([...this.#objects.keys()]));
      await this.removeGivenUp(performance.now() - settledAfterMs);
    }
  }

  /** Those given up before `beforeMs`. */
  async removeGivenUp(beforeMs: number): Promise<void> {
    const [first] = this.#givenUp;
    if (first === undefined || first.atMs > beforeMs) return;
    const outcome = await this.#send("DELETE", first.key);
    if (outcome.kind === "unknown") return;
    this.#givenUp.shift();
    if (beforeMs === Number.POSITIVE_INFINITY) await this.removeGivenUp(beforeMs);
  }

  async #put(key: string): Promise<void> {
    const body = makeBody(this.random, `${this.name}-${this.#serial++}`);
    const outcome = await this.#send("PUT", key, {}, body);
    if (outcome.kind === "done" && etagOf(outcome) !== body.md5)
      this.load.complain(`PUT ${key}: ETag ${etagOf(outcome)} for ${body.md5}`);
    this.#note("PUT", key, outcome, body.md5);
  }

  async #copy(key: string): Promise<void> {
    const from = this.#thatIsThere();
    if (from === undefined || from === key) return;
    const headers = { "x-amz-copy-source": `/${this.load.bucket}/${from}` };
    const value = this.#valueOf(from);
    this.#note("COPY", key, await this.#send("PUT", key, headers), value);
  }

  async #delete(key: string): Promise<void> {
    this.#note("DELETE", key, await this.#send("DELETE", key), absent);
  }

  async #get(key: string): Promise<void> {
    const outcome = await this.#send("GET", key);
    if (outcome.kind === "done") this.#compare("GET", key, md5Of(outcome.answer.body));
    else if (outcome.kind === "refused") this.#refused("GET", key, outcome.answer.status);
  }

  async #head(key: string): Promise<void> {
    const outcome = await this.#send("HEAD", key);
    if (outcome.kind === "done") this.#compare("HEAD", key, etagOf(outcome));
    else if (outcome.kind === "refused") this.#refused("HEAD", key, outcome.answer.status);
  }

  /** The lane's own keys: exactly those that must be there, each with its content's ETag. */
  async #list(): Promise<void> {
    const path = `/${this.load.bucket}?list-type=2&prefix=${this.name}/&max-keys=1000`;
    const outcome = await this.load.client.try("GET", path);
    if (this.#isUnknown(`LIST ${this.name}`, outcome)) return;
    if (outcome.kind !== "done") return this.load.complain(`LIST ${this.name}: ${outcome.kind}`);
    const { objects } = JSON.parse(outcome.answer.body.toString()) as {
      objects: { key: string; etag: string }[];
    };
    const listed = new Map(objects.map(({ key, etag }) => [key, etag.replaceAll('"', "")]));
    for (const key of this.#objects.keys()) this.#compare("LIST", key, listed.get(key) ?? absent);
    const givenUp = new Set(this.#givenUp.map(({ key }) => key));
    for (const key of listed.keys())
      if (!this.#objects.has(key) && !givenUp.has(key)) this.load.complain(`LIST: ${key} was never put`);
  }

  #note(verb: string, key: string, outcome: Outcome, value: string): void {
    if (outcome.kind === "done") this.#expected(key).acknowledged(value);
    else if (outcome.kind === "refused")
      this.load.complain(
        `${verb} ${key}: ${outcome.answer.status} ${outcome.answer.body.toString().slice(0, 200)}`,
      );
    else {
      this.#objects.delete(key);
      this.#givenUp.push({ key, atMs: performance.now() });
      this.#newKey();
    }
  }

  #refused(verb: string, key: string, status: number): void {
    if (status === 404) this.#compare(verb, key, absent);
    else this.load.complain(`${verb} ${key}: ${status}`);
  }

  #compare(verb: string, key: string, found: string): void {
    const value = this.#valueOf(key);
    if (found !== value) this.load.complain(`${verb} ${key}: ${found} in place of ${value}`);
  }

  async #send(
    method: string,
    key: string,
    headers: Record<string, string> = {},
    body?: Body,
  ): Promise<Outcome> {
    const options = body === undefined ? { headers } : { headers, body: body.bytes };
    const outcome = await this.load.client.try(method, `/${this.load.bucket}/${key}`, options);
    if (this.#isUnknown(`${method} ${key}`, outcome)) await delay(pauseAfterUnknownMs);
    return outcome;
  }

  #isUnknown(what: string, outcome: Outcome): boolean {
    if (outcome.kind !== "unknown") {
      this.load.answered += 1;
      return false;
    }
    this.load.unknown += 1;
    if (this.load.reasons.length < 20) this.load.reasons.push(`${what}: ${outcome.why}`);
    return true;
  }

  #thatIsThere(): string | undefined {
    const there = [...this.#objects.keys()].filter((key) => this.#valueOf(key) !== absent);
    return there.length === 0 ? undefined : this.random.pick(there);
  }

  #valueOf(key: string): string {
    const { sure } = this.#expected(key);
    if (sure === undefined) throw new Error(`${key} was to be given up`);
    return sure;
  }

  #expected(key: string): Expected {
    const expected = this.#objects.get(key);
    if (expected === undefined) throw new Error(`${key} was never made`);
    return expected;
  }

  #newKey(): void {
    this.#objects.set(`${this.name}/${this.#serial++}`, new Expected());
  }
}

function etagOf(outcome: Extract<Outcome, { kind: "done" }>): string {
  return String(outcome.answer.headers.etag).replaceAll('"', "");
}

import { type GatewayName, gatewayNames } from "./cluster";
import { createBucket, deleteBucket, findBucket } from "./workload/buckets";
import { type BucketRef, Clients, keysOf, type RunParts, WrongAnswer } from "./workload/clients";
import { someConditions } from "./workload/conditions";
import { getObject, headObject, listObjects, someReading } from "./workload/reads";
import { copyObject, deleteObject, deleteObjects, putObject } from "./workload/writes";

/** Clients that do random things through both gateways and write down what they were answered. */
export class Workload {
  readonly #clients: Clients;
  #left: number;

  constructor(parts: RunParts, steps: number) {
    this.#clients = new Clients(parts);
    this.#left = steps;
  }

  get clock() {
    return this.#clients.clock;
  }

  get acknowledged(): number {
    return this.#clients.acknowledged;
  }

  /** The first bucket, before any fault. */
  async begin(): Promise<void> {
    await createBucket(this.#clients, "clients", "alpha");
    if (!this.#clients.buckets.has("alpha")) throw new WrongAnswer("no bucket though no fault was made");
  }

  /** One client: one operation after the other until all steps of all clients are done. */
  async client(name: string): Promise<void> {
    const { random } = this.#clients;
    while (this.#left > 0) {
      this.#left -= 1;
      await this.#operation(name);
      const pauseMs = random.next() < 0.15 ? 3_000 * random.next() : 100 * random.next();
      await this.clock.sleep(pauseMs);
    }
  }

  /** Reads every key of every bucket through a gateway. Retries until there is an answer; throws after `tries`. */
  async readAll(gateway: GatewayName, tries: number): Promise<void> {
    for (const [bucketId, keys] of this.#clients.keysOfBucket)
      for (const key of keys) await this.#readOne(gateway, { bucketId, configVersion: 1n }, key, tries);
  }

  async #readOne(gateway: GatewayName, bucket: BucketRef, key: string, tries: number): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const effect = await getObject(this.#clients, "at the end", gateway, bucket, key, {});
      if (effect !== undefined) return;
      if (attempt === tries)
        throw new WrongAnswer(
          `${bucket.bucketId}/${key} cannot be read through ${gateway} though all is healed`,
        );
      await this.clock.sleep(1_000);
    }
  }

  async #operation(client: string): Promise<void> {
    const clients = this.#clients;
    const { random } = clients;
    const gateway = random.pick(gatewayNames);
    const name = random.next() < 0.8 ? "alpha" : "beta";
    const bucket = clients.buckets.get(name);
    if (bucket === undefined || (name === "beta" && random.next() < 0.15))
      return this.#bucketOperation(client, name, bucket);
    const key = random.pick<string>(keysOf[name]);
    const kind = random.next();
    if (kind < 0.4)
      await putObject(clients, client, gateway, bucket, key, someConditions(clients, bucket, key));
    else if (kind < 0.64) await getObject(clients, client, gateway, bucket, key, someReading(clients));
    else if (kind < 0.68) await headObject(clients, client, gateway, bucket, key);
    else if (kind < 0.75) await deleteObject(clients, client, gateway, bucket, key);
    else if (kind < 0.78) await deleteObjects(clients, client, gateway, bucket, keysOf[name]);
    else if (kind < 0.9) await copyObject(clients, client, gateway, bucket, name, key);
    else await listObjects(clients, client, gateway, bucket, keysOf[name]);
  }

  #bucketOperation(client: string, name: string, bucket: BucketRef | undefined): Promise<void> {
    const clients = this.#clients;
    if (bucket === undefined || clients.random.next() < 0.4) return createBucket(clients, client, name);
    if (clients.random.next() < 0.7) return deleteBucket(clients, client, name, bucket);
    return findBucket(clients, client, name);
  }
}

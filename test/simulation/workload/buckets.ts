import { executeCommand } from "../../../services/bucket/execute-command";
import { newId } from "../../../services/common/ids/uuid";
import { absent, closed, type Effect } from "../model/history";
import { type BucketRef, type Clients, type Effects, WrongAnswer } from "./clients";

const ownerId = "0198c000-0000-7000-8000-000000000001";

export function findBucket(clients: Clients, client: string, name: string): Promise<void> {
  return clients.ask(
    client,
    `find bucket ${name}`,
    async () => {
      const { bucket: found } = await clients.metadata.getBucket(
        { by: { case: "name", value: name } },
        clients.call(),
      );
      if (found !== undefined) clients.learn(name, found);
      return [[name, { kind: "read", value: found?.id ?? absent }]];
    },
    (reason) => (reason === "NO_SUCH_BUCKET" ? [[name, { kind: "read", value: absent }]] : undefined),
  );
}

export function createBucket(clients: Clients, client: string, name: string): Promise<void> {
  const bucketId = newId();
  const effect: Effect = { kind: "write", value: bucketId, when: { is: "absent" } };
  return clients.ask(
    client,
    `create bucket ${name} ${bucketId}`,
    async () => {
      const value = { bucketId, name, ownerId };
      const result = await executeCommand(
        clients.metadata,
        { case: "createBucket", value },
        clients.call(),
        clients.clock,
      );
      if (result.case !== "bucket" || result.value.bucket === undefined) throw new WrongAnswer("no bucket");
      clients.learn(name, result.value.bucket);
      if (result.value.created) return [[name, effect]];
      return [[name, { kind: "read", value: result.value.bucket.id }]];
    },
    undefined,
    () => [[name, effect]],
  );
}

export function deleteBucket(
  clients: Clients,
  client: string,
  name: string,
  bucket: BucketRef,
): Promise<void> {
  const { bucketId } = bucket;
  const gone: Effects = (clients.keysOfBucket.get(bucketId) ?? []).map((key) => [
    `${bucketId}/${key}`,
    { kind: "write", value: closed, when: { is: "absent" } },
  ]);
  const freed: Effect = { kind: "write", value: absent, when: { is: "value", value: bucketId } };
  return clients.ask(
    client,
    `delete bucket ${name} ${bucketId}`,
    async () => {
      await executeCommand(
        clients.metadata,
        { case: "deleteBucket", value: { bucketId } },
        clients.call(),
        clients.clock,
      );
      if (clients.buckets.get(name)?.bucketId === bucketId) clients.buckets.delete(name);
      return [[name, freed], ...gone];
    },
    (reason) => {
      if (reason === "BUCKET_NOT_EMPTY") return [];
      if (reason !== "NO_SUCH_BUCKET") return undefined;
      if (clients.buckets.get(name)?.bucketId === bucketId) clients.buckets.delete(name);
      return gone.map(([register]) => [register, { kind: "read", value: closed }]);
    },
    () => [[name, freed], ...gone],
  );
}

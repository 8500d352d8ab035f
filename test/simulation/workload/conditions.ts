import type { MessageInitShape } from "@bufbuild/protobuf";
import type { WriteConditionsSchema } from "../../../gen/cairn/common/v1/common_pb";
import type { Condition } from "../model/history";
import type { BucketRef, Clients } from "./clients";

type Conditions = MessageInitShape<typeof WriteConditionsSchema>;

/** None, that the key is absent, or that it is what was seen last. */
export function someConditions(clients: Clients, bucket: BucketRef, key: string): Condition | undefined {
  const { random } = clients;
  const kind = random.next();
  if (kind < 0.55) return undefined;
  if (kind < 0.75) return { is: "absent" };
  const value = clients.lastSeen.get(`${bucket.bucketId}/${key}`);
  return value === undefined ? undefined : { is: "value", value };
}

export function conditionsOf(when: Condition | undefined): Conditions | undefined {
  if (when === undefined) return undefined;
  return when.is === "value" ? { ifMatch: [when.value] } : { ifNoneMatch: ["*"] };
}

/** For the trace. */
export function said(when: Condition | undefined): string {
  if (when === undefined) return "always";
  return when.is === "value" ? `if ${when.value.slice(0, 8)}` : `if ${when.is}`;
}

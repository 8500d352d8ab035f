import type { ObjectService } from "../../gen/cairn/object/v1/object_pb";
import { CairnError } from "../common/errors/cairn-error";
import type { ServiceImpl } from "../common/rpc/service";
import type { ClusterView } from "./cluster-view";
import type { Commits, MetadataClient } from "./commit";
import { copyObject } from "./copy-object";
import { deleteObject, deleteObjects } from "./delete-objects";
import { getCluster } from "./get-cluster";
import { type GetDependencies, getObject, getSmallObject, headObject } from "./get-object";
import { acceptHistory } from "./healing/accept-history";
import { getHealing } from "./healing/get-healing";
import { locateObject } from "./healing/locate-object";
import { drain, type OperatorDependencies, rebalance, remove, scrub } from "./healing/operator-words";
import { type VerifyDependencies, verifyVolume } from "./healing/verify-volume";
import { listObjects } from "./list-objects";
import type { ObjectMetrics } from "./metrics";
import { type PutDependencies, putObject } from "./put-object";
import { putSmallObject } from "./put-small-object";
import { PutStream } from "./put-stream";
import type { Traffic } from "./traffic";

export type ObjectRpcDependencies = {
  readonly metadata: MetadataClient;
  readonly commits: Commits;
  readonly cluster: ClusterView;
  readonly put: PutDependencies;
  readonly get: GetDependencies;
  readonly maxDecisions: number;
  readonly metrics: ObjectMetrics;
  readonly operator: OperatorDependencies;
  readonly verify: VerifyDependencies;
  /** Users' requests are told to it. */
  readonly traffic: Traffic;
};

/** The contract's side of the service: messages in, messages out. */
export function objectRpc(deps: ObjectRpcDependencies): ServiceImpl<typeof ObjectService> {
  const { metadata, commits, maxDecisions, traffic } = deps;
  return {
    async putObject(requests, call) {
      traffic.touch();
      const stream = new PutStream(requests, call);
      try {
        return { info: await putObject(deps.put, await stream.header(), stream, call) };
      } finally {
        stream.close();
      }
    },
    async putSmallObject({ header, content, finish }, call) {
      traffic.touch();
      if (header === undefined || finish === undefined) throw new CairnError("INVALID_ARGUMENT");
      return { info: await putSmallObject(deps.put, header, content, finish, call) };
    },
    getSmallObject: ({ read }, call) => {
      traffic.touch();
      if (read === undefined) throw new CairnError("INVALID_ARGUMENT");
      return getSmallObject(deps.get, read, call);
    },
    getObject: (request, call) => {
      traffic.touch();
      return getObject(deps.get, request, call);
    },
    headObject: async (request, call) => {
      traffic.touch();
      return { header: await headObject(deps.get, request, call) };
    },
    deleteObject: (request, call) => {
      traffic.touch();
      return deleteObject(commits, request, call);
    },
    deleteObjects: async (request, call) => {
      traffic.touch();
      return { results: await deleteObjects(commits, request, maxDecisions, call) };
    },
    copyObject: (request, call) => {
      traffic.touch();
      return copyObject({ metadata, commits, maxDecisions }, request, call);
    },
    listObjects: (request, call) => {
      traffic.touch();
      return listObjects(metadata, request, call);
    },
    getCluster: (_, call) => getCluster(deps, call),
    drain: (request, call) => drain(deps.operator, request, call),
    remove: (request, call) => remove(deps.operator, request, call),
    rebalance: (_, call) => rebalance(deps.operator, call),
    scrub: (request, call) => scrub(deps.operator, request, call),
    getHealing: (_, call) => getHealing(deps, call),
    verifyVolume: (request, call) => verifyVolume(deps.verify, request, call),
    locateObject: (request, call) => locateObject(deps, request, call),
    acceptHistory: (request, call) => acceptHistory(deps.operator, metadata, request, call),
  };
}

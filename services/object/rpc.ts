import type { ObjectService } from "../../gen/cairn/object/v1/object_pb";
import { CairnError } from "../common/errors/cairn-error";
import type { ServiceImpl } from "../common/rpc/service";
import type { ClusterView } from "./cluster-view";
import type { Commits, MetadataClient } from "./commit";
import { copyObject } from "./copy-object";
import { deleteObject, deleteObjects } from "./delete-objects";
import { getCluster } from "./get-cluster";
import { type GetDependencies, getObject, getSmallObject, headObject } from "./get-object";
import { listObjects } from "./list-objects";
import type { ObjectMetrics } from "./metrics";
import { type PutDependencies, putObject } from "./put-object";
import { putSmallObject } from "./put-small-object";
import { PutStream } from "./put-stream";

export type ObjectRpcDependencies = {
  readonly metadata: MetadataClient;
  readonly commits: Commits;
  readonly cluster: ClusterView;
  readonly put: PutDependencies;
  readonly get: GetDependencies;
  readonly maxDecisions: number;
  readonly metrics: ObjectMetrics;
};

/** The contract's side of the service: messages in, messages out. */
export function objectRpc(deps: ObjectRpcDependencies): ServiceImpl<typeof ObjectService> {
  const { metadata, commits, maxDecisions } = deps;
  return {
    async putObject(requests, call) {
      const stream = new PutStream(requests, call);
      try {
        return { info: await putObject(deps.put, await stream.header(), stream, call) };
      } finally {
        stream.close();
      }
    },
    async putSmallObject({ header, content, finish }, call) {
      if (header === undefined || finish === undefined) throw new CairnError("INVALID_ARGUMENT");
      return { info: await putSmallObject(deps.put, header, content, finish, call) };
    },
    getSmallObject: ({ read }, call) => {
      if (read === undefined) throw new CairnError("INVALID_ARGUMENT");
      return getSmallObject(deps.get, read, call);
    },
    getObject: (request, call) => getObject(deps.get, request, call),
    headObject: async (request, call) => ({ header: await headObject(deps.get, request, call) }),
    deleteObject: (request, call) => deleteObject(commits, request, call),
    deleteObjects: async (request, call) => ({
      results: await deleteObjects(commits, request, maxDecisions, call),
    }),
    copyObject: (request, call) => copyObject({ metadata, commits, maxDecisions }, request, call),
    listObjects: (request, call) => listObjects(metadata, request, call),
    getCluster: (_, call) => getCluster(deps, call),
  };
}

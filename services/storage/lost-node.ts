import { StorageService } from "../../gen/cairn/storage/v1/storage_pb";
import { CairnError } from "../common/errors/cairn-error";
import type { RunningService } from "../common/lifecycle/running-service";
import type { Metrics } from "../common/metrics/metrics";
import { mapMethods, type ServiceImpl } from "../common/rpc/service";
import type { LostFolder } from "./disk-failure";
import { StorageMetrics } from "./metrics";

/**
 * Stands for a node whose only folder is lost, in a process that has others: it answers no call, as a node that is
 * down does not, and its health and metrics name the folder.
 */
export function lostNode(
  { folder, why }: LostFolder,
  metrics: Metrics,
): RunningService<typeof StorageService> {
  new StorageMetrics(metrics).lost(folder);
  const refuse = () => {
    throw new CairnError("SERVICE_UNAVAILABLE", {
      message: `The folder ${folder} was lost at the start: ${why}`,
    });
  };
  return {
    service: mapMethods<typeof StorageService, ServiceImpl<typeof StorageService>>(
      StorageService,
      ({ methodKind }) =>
        methodKind === "server_streaming"
          ? // biome-ignore lint/correctness/useYield: it refuses before the first message
            async function* () {
              refuse();
            }
          : async () => refuse(),
    ),
    health: async () => [
      { name: `volume ${folder}`, ok: false, latencyMs: 0, detail: `lost at the start: ${why}` },
    ],
    close: async () => {},
  };
}

import { Counter } from "prom-client";
import type { IdentityService } from "../../gen/cairn/identity/v1/identity_pb";
import { toCairnError } from "../common/errors/cairn-error";
import type { Metrics } from "../common/metrics/metrics";
import type { ServiceImpl } from "../common/rpc/service";

/** Counts what came of each key that was looked up: a burst of invalid ones is somebody guessing. */
export function countAuthentications(
  service: ServiceImpl<typeof IdentityService>,
  metrics: Metrics,
): ServiceImpl<typeof IdentityService> {
  const outcomes = new Counter({
    name: "cairn_identity_authentications_total",
    help: "Bearer keys that were looked up, by what came of it.",
    labelNames: ["outcome"] as const,
    registers: [metrics],
  });
  return {
    ...service,
    authenticate: async (request, call) => {
      try {
        const answer = await service.authenticate(request, call);
        outcomes.inc({ outcome: "ok" });
        return answer;
      } catch (error) {
        outcomes.inc({ outcome: toCairnError(error).reason.toLowerCase() });
        throw error;
      }
    },
  };
}

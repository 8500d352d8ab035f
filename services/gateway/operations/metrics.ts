import type { Metrics } from "../../common/metrics/metrics";
import { authoriseAdmin } from "../auth/authorise";
import { principalOf } from "../s3/s3-operation";
import type { Operation } from "./pipeline";

/** `/_/metrics` on the public port: for admins only (DESIGN §10); OPS_PORT serves the same without a key. */
export function metricsOperation(metrics: Metrics): Operation {
  return {
    name: "Metrics",
    key: "required",
    limited: true,
    async handle(exchange) {
      authoriseAdmin(principalOf(exchange));
      return {
        status: 200,
        headers: [],
        body: { contentType: metrics.contentType, text: await metrics.metrics() },
      };
    },
  };
}

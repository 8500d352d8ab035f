import { Counter } from "prom-client";
import type { Logger } from "../../common/log/logger";
import { Durations, type DurationsOf } from "../../common/metrics/durations";
import type { Metrics } from "../../common/metrics/metrics";
import type { Exchange } from "../http/exchange";

type OperationMetrics = {
  readonly seconds: DurationsOf;
  /** By status. */
  readonly requests: Map<number, Counter.Internal>;
  readonly received: Counter.Internal;
  readonly sent: Counter.Internal;
};

/** Rate, errors, duration and bytes of every operation, and one log line a request; once, for all operations. */
export class RequestObserver {
  readonly #log: Logger;
  readonly #requests: Counter<"operation" | "status">;
  readonly #errors: Counter<"operation" | "code">;
  readonly #seconds: Durations;
  readonly #received: Counter<"operation">;
  readonly #sent: Counter<"operation">;
  readonly #byOperation = new Map<string, OperationMetrics>();

  constructor(metrics: Metrics, log: Logger) {
    // Cutting secrets out by name is for what others log; a request's line has none, and every request pays for it.
    this.#log = log.child({}, { redact: [] });
    const registers = [metrics];
    this.#requests = new Counter({
      name: "cairn_gateway_requests_total",
      help: "Requests that were answered or cut off, by operation and HTTP status (499: the client left).",
      labelNames: ["operation", "status"],
      registers,
    });
    this.#errors = new Counter({
      name: "cairn_gateway_errors_total",
      help: "Requests that failed, by operation and reason of the error table.",
      labelNames: ["operation", "code"],
      registers,
    });
    this.#seconds = new Durations({
      name: "cairn_gateway_request_duration_seconds",
      help: "From the request's header to the last byte of the answer.",
      labelNames: ["operation"],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600],
      registry: metrics,
    });
    this.#received = new Counter({
      name: "cairn_gateway_received_bytes_total",
      help: "Bytes of request bodies.",
      labelNames: ["operation"],
      registers,
    });
    this.#sent = new Counter({
      name: "cairn_gateway_sent_bytes_total",
      help: "Bytes of answers' bodies.",
      labelNames: ["operation"],
      registers,
    });
  }

  /** Called once when an exchange's connection side is over, well or not. */
  record(exchange: Exchange): void {
    const { operation, failure, res } = exchange;
    const status = failure?.entry.http === 499 ? 499 : res.statusCode;
    const ms = performance.now() - exchange.startedAtMs;
    const metrics = this.#metricsOf(operation);
    this.#requestsOf(metrics, operation, status).inc();
    if (failure !== undefined) this.#errors.inc({ operation, code: failure.reason });
    metrics.seconds.observe(ms / 1000);
    if (exchange.body.receivedBytes > 0) metrics.received.inc(exchange.body.receivedBytes);
    if (exchange.bytesOut > 0) metrics.sent.inc(exchange.bytesOut);
    const line = {
      requestId: exchange.requestId,
      method: exchange.req.method,
      path: exchange.rawPath,
      operation,
      status,
      bytesIn: exchange.body.receivedBytes,
      bytesOut: exchange.bytesOut,
      ms: Math.round(ms * 10) / 10,
      keyId: exchange.principal?.keyId,
      client: exchange.clientAddress,
      reason: failure?.reason,
    };
    if (failure !== undefined && failure.entry.http >= 500) {
      this.#log.error({ ...line, err: failure.cause ?? failure }, "request");
    } else this.#log.info(line, "request");
  }

  #requestsOf(metrics: OperationMetrics, operation: string, status: number): Counter.Internal {
    let known = metrics.requests.get(status);
    if (known === undefined) {
      known = this.#requests.labels(operation, String(status));
      metrics.requests.set(status, known);
    }
    return known;
  }

  #metricsOf(operation: string): OperationMetrics {
    let known = this.#byOperation.get(operation);
    if (known === undefined) {
      known = {
        seconds: this.#seconds.of(operation),
        requests: new Map(),
        received: this.#received.labels(operation),
        sent: this.#sent.labels(operation),
      };
      this.#byOperation.set(operation, known);
    }
    return known;
  }
}

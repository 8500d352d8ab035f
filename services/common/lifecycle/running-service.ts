import type { DescService } from "@bufbuild/protobuf";
import type { ServiceImpl } from "../rpc/service";

/** One thing that a service needs, as /_/health/ready and `grpc.health.v1` show it. */
export type DependencyHealth = {
  readonly name: string;
  readonly ok: boolean;
  readonly latencyMs: number;
  /** Why it is not ok, for people. */
  readonly detail?: string;
};

/** What opening a service gives: its interface, its health, and the way to end it. */
export type RunningService<S extends DescService> = {
  readonly service: ServiceImpl<S>;
  /** Asks each dependency now; never throws, answers within 2 s. */
  health(): Promise<DependencyHealth[]>;
  /** Stops workers, finishes what is in flight, releases files and connections. Idempotent. */
  close(): Promise<void>;
};

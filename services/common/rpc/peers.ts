import type { DescService } from "@bufbuild/protobuf";
import { probe } from "../lifecycle/probe";
import type { DependencyHealth } from "../lifecycle/running-service";
import { systemClock } from "../time/clock";
import { connectGrpc, type GrpcConnection } from "./grpc-client";
import type { Interceptor, ServiceClient } from "./service";

/** Connections of one process to the services that it calls, validated at this end too. */
export class Peers {
  readonly #connections: { name: string; connection: GrpcConnection }[] = [];
  readonly #clusterSecret: string;
  readonly #interceptors: readonly Interceptor[];

  constructor(clusterSecret: string, interceptors: readonly Interceptor[]) {
    this.#clusterSecret = clusterSecret;
    this.#interceptors = interceptors;
  }

  client<S extends DescService>(service: S, name: string, address: string): ServiceClient<S> {
    const connection = connectGrpc(address, this.#clusterSecret);
    this.#connections.push({ name, connection });
    return connection.client(service, this.#interceptors);
  }

  health(): Promise<DependencyHealth[]> {
    return Promise.all(
      this.#connections.map(({ name, connection }) => probe(name, systemClock, () => connection.ping(1_900))),
    );
  }

  async close(): Promise<void> {
    for (const { connection } of this.#connections) connection.close();
  }
}

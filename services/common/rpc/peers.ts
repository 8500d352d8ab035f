import type { DescService } from "@bufbuild/protobuf";
import { probe } from "../lifecycle/probe";
import type { DependencyHealth } from "../lifecycle/running-service";
import { systemClock } from "../time/clock";
import { connectGrpc, type GrpcConnection } from "./grpc-client";
import type { PeerDependency } from "./health";
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

  /** The peers, and what each of them needs as it last saw it, under its name. */
  async health(): Promise<DependencyHealth[]> {
    const peers = await Promise.all(
      this.#connections.map(async ({ name, connection }) => {
        let needs: PeerDependency[] = [];
        const peer = await probe(name, systemClock, async () => {
          needs = await connection.health(1_900);
        });
        return [peer, ...needs.map((need) => needOf(peer, need))];
      }),
    );
    return peers.flat();
  }

  async close(): Promise<void> {
    for (const { connection } of this.#connections) connection.close();
  }
}

function needOf(peer: DependencyHealth, { name, ok }: PeerDependency): DependencyHealth {
  const state = { name: `${peer.name}/${name}`, ok, latencyMs: peer.latencyMs };
  return ok ? state : { ...state, detail: `${peer.name} says that ${name} does not answer` };
}

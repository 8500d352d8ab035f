import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { CairnError } from "../../../services/common/errors/cairn-error";
import { EndController } from "../../../services/common/lifecycle/end-signal";
import { type Call, callOver, endReason } from "../../../services/common/rpc/call";
import { limitUnary } from "../../../services/common/rpc/limit-unary";
import { localClient } from "../../../services/common/rpc/local";
import {
  type AnyMethod,
  mapMethods,
  type ServiceClient,
  type ServiceImpl,
} from "../../../services/common/rpc/service";
import type { Random } from "../../faults/support/random";
import type { SimProcess } from "./sim-process";
import type { VirtualTime } from "./virtual-time";

/** A service where it is now: none while its process is down. */
export type Served<S extends DescService> = {
  readonly process: SimProcess;
  readonly client: ServiceClient<S>;
};

/** A connection gives up when nothing gets through for so long, as HTTP/2's pings make it. */
const silenceMs = 12_000;
const unaryTimeoutMs = 15_000;

/**
 * The network between processes: each message takes its time, sometimes long; a cut link holds messages back until it
 * is mended or the connection gives up; a killed process's connections break at both ends. A message that waits may so
 * arrive after its sender stopped waiting, or died.
 */
export class Network {
  readonly #time: VirtualTime;
  readonly #random: Random;
  /** Pairs "from to", or "name *" for a host that is cut off. */
  readonly #cuts = new Set<string>();
  readonly #exchanges = new Set<Exchange>();
  slow = 0;

  constructor(time: VirtualTime, random: Random) {
    this.#time = time;
    this.#random = random;
  }

  cut(from: string, to: string): void {
    this.#cuts.add(`${from} ${to}`);
  }

  mend(from: string, to: string): void {
    this.#cuts.delete(`${from} ${to}`);
  }

  mendAll(): void {
    this.#cuts.clear();
    this.slow = 0;
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.has(`${from} ${to}`) || this.#cuts.has(`${from} *`) || this.#cuts.has(`* ${to}`);
  }

  latencyMs(): number {
    const random = this.#random;
    if (this.slow > 0 && random.next() < this.slow) return 5_000 * random.next() ** 3;
    return random.next() < 0.02 ? 100 * random.next() : 0.1 + 0.9 * random.next();
  }

  /** Breaks what a process that was just killed had open. */
  breakAll(process: SimProcess): void {
    for (const exchange of [...this.#exchanges])
      if (exchange.caller === process || exchange.server === process)
        exchange.break(new CairnError("SERVICE_UNAVAILABLE", { message: `${process.name} was killed` }));
  }

  /** A client of a service elsewhere, as gRPC's is: same deadlines, same errors, messages of its own. */
  client<S extends DescService>(
    service: S,
    caller: SimProcess,
    to: string,
    find: () => Served<S> | undefined,
  ): ServiceClient<S> {
    const remote = mapMethods<S, ServiceImpl<S>>(service, (method) => this.#remote(method, caller, to, find));
    return localClient(service, remote, [limitUnary(unaryTimeoutMs)]);
  }

  #remote<S extends DescService>(
    method: DescMethod,
    caller: SimProcess,
    to: string,
    find: () => Served<S> | undefined,
  ): AnyMethod {
    const connect = async (call: Call): Promise<{ exchange: Exchange; handler: AnyMethod }> => {
      const exchange = new Exchange(this, this.#time, caller, to, call);
      this.#exchanges.add(exchange);
      exchange.onEnd = () => this.#exchanges.delete(exchange);
      let served: Served<S> | undefined;
      await exchange.toServer(() => {
        served = find();
        if (served === undefined || served.process.dead)
          throw new CairnError("SERVICE_UNAVAILABLE", { message: `${to} refuses connections` });
        exchange.server = served.process;
        return served.process;
      });
      const methods = (served as unknown as Served<S>).client as unknown as Record<string, AnyMethod>;
      return { exchange, handler: methods[method.localName] as AnyMethod };
    };
    if (method.methodKind === "server_streaming")
      return (request, call) => this.#serverStream(() => connect(call), request);
    return async (input, call) => {
      const { exchange, handler } = await connect(call);
      const sent = method.methodKind === "client_streaming" ? exchange.upward(input) : input;
      return exchange.answer(handler(sent, exchange.serverCall));
    };
  }

  async *#serverStream(
    connect: () => Promise<{ exchange: Exchange; handler: AnyMethod }>,
    request: unknown,
  ): AsyncGenerator<unknown> {
    const { exchange, handler } = await connect();
    const messages: AsyncIterator<unknown> = handler(request, exchange.serverCall)[Symbol.asyncIterator]();
    try {
      while (true) {
        const next: IteratorResult<unknown> = await exchange.answerPart(messages.next());
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      exchange.end();
    }
  }
}

/** One call between two processes: what goes over the network and what breaks it. */
class Exchange {
  onEnd: () => void = () => {};
  server: SimProcess | undefined;
  readonly serverCall: Call;
  readonly #serverSignal = new EndController();
  readonly #call: Call;
  readonly #hearCaller = () => this.#callerLeft();
  /** The handler has come to its end: there is nobody to tell that the call is over. */
  #served = false;
  #failure: CairnError | undefined;
  readonly #waiting = new Set<(reason: CairnError) => void>();

  constructor(
    readonly network: Network,
    readonly time: VirtualTime,
    readonly caller: SimProcess,
    readonly to: string,
    call: Call,
  ) {
    this.#call = call;
    this.serverCall = {
      requestId: call.requestId,
      traceparent: call.traceparent,
      signal: this.#serverSignal.signal,
      deadlineAtMs: call.deadlineAtMs,
    };
    call.signal.addEventListener("abort", this.#hearCaller, { once: true });
  }

  end(): void {
    this.#call.signal.removeEventListener("abort", this.#hearCaller);
    this.onEnd();
    if (!this.#served) this.#tellServer(callOver);
  }

  /** The connection is gone: both ends hear of it when they next could. */
  break(reason: CairnError): void {
    if (this.#failure !== undefined) return;
    this.#failure = reason;
    this.onEnd();
    if (!this.#served) this.#tellServer(new CairnError("CANCELLED", { message: "The connection is gone." }));
    for (const reject of [...this.#waiting])
      this.caller.after(this.network.latencyMs(), () => reject(reason));
    this.#waiting.clear();
  }

  /** Carries a message to the server: resolves in it, or fails in the caller. */
  toServer(arrive: () => SimProcess): Promise<void> {
    return this.#hop(this.caller.name, this.to, arrive);
  }

  /** Messages on their way up a client stream, pulled by the server. */
  upward(source: AsyncIterable<unknown>): AsyncIterable<unknown> {
    const iterator = source[Symbol.asyncIterator]();
    const server = () => this.server as SimProcess;
    return {
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          const next = await this.#orBroken(iterator.next(), true);
          await this.#hop(this.caller.name, this.to, server, true);
          return next;
        },
        return: async () => {
          iterator.return?.()?.catch(() => {});
          return { done: true as const, value: undefined };
        },
      }),
    };
  }

  async answer(work: Promise<unknown>): Promise<unknown> {
    const served = () => {
      this.#served = true;
    };
    work.then(served, served);
    try {
      return await this.answerPart(work);
    } finally {
      this.end();
    }
  }

  /** What the server answers, or its error, carried back to the caller. */
  async answerPart<T>(work: Promise<T>): Promise<T> {
    let result: T | undefined;
    let error: unknown;
    await this.#orBroken(
      work.then(
        (value) => {
          result = value;
        },
        (thrown) => {
          error = thrown;
        },
      ),
      false,
    );
    await this.#hop(this.to, this.caller.name, () => this.caller);
    if (error !== undefined) throw error;
    return result as T;
  }

  #orBroken<T>(work: Promise<T>, onServer: boolean): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      const fail = (reason: CairnError) => reject(reason);
      // The server hears by its signal, which its stream follows.
      if (!onServer) this.#waiting.add(fail);
      else this.#serverSignal.signal.addEventListener("abort", () => reject(new CairnError("CANCELLED")));
      work.then(resolve, reject).finally(() => this.#waiting.delete(fail));
    });
  }

  #hop(from: string, to: string, receiver: () => SimProcess, inServer = false): Promise<void> {
    return new Promise((resolve, reject) => {
      const startedMs = this.time.nowMs;
      const fail = (reason: CairnError) => reject(reason);
      if (this.#failure !== undefined) return reject(this.#failure);
      if (!inServer) this.#waiting.add(fail);
      const arrive = () => {
        if (this.#failure !== undefined) return;
        if (this.network.isCut(from, to)) {
          if (this.time.nowMs - startedMs < silenceMs) {
            this.time.after(200, arrive);
            return;
          }
          this.break(new CairnError("SERVICE_UNAVAILABLE", { message: `${from} does not reach ${to}` }));
          if (inServer) reject(new CairnError("CANCELLED"));
          return;
        }
        let process: SimProcess;
        try {
          process = receiver();
        } catch (error) {
          this.break(error as CairnError);
          return;
        }
        process.now(() => {
          this.#waiting.delete(fail);
          resolve();
        });
      };
      this.time.after(this.network.latencyMs(), arrive);
    });
  }

  #callerLeft(): void {
    const reason = endReason(this.#call.signal);
    this.onEnd();
    this.#tellServer(new CairnError("CANCELLED", { cause: reason }));
  }

  #tellServer(reason: CairnError): void {
    const tell = () => {
      // A cut link holds the news back too: the server works on for nobody.
      if (this.network.isCut(this.caller.name, this.to)) this.time.after(1_000, tell);
      else this.server?.now(() => this.#serverSignal.abort(reason));
    };
    this.time.after(this.network.latencyMs(), tell);
  }
}

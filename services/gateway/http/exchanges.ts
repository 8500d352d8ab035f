import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { CairnError } from "../../common/errors/cairn-error";
import type { BodyLimits } from "../body/request-body";
import type { GatewayConfig } from "../config";
import type { BodyRateWatch } from "../limits/body-rate-watch";
import { clientAddress } from "../limits/client-address";
import type { RequestObserver } from "../operations/observe";
import { Exchange } from "./exchange";

/** Begins an exchange for each request, and finds it again by its connection. */
export class Exchanges {
  readonly #config: GatewayConfig;
  readonly #body: BodyLimits;
  readonly #isDraining: () => boolean;
  readonly #onClose: (exchange: Exchange) => void;
  readonly #bySocket = new WeakMap<Duplex, Exchange>();
  readonly #expecting = new WeakSet<IncomingMessage>();

  constructor(options: {
    config: GatewayConfig;
    watch: BodyRateWatch;
    observer: RequestObserver;
    isDraining: () => boolean;
  }) {
    this.#config = options.config;
    this.#body = { maxBytes: options.config.maxBodyBytes, watch: options.watch };
    this.#isDraining = options.isDraining;
    this.#onClose = (exchange) => options.observer.record(exchange);
  }

  begin(req: IncomingMessage, res: ServerResponse): Exchange {
    const exchange = new Exchange(req, res, {
      expectsContinue: this.#expecting.has(req),
      body: this.#body,
      isDraining: this.#isDraining,
      onClose: this.#onClose,
    });
    const forwarded = req.headers["x-forwarded-for"];
    exchange.clientAddress = clientAddress(
      req.socket.remoteAddress,
      Array.isArray(forwarded) ? forwarded.join(",") : forwarded,
      this.#config.trustedProxies,
    );
    this.#bySocket.set(req.socket, exchange);
    return exchange;
  }

  /** Notes that the client of this request, not begun yet, waits for 100 Continue. */
  expectContinue(req: IncomingMessage): void {
    this.#expecting.add(req);
  }

  /** Ends the body that was coming on a connection; false when none was. */
  failBody(socket: Duplex, error: CairnError): boolean {
    const exchange = this.#bySocket.get(socket);
    if (exchange === undefined || exchange.res.writableEnded || !exchange.body.unread) return false;
    exchange.body.breakOff(error);
    return true;
  }

  /**
   * Calls back when the answers that are being made on a connection have been written; at once when there are none.
   * Those who wait are called in their order, each behind the answer that the one before it made.
   */
  whenAnswered(socket: Duplex, done: () => void): void {
    const res = this.#bySocket.get(socket)?.res;
    if (res === undefined || res.writableFinished || res.destroyed) done();
    else {
      // As many wait as the client sent requests ahead; that is no leak.
      res.setMaxListeners(0);
      res.once("finish", () => this.whenAnswered(socket, done));
    }
  }
}

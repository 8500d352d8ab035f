import type { IncomingMessage, ServerResponse } from "node:http";
import type { Principal } from "../../../gen/cairn/identity/v1/identity_pb";
import { CairnError } from "../../common/errors/cairn-error";
import { EndController } from "../../common/lifecycle/end-signal";
import { type Call, newCall } from "../../common/rpc/call";
import { type Dialect, dialectOf } from "../answers/dialect";
import { type BodyLimits, RequestBody } from "../body/request-body";
import type { RawTarget } from "./raw-target";

/** One request and its answer, from the first header byte to the last byte out; what logs and metrics are made of. */
export class Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Passed on with every call that serves this request; aborted at once when the client goes (I8). */
  readonly call: Call;
  readonly body: RequestBody;
  readonly dialect: Dialect;
  readonly startedAtMs = performance.now();
  clientAddress = "";
  /** Set once the target is parsed. */
  target: RawTarget | undefined;
  /** The operation's name in logs and metrics. */
  operation = "Unrouted";
  principal: Principal | undefined;
  /** Header fields that every kind of answer carries, flat: name, value, name, value. */
  readonly commonHeaders: string[];
  /** Why the request failed, for logs and metrics. */
  failure: CairnError | undefined;
  bytesOut = 0;
  readonly #abort = new EndController();
  readonly #isDraining: () => boolean;

  constructor(
    req: IncomingMessage,
    res: ServerResponse,
    options: {
      expectsContinue: boolean;
      body: BodyLimits;
      isDraining: () => boolean;
      onClose: (exchange: Exchange) => void;
    },
  ) {
    this.req = req;
    this.res = res;
    this.#isDraining = options.isDraining;
    const call = newCall({ signal: this.#abort.signal });
    const traceparent = req.headers.traceparent;
    this.call =
      typeof traceparent === "string" && isTraceparent(traceparent) ? { ...call, traceparent } : call;
    this.dialect = dialectOf(req.headers.accept, req.headers.authorization, req.url ?? "");
    this.body = new RequestBody(req, res, options.body, options.expectsContinue);
    this.commonHeaders = ["x-amz-request-id", call.requestId];
    res.once("close", () => {
      if (!res.writableFinished) {
        this.failure ??= new CairnError("CLIENT_GONE");
        this.#abort.abort(this.failure);
      }
      options.onClose(this);
    });
  }

  get requestId(): string {
    return this.call.requestId;
  }

  /** What every answer begins with, as of now. */
  answerHeaders(): string[] {
    return this.#isDraining() ? [...this.commonHeaders, "Connection", "close"] : [...this.commonHeaders];
  }

  /** The path as it came, without the query, which may hold secrets (I9). */
  get rawPath(): string {
    if (this.target !== undefined) return this.target.rawPath;
    const url = this.req.url ?? "";
    const mark = url.indexOf("?");
    return mark === -1 ? url : url.slice(0, mark);
  }
}

/** W3C Trace Context, version 00, with ids that are not all zero. */
export function isTraceparent(text: string): boolean {
  return /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/.test(text);
}

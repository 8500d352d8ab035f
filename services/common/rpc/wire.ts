import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Metadata, status } from "@grpc/grpc-js";
import { type ErrorDetail, ErrorDetailSchema } from "../../../gen/cairn/common/v1/common_pb";
import { CairnError } from "../errors/cairn-error";
import { grpcCodes, isReason, type Reason } from "../errors/table";

/** Metadata that travels with a call; deadlines travel as gRPC's own `grpc-timeout`. */
export const requestIdKey = "x-request-id";
export const traceparentKey = "traceparent";
export const authorizationKey = "authorization";

const detailKey = "cairn-error-bin";

/** An error as gRPC carries it: the code for any client, the detail for ours. */
export function toStatus(error: CairnError): { code: number; details: string; metadata: Metadata } {
  const metadata = new Metadata();
  metadata.set(detailKey, Buffer.from(toBinary(ErrorDetailSchema, toDetail(error))));
  return { code: grpcCodes[error.entry.grpc], details: error.message, metadata };
}

/** What a peer is told of an error. INTERNAL says nothing of its cause: that is in the log of the service that failed. */
export function toDetail({ reason, message, resource, hint, params }: CairnError): ErrorDetail {
  return create(ErrorDetailSchema, { reason, message, resource, hint, params: { ...params } });
}

/** The error that a peer told of; undefined when its reason is none of ours. */
export function fromDetail(detail: ErrorDetail | undefined, cause: unknown): CairnError | undefined {
  if (detail === undefined || !isReason(detail.reason)) return undefined;
  const { message, resource, hint, params } = detail;
  return new CairnError(detail.reason, { message, resource, hint, params, cause });
}

/** What a failed call means, from our own detail or else from the bare code that a proxy or a dead peer gives. */
export function fromStatus(thrown: unknown, target: string): CairnError {
  const failure = thrown as { code?: number; details?: string; metadata?: Metadata };
  const raw = failure.metadata?.get(detailKey)[0];
  if (raw instanceof Uint8Array) {
    const told = fromDetail(fromBinary(ErrorDetailSchema, raw), thrown);
    if (told !== undefined) return told;
  }
  // Our servers send a detail with every error of their own: a bare code is the transport's.
  const reason = reasonOfCode[failure.code ?? status.UNKNOWN] ?? "SERVICE_UNAVAILABLE";
  const message =
    reason === "SERVICE_UNAVAILABLE" ? `${target} cannot be reached: ${failure.details}` : failure.details;
  return new CairnError(reason, { ...(message ? { message } : {}), cause: thrown });
}

const reasonOfCode: Readonly<Record<number, Reason>> = {
  // Not by us, whose signal tells that: the peer was shut down under the call.
  [status.CANCELLED]: "SERVICE_UNAVAILABLE",
  [status.DEADLINE_EXCEEDED]: "DEADLINE_EXCEEDED",
  [status.INVALID_ARGUMENT]: "INVALID_ARGUMENT",
  [status.UNAVAILABLE]: "SERVICE_UNAVAILABLE",
  [status.UNAUTHENTICATED]: "PEER_UNAUTHENTICATED",
  [status.UNIMPLEMENTED]: "NOT_IMPLEMENTED",
};

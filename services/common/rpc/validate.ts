import type { DescMessage, Message, MessageShape } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { CairnError } from "../errors/cairn-error";
import { mapStream } from "./map-stream";
import type { AnyMethod, Interceptor } from "./service";
import { surelyValid } from "./surely-valid";

const validator = createValidator();

/**
 * Refuses a request that breaks the rules of its contract, before it has any effect (I6). Of a stream, headers and
 * finishes are checked, chunks never: they carry no rules and are the bulk of all bytes.
 */
export const validateRequests: Interceptor = (method, next): AnyMethod => {
  const check = (message: Message) => checkMessage(method.input, message as MessageShape<DescMessage>);
  if (method.methodKind === "unary" || method.methodKind === "server_streaming") {
    return (request: Message, call) => {
      check(request);
      return next(request, call);
    };
  }
  const checked = (request: Message) => {
    if ((request as { part?: { case?: string } }).part?.case !== "chunk") check(request);
    return request;
  };
  return (requests: AsyncIterable<Message>, call) => next(mapStream(requests, checked), call);
};

function checkMessage(schema: DescMessage, message: MessageShape<DescMessage>): void {
  if (surelyValid(schema, message)) return;
  const result = validator.validate(schema, message);
  if (result.kind === "valid") return;
  if (result.kind === "error") throw new CairnError("INTERNAL", { cause: result.error });
  const [violation] = result.violations;
  const field = violation?.field.map((part) => ("name" in part ? part.name : "")).join(".") ?? "";
  throw new CairnError("INVALID_ARGUMENT", {
    message: `${field}: ${violation?.message ?? "not valid"}`,
    resource: field,
  });
}

/**
 * The one table of errors: reason -> gRPC code, HTTP status, S3 code, sentence.
 *
 * A reason that is not in it is a 500 and a bug. S3 codes and statuses are those of the Amazon S3 API reference,
 * "Error responses"; gRPC codes follow the guidance of google/rpc/code.proto.
 */

/** gRPC status codes by name, with their numbers on the wire. */
export const grpcCodes = {
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type GrpcCode = keyof typeof grpcCodes;

export type ErrorEntry = {
  readonly grpc: GrpcCode;
  readonly http: number;
  readonly s3: string;
  /** Used when the thrower says nothing more precise. */
  readonly sentence: string;
  /** Seconds that a client should wait before it asks again; sent as Retry-After. */
  readonly retryAfterSeconds?: number;
};

function entry(
  grpc: GrpcCode,
  http: number,
  s3: string,
  sentence: string,
  retryAfterSeconds?: number,
): ErrorEntry {
  return retryAfterSeconds === undefined
    ? { grpc, http, s3, sentence }
    : { grpc, http, s3, sentence, retryAfterSeconds };
}

export const errorTable = {
  // Who asks, and whether they may
  MISSING_KEY: entry("UNAUTHENTICATED", 401, "AccessDenied", "The request carries no key."),
  INVALID_KEY: entry("UNAUTHENTICATED", 401, "InvalidAccessKeyId", "The key is not known."),
  EXPIRED_KEY: entry("UNAUTHENTICATED", 401, "ExpiredToken", "The key has expired."),
  REVOKED_KEY: entry("UNAUTHENTICATED", 401, "InvalidAccessKeyId", "The key was revoked."),
  UNSUPPORTED_AUTHORIZATION: entry(
    "UNAUTHENTICATED",
    401,
    "InvalidRequest",
    "The Authorization header is of a kind that is not supported.",
  ),
  TOO_MANY_FAILURES: entry(
    "RESOURCE_EXHAUSTED",
    429,
    "SlowDown",
    "Too many failed authentications from this address.",
    60,
  ),
  ACCESS_DENIED: entry("PERMISSION_DENIED", 403, "AccessDenied", "The key does not permit this."),
  PEER_UNAUTHENTICATED: entry(
    "UNAUTHENTICATED",
    401,
    "AccessDenied",
    "The call carries no valid cluster secret.",
  ),
  RATE_LIMITED: entry("RESOURCE_EXHAUSTED", 429, "SlowDown", "Too many requests.", 1),

  // What was asked is not well-formed
  INVALID_ARGUMENT: entry("INVALID_ARGUMENT", 400, "InvalidArgument", "An argument is not valid."),
  INVALID_REQUEST: entry("INVALID_ARGUMENT", 400, "InvalidRequest", "The request is not valid."),
  INVALID_STREAM: entry(
    "INVALID_ARGUMENT",
    400,
    "InvalidRequest",
    "The stream's messages are not in the order header, chunks, finish.",
  ),
  INVALID_URI: entry("INVALID_ARGUMENT", 400, "InvalidURI", "The request target cannot be parsed."),
  INVALID_BUCKET_NAME: entry("INVALID_ARGUMENT", 400, "InvalidBucketName", "The bucket name is not valid."),
  KEY_TOO_LONG: entry("INVALID_ARGUMENT", 400, "KeyTooLongError", "The key is longer than 1,024 bytes."),
  INVALID_KEY_NAME: entry("INVALID_ARGUMENT", 400, "InvalidArgument", "The key is not valid."),
  METADATA_TOO_LARGE: entry(
    "INVALID_ARGUMENT",
    400,
    "MetadataTooLarge",
    "User metadata is larger than 2 KiB.",
  ),
  INVALID_DIGEST: entry("INVALID_ARGUMENT", 400, "InvalidDigest", "The digest header is not valid."),
  INVALID_TOKEN: entry("INVALID_ARGUMENT", 400, "InvalidArgument", "The continuation token is not valid."),
  INVALID_TAG: entry("INVALID_ARGUMENT", 400, "InvalidTag", "The tag is not valid."),
  MALFORMED_XML: entry(
    "INVALID_ARGUMENT",
    400,
    "MalformedXML",
    "The XML is not well-formed or not of the expected shape.",
  ),
  MALFORMED_JSON: entry(
    "INVALID_ARGUMENT",
    400,
    "InvalidRequest",
    "The JSON is not well-formed or not of the expected shape.",
  ),
  BODY_TOO_LARGE: entry(
    "INVALID_ARGUMENT",
    400,
    "MaxMessageLengthExceeded",
    "The request body is too large for this operation.",
  ),
  ENTITY_TOO_LARGE: entry(
    "INVALID_ARGUMENT",
    400,
    "EntityTooLarge",
    "The object is larger than may be stored.",
  ),
  MISSING_LENGTH: entry(
    "INVALID_ARGUMENT",
    411,
    "MissingContentLength",
    "Content-Length or chunked transfer coding is needed.",
  ),
  COPY_ONTO_ITSELF: entry(
    "INVALID_ARGUMENT",
    400,
    "InvalidRequest",
    "A copy of an object onto itself must change its metadata.",
  ),
  TOO_MANY_EXTENTS: entry(
    "INVALID_ARGUMENT",
    400,
    "InvalidRequest",
    "The version would have more than 100,000 extents.",
  ),
  METHOD_NOT_ALLOWED: entry("UNIMPLEMENTED", 405, "MethodNotAllowed", "The method is not allowed here."),
  NOT_IMPLEMENTED: entry("UNIMPLEMENTED", 501, "NotImplemented", "This is not implemented."),
  NOT_FOUND: entry("NOT_FOUND", 404, "InvalidRequest", "There is nothing at this address."),

  // The body
  CHECKSUM_MISMATCH: entry("INVALID_ARGUMENT", 400, "BadDigest", "A checksum does not match the body."),
  SIZE_MISMATCH: entry("INVALID_ARGUMENT", 400, "IncompleteBody", "The body is not as long as was said."),
  BODY_TOO_SLOW: entry(
    "DEADLINE_EXCEEDED",
    408,
    "RequestTimeout",
    "The body came slower than the minimum rate.",
  ),
  CLIENT_GONE: entry("CANCELLED", 499, "RequestTimeout", "The client went away."),

  // Names
  NO_SUCH_BUCKET: entry("NOT_FOUND", 404, "NoSuchBucket", "The bucket does not exist."),
  BUCKET_TAKEN: entry(
    "ALREADY_EXISTS",
    409,
    "BucketAlreadyExists",
    "The bucket name belongs to somebody else.",
  ),
  BUCKET_NOT_EMPTY: entry("FAILED_PRECONDITION", 409, "BucketNotEmpty", "The bucket is not empty."),
  NO_SUCH_KEY_IN_BUCKET: entry("NOT_FOUND", 404, "NoSuchKey", "The key does not exist."),
  NO_SUCH_VERSION: entry("NOT_FOUND", 404, "NoSuchVersion", "The version does not exist."),
  NO_SUCH_UPLOAD: entry(
    "NOT_FOUND",
    404,
    "NoSuchUpload",
    "The upload does not exist; it may have been completed or aborted.",
  ),
  INVALID_PART: entry("INVALID_ARGUMENT", 400, "InvalidPart", "A part was not found, or its ETag differs."),
  NO_SUCH_DOCUMENT: entry("NOT_FOUND", 404, "NoSuchConfiguration", "The bucket has no such document."),
  DOCUMENT_CHANGED: entry("ABORTED", 409, "OperationAborted", "The document was changed by somebody else."),
  NO_SUCH_USER: entry("NOT_FOUND", 404, "NoSuchEntity", "The user does not exist."),
  NO_SUCH_KEY: entry("NOT_FOUND", 404, "NoSuchEntity", "The key does not exist."),
  NAME_TAKEN: entry("ALREADY_EXISTS", 409, "EntityAlreadyExists", "The name is taken."),
  TOO_MANY_KEYS: entry(
    "FAILED_PRECONDITION",
    409,
    "LimitExceeded",
    "The user has as many keys as a user may have.",
  ),
  LAST_ADMIN: entry("FAILED_PRECONDITION", 409, "DeleteConflict", "The last admin key cannot be taken away."),
  NO_SUCH_VOLUME: entry("NOT_FOUND", 404, "InternalError", "The volume does not exist."),

  // Conditions and ranges
  PRECONDITION_FAILED: entry(
    "FAILED_PRECONDITION",
    412,
    "PreconditionFailed",
    "A condition of the request does not hold.",
  ),
  RANGE_NOT_SATISFIABLE: entry("OUT_OF_RANGE", 416, "InvalidRange", "The range lies outside the object."),
  QUOTA_EXCEEDED: entry("FAILED_PRECONDITION", 403, "QuotaExceeded", "The bucket's quota is used up."),

  // Decisions that the caller makes again
  CONFIG_CHANGED: entry("ABORTED", 409, "OperationAborted", "The bucket's configuration changed meanwhile."),
  SOURCE_GONE: entry("ABORTED", 409, "OperationAborted", "The source's bytes are being removed."),
  NOT_ENOUGH_COPIES: entry(
    "FAILED_PRECONDITION",
    503,
    "ServiceUnavailable",
    "The bytes are not synced on two nodes.",
    5,
  ),
  COMMAND_TOO_OLD: entry(
    "FAILED_PRECONDITION",
    503,
    "ServiceUnavailable",
    "The command is too old to be decided.",
    1,
  ),
  BLOB_CONDEMNED: entry("ABORTED", 503, "ServiceUnavailable", "A copy of the blob has been condemned.", 1),
  VOLUME_NOT_EMPTY: entry("FAILED_PRECONDITION", 409, "OperationAborted", "Copies are left on the volume."),
  VOLUME_ALIVE: entry("FAILED_PRECONDITION", 409, "OperationAborted", "The volume is alive."),
  COPY_CHANGED: entry("ABORTED", 409, "OperationAborted", "The blob's copies have changed meanwhile."),
  WALK_TAKEN: entry("ABORTED", 409, "OperationAborted", "Another process goes on with this walk."),
  TOO_MANY_ORPHANS: entry(
    "FAILED_PRECONDITION",
    503,
    "ServiceUnavailable",
    "Too many orphans at once: collection stopped.",
  ),
  CHANGES_GONE: entry("OUT_OF_RANGE", 410, "InvalidRequest", "The changes asked for are no longer kept."),

  // Storage nodes
  NO_SUCH_BLOB: entry("NOT_FOUND", 500, "InternalError", "The volume does not hold the blob."),
  DAMAGED_BLOB: entry(
    "DATA_LOSS",
    500,
    "InternalError",
    "A block of the replica does not match its checksum.",
  ),
  BLOB_EXISTS: entry("ALREADY_EXISTS", 500, "InternalError", "The volume holds another blob of this id."),
  VOLUME_FULL: entry("RESOURCE_EXHAUSTED", 507, "InsufficientStorage", "The volume is below its reserve."),
  VOLUME_FENCED: entry(
    "FAILED_PRECONDITION",
    503,
    "ServiceUnavailable",
    "The volume failed a write and takes no more.",
  ),
  VOLUME_SUSPENDED: entry("UNAVAILABLE", 503, "ServiceUnavailable", "The volume hangs and is avoided.", 5),
  HISTORY_MISMATCH: entry(
    "FAILED_PRECONDITION",
    503,
    "ServiceUnavailable",
    "The volume follows another history of the metadata.",
  ),

  // The system
  NOT_ENOUGH_NODES: entry(
    "UNAVAILABLE",
    503,
    "ServiceUnavailable",
    "Fewer than two storage nodes took the bytes.",
    5,
  ),
  NO_SPACE: entry("RESOURCE_EXHAUSTED", 507, "InsufficientStorage", "No storage node has room."),
  DATA_UNAVAILABLE: entry("UNAVAILABLE", 503, "ServiceUnavailable", "No good copy can be reached.", 5),
  METADATA_UNAVAILABLE: entry(
    "UNAVAILABLE",
    503,
    "ServiceUnavailable",
    "The metadata database cannot be reached.",
    5,
  ),
  WRONG_MASTER_KEY: entry(
    "FAILED_PRECONDITION",
    503,
    "ServiceUnavailable",
    "The master key does not open this database.",
  ),
  DATABASE_UNAVAILABLE: entry("UNAVAILABLE", 503, "ServiceUnavailable", "The database cannot be reached.", 5),
  OUTCOME_UNKNOWN: entry(
    "UNAVAILABLE",
    503,
    "ServiceUnavailable",
    "It is not known whether the change was made.",
    1,
  ),
  SERVICE_UNAVAILABLE: entry("UNAVAILABLE", 503, "ServiceUnavailable", "A service cannot be reached.", 5),
  DEADLINE_EXCEEDED: entry("DEADLINE_EXCEEDED", 503, "ServiceUnavailable", "The request took too long.", 5),
  CANCELLED: entry("CANCELLED", 499, "RequestTimeout", "The call was cancelled."),
  SHUTTING_DOWN: entry("UNAVAILABLE", 503, "ServiceUnavailable", "The service is shutting down.", 1),
  INTERNAL: entry(
    "INTERNAL",
    500,
    "InternalError",
    "Something went wrong; the log has it under the request id.",
  ),
} as const satisfies Record<string, ErrorEntry>;

export type Reason = keyof typeof errorTable;

export function isReason(text: string): text is Reason {
  return Object.hasOwn(errorTable, text);
}

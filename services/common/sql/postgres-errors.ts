import { CairnError } from "../errors/cairn-error";

/** SQLSTATE classes that say that the server is away, starting, stopping or out of means. */
const awayStates = /^(08|53|57P0[1-5]|58)/;
const awayErrnos = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOENT",
  "EHOSTUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
]);

/** What pg throws, with every failure to connect or to speak turned into DATABASE_UNAVAILABLE. */
export function postgresError(thrown: unknown): unknown {
  if (thrown instanceof CairnError || !(thrown instanceof Error)) return thrown;
  const code = (thrown as { code?: string }).code ?? "";
  const away =
    awayErrnos.has(code) ||
    awayStates.test(code) ||
    /^Connection terminated|not queryable|Client was closed/.test(thrown.message);
  return away ? postgresAway(thrown) : thrown;
}

export function postgresAway(cause: unknown): CairnError {
  const text = cause instanceof Error ? cause.message || (cause as { code?: string }).code : String(cause);
  return new CairnError("DATABASE_UNAVAILABLE", { message: `PostgreSQL cannot be reached: ${text}`, cause });
}

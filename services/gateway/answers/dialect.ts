/** In which language an answer is written. */
export type Dialect = "json" | "xml";

/**
 * JSON for the admin API and for Bearer clients, XML for everybody else, as S3 clients expect; an Accept header that
 * names one of the two decides. Wildcards do not.
 */
export function dialectOf(
  accept: string | undefined,
  authorization: string | undefined,
  rawPath: string,
): Dialect {
  if (accept !== undefined && accept !== "*/*") {
    const json = accept.indexOf("application/json");
    const xml = accept.search(/application\/xml|text\/xml/);
    if (json !== -1 && (xml === -1 || json < xml)) return "json";
    if (xml !== -1) return "xml";
  }
  if (rawPath.startsWith("/_/")) return "json";
  return isBearer(authorization) ? "json" : "xml";
}

export function isBearer(authorization: string | undefined): boolean {
  return authorization !== undefined && /^bearer(?: |$)/i.test(authorization);
}

import { CairnError } from "../common/errors/cairn-error";

/** Where a running store is, and the admin's key that opens it. */
export type AdminTarget = { readonly url: string; readonly key: string | undefined };

// biome-ignore lint/suspicious/noExplicitAny: answers are shown as they are described at /_/docs
export type AdminAnswer = any;
export type AskAdmin = (method: "GET" | "POST", path: string, body?: unknown) => Promise<AdminAnswer>;

/**
 * Asks the admin API of a running store. Throws CairnError: INVALID_ARGUMENT without a key or with a URL that is
 * none, SERVICE_UNAVAILABLE when nobody answers there, else what the store said.
 */
export function adminClient({ url, key }: AdminTarget): AskAdmin {
  if (key === undefined || key === "")
    throw new CairnError("INVALID_ARGUMENT", {
      message: "The key of an admin is missing.",
      hint: "Give --key s3_key_… or set API_KEY. `cairn admin new-key` makes one on the store's machine.",
    });
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new CairnError("INVALID_ARGUMENT", {
      message: `"${url}" is no address like http://127.0.0.1:7841.`,
    });
  return async (method, path, body) => {
    const target = new URL(`/_/api/v1${path}`, url);
    const response = await fetch(target, {
      method,
      headers: { authorization: `Bearer ${key}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }).catch((error: unknown) => {
      throw new CairnError("SERVICE_UNAVAILABLE", {
        message: `No store answers at ${target.origin}.`,
        hint: "Give --url, or start the store.",
        cause: error,
      });
    });
    const text = await response.text();
    if (response.ok) return text === "" ? undefined : JSON.parse(text);
    throw refusal(response.status, text, target.origin);
  };
}

function refusal(status: number, text: string, origin: string): CairnError {
  try {
    const { message, hint } = (JSON.parse(text) as { error: { message: string; hint?: string } }).error;
    return new CairnError("INVALID_REQUEST", { message, ...(hint === undefined ? {} : { hint }) });
  } catch {
    return new CairnError("INVALID_REQUEST", {
      message: `${origin} answered ${status}, and not as a Cairn does.`,
    });
  }
}

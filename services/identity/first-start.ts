import { CairnError } from "../common/errors/cairn-error";
import { newId } from "../common/ids/uuid";
import type { Clock } from "../common/time/clock";
import type { ApiKeys } from "./api-keys";
import type { ApiKeySettings } from "./domain";
import { checkFirstAdminKey } from "./key-text";
import type { Stores } from "./store";

/** What a first start made, to be printed once (I9). Not told when the operator gave the key: they have it. */
export type FirstStart = { readonly userName: string; readonly adminKey: string };

/** Without a quota (D§10): the first key must not lock its holder out. */
function adminSettings(name: string): ApiKeySettings {
  return { name, grant: { permissions: ["admin"], buckets: [] }, expiresAtMs: 0, requestsPerMinute: -1 };
}

/**
 * Makes the user `admin` and its key on the first start ever of this database, in one transaction; of several
 * processes that start at once one does. The key is committed before it is told; if the process dies in between,
 * `cairn admin new-key` makes another. A given key counts on the first start only: later ones leave it unread, so that
 * a forgotten environment variable does not bring a revoked key back.
 */
export async function firstStart(options: {
  stores: Stores;
  apiKeys: ApiKeys;
  clock: Clock;
  givenKey: string | undefined;
}): Promise<FirstStart | undefined> {
  const { stores, apiKeys, clock, givenKey } = options;
  const made = await stores.transaction(async (store) => {
    if (!(await store.claimFirstStart(clock.nowMs()))) return undefined;
    if (givenKey !== undefined) checkFirstAdminKey(givenKey);
    const user = { id: newId(), name: "admin", admin: true, createdAtMs: clock.nowMs() };
    await store.insertUser(user);
    const { text } = await apiKeys.add(store, user.id, adminSettings("first admin key"), givenKey);
    return { userName: user.name, adminKey: text };
  });
  return givenKey === undefined ? made : undefined;
}

/** Makes another key that opens everything, for the oldest admin; for whoever may run commands on the machine. */
export async function newAdminKey(stores: Stores, apiKeys: ApiKeys): Promise<string> {
  return stores.transaction(async (store) => {
    const [oldest] = await store.lockAdmins();
    // LAST_ADMIN keeps one for ever; only somebody's own statements can have taken it.
    if (oldest === undefined)
      throw new CairnError("NO_SUCH_USER", { message: "The database holds no admin user." });
    return (await apiKeys.add(store, oldest.id, adminSettings("made by cairn admin new-key"))).text;
  });
}

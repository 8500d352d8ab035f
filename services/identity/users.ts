import { CairnError } from "../common/errors/cairn-error";
import type { Clock } from "../common/time/clock";
import type { User } from "./domain";
import type { Stores } from "./store";

export class Users {
  readonly #stores: Stores;
  readonly #clock: Clock;

  constructor(stores: Stores, clock: Clock) {
    this.#stores = stores;
    this.#clock = clock;
  }

  /** Repeatable with the same id. Throws NAME_TAKEN when the name is another's, or the id is of another name. */
  async create(wanted: { id: string; name: string; admin: boolean }): Promise<User> {
    return this.#stores.transaction(async (store) => {
      const user = { ...wanted, createdAtMs: this.#clock.nowMs() };
      if (await store.insertUser(user)) return user;
      const there =
        (await store.findUser({ id: wanted.id })) ?? (await store.findUser({ name: wanted.name }));
      if (there?.id === wanted.id && there.name === wanted.name && there.admin === wanted.admin) return there;
      throw new CairnError("NAME_TAKEN", {
        message:
          there?.name === wanted.name && there.id !== wanted.id
            ? `The user name "${wanted.name}" is taken.`
            : `The user id ${wanted.id} belongs to another user.`,
        resource: wanted.name,
      });
    });
  }

  async get(id: string): Promise<User> {
    const user = await this.#stores.read.findUser({ id });
    if (user === undefined) throw noSuchUser(id);
    return user;
  }

  /** In the order of the names' bytes. */
  async list(afterName: string, limit: number): Promise<{ users: User[]; more: boolean }> {
    const users = await this.#stores.read.listUsers(afterName, limit + 1);
    return { users: users.slice(0, limit), more: users.length > limit };
  }

  /** With all keys. Throws LAST_ADMIN when no key that opens everything would be left. */
  async delete(id: string): Promise<void> {
    await this.#stores.transaction(async (store) => {
      await store.lockAdmins();
      const user = await store.lockUser(id);
      if (user === undefined) throw noSuchUser(id);
      if (user.admin && (await store.countAdminKeys(this.#clock.nowMs(), { userId: id })) === 0)
        throw lastAdmin(user.name);
      await store.deleteUser(id);
    });
  }
}

export function noSuchUser(id: string): CairnError {
  return new CairnError("NO_SUCH_USER", { message: `There is no user with the id ${id}.`, resource: id });
}

export function lastAdmin(resource: string): CairnError {
  return new CairnError("LAST_ADMIN", {
    resource,
    hint: "Make another admin with a key that has the permission admin and no list of buckets, then ask again.",
  });
}

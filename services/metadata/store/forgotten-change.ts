import type { Runner } from "./statement";

/** The newest change that was removed from the log: where the history is when nothing newer is kept (P7). */
export type ForgottenChange = { readonly number: number; readonly command_id: string };

export const lastForgottenFact = "last_forgotten_change";

export async function lastForgotten({ db }: Pick<Runner, "db">): Promise<ForgottenChange | undefined> {
  const fact = await db
    .selectFrom("facts")
    .select("value")
    .where("name", "=", lastForgottenFact)
    .executeTakeFirst();
  return fact === undefined ? undefined : (JSON.parse(fact.value) as ForgottenChange);
}

import { until } from "../../support/until";
import type { StoreClient } from "./store-client";

/** Waits until every folder of an embedded store's journal holds all and counts again. */
export async function journalIsLevel(client: StoreClient, timeoutMs = 30_000): Promise<void> {
  let told: unknown;
  await until(async () => {
    const answer = await client.send("GET", "/_/health/ready");
    const { dependencies } = JSON.parse(answer.body.toString()) as {
      dependencies: { name: string; ok: boolean }[];
    };
    const journal = dependencies.filter(({ name }) => name.startsWith("journal"));
    told = journal;
    return journal.length === 3 && journal.every(({ ok }) => ok);
  }, timeoutMs).catch((error: unknown) => {
    throw new Error(`the journal is not level: ${JSON.stringify(told)}`, { cause: error });
  });
}

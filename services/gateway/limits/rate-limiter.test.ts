import type { IdentityService } from "../../../gen/cairn/identity/v1/identity_pb";
import { CairnError } from "../../common/errors/cairn-error";
import { silentLogger } from "../../common/log/logger";
import type { ServiceClient } from "../../common/rpc/service";
import { ManualClock } from "../../common/time/manual-clock";
import { RateLimiter } from "./rate-limiter";

test("when the identity service is away, counting goes on locally", async () => {
  let asked = 0;
  const away = {
    reportRates: () => {
      asked++;
      return Promise.reject(new CairnError("SERVICE_UNAVAILABLE"));
    },
  } as unknown as ServiceClient<typeof IdentityService>;
  const clock = new ManualClock();
  const limiter = new RateLimiter({ perMinute: 3, identity: away, clock, log: silentLogger });
  const statuses: string[] = [];
  for (let i = 0; i < 5; i++) {
    try {
      limiter.check(undefined, "10.0.0.1", []);
      statuses.push("ok");
    } catch (error) {
      statuses.push((error as CairnError).reason);
    }
    clock.advance(1000);
    await new Promise(setImmediate);
  }
  expect(asked).toBeGreaterThan(1);
  expect(statuses).toEqual(["ok", "ok", "ok", "RATE_LIMITED", "RATE_LIMITED"]);
  await limiter.close();
});

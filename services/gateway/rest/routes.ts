import { bucketRoutes } from "./buckets";
import { clusterRoutes } from "./cluster";
import { healingRoutes } from "./healing";
import { keyRoutes } from "./keys";
import type { RestRoute } from "./route";
import { s3KeyPairRoutes } from "./s3-key-pairs";
import { userRoutes } from "./users";
import { callerRoutes } from "./whoami";

/** The whole admin API, in the order of its description. */
export const restRoutes: readonly RestRoute[] = [
  ...callerRoutes,
  ...userRoutes,
  ...keyRoutes,
  ...s3KeyPairRoutes,
  ...bucketRoutes,
  ...clusterRoutes,
  ...healingRoutes,
];

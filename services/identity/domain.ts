/** What a key may do. Each includes nothing of the others but `admin`, which includes all. */
export type Permission = "read" | "write" | "admin";

export type Grant = {
  readonly permissions: readonly Permission[];
  /** Names of buckets that it is limited to; empty is all that its user may reach. */
  readonly buckets: readonly string[];
};

export type User = {
  readonly id: string;
  readonly name: string;
  readonly admin: boolean;
  readonly createdAtMs: number;
};

/** What the owner of a Bearer key may choose about it. */
export type ApiKeySettings = {
  readonly name: string;
  readonly grant: Grant;
  /** 0 is never. */
  readonly expiresAtMs: number;
  /** 0 is the limit by address, -1 none. */
  readonly requestsPerMinute: number;
};

/** A Bearer key without its text. */
export type ApiKey = ApiKeySettings & {
  readonly id: string;
  readonly userId: string;
  readonly createdAtMs: number;
  /** Within a minute of the truth; 0 is never. */
  readonly lastUsedAtMs: number;
  /** 0 while it is good. */
  readonly revokedAtMs: number;
};

/** An S3 key pair without its secret. */
export type S3KeyPair = {
  readonly accessKeyId: string;
  readonly userId: string;
  readonly name: string;
  readonly createdAtMs: number;
  readonly revokedAtMs: number;
};

/** Requests counted for one address or key in one minute. */
export type RateCount = {
  readonly subject: string;
  /** Minutes since the Unix epoch. */
  readonly window: number;
  readonly requests: number;
};

/** A key that opens everything: what LAST_ADMIN protects the last one of, when its user is an admin too. */
export function grantsEverything(grant: Grant): boolean {
  return grant.permissions.includes("admin") && grant.buckets.length === 0;
}

import { Permission, type Principal } from "../../../gen/cairn/identity/v1/identity_pb";
import { CairnError } from "../../common/errors/cairn-error";

/** What an operation needs of a key. */
export type Access = "read" | "write" | "admin";

const permissionOf: Record<Access, Permission> = {
  read: Permission.READ,
  write: Permission.WRITE,
  admin: Permission.ADMIN,
};

/** Errors: ACCESS_DENIED when the key's permissions do not include what the operation needs. */
export function authorisePermission(principal: Principal, access: Access): void {
  const permissions = principal.grant?.permissions ?? [];
  if (permissions.includes(permissionOf[access]) || permissions.includes(Permission.ADMIN)) return;
  throw new CairnError("ACCESS_DENIED", {
    message: `The key lacks the permission "${access}".`,
    hint: "An admin can change the key's permissions.",
  });
}

/** Errors: ACCESS_DENIED when the key is limited to other buckets. Needs no look at the bucket. */
export function authoriseBucketName(principal: Principal, bucketName: string): void {
  const buckets = principal.grant?.buckets ?? [];
  if (buckets.length === 0 || buckets.includes(bucketName)) return;
  throw new CairnError("ACCESS_DENIED", {
    message: `The key is limited to other buckets than "${bucketName}".`,
    resource: bucketName,
  });
}

/** Errors: ACCESS_DENIED for another user's bucket, the same whether or not anything lies in it. */
export function authoriseOwner(principal: Principal, bucket: { name: string; ownerId: string }): void {
  if (principal.admin || bucket.ownerId === principal.userId) return;
  throw new CairnError("ACCESS_DENIED", {
    message: `The bucket "${bucket.name}" belongs to somebody else.`,
    resource: bucket.name,
  });
}

/** True for keys that reach the whole admin API: an admin's, with the admin permission, limited to no bucket. */
export function isFullAdmin(principal: Principal): boolean {
  return principal.admin && isUnlimited(principal);
}

/** Errors: ACCESS_DENIED. */
export function authoriseAdmin(principal: Principal): void {
  if (isFullAdmin(principal)) return;
  throw new CairnError("ACCESS_DENIED", {
    message: 'Only an admin\'s key with the permission "admin" and no list of buckets may do this.',
  });
}

/**
 * A user may manage keys of their own with a key that has the admin permission and no list of buckets: otherwise a
 * limited key could make itself an unlimited one. Errors: ACCESS_DENIED.
 */
export function authoriseUser(principal: Principal, userId: string): void {
  if (isFullAdmin(principal) || (principal.userId === userId && isUnlimited(principal))) return;
  throw new CairnError("ACCESS_DENIED", {
    message:
      'Only an admin, or the user with a key that has the permission "admin" and no list of buckets, may do this.',
  });
}

function isUnlimited(principal: Principal): boolean {
  const grant = principal.grant;
  return grant?.permissions.includes(Permission.ADMIN) === true && grant.buckets.length === 0;
}

import { isIPv6 } from "node:net";

/**
 * What failures are counted under: an IPv4 address itself, an IPv6 address by its /64, since a host owns a whole one
 * (D§10). Anything else counts under its own text.
 */
export function failureSource(address: string): string {
  const bare = address.split("%")[0] ?? "";
  if (!isIPv6(bare)) return bare;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare);
  if (mapped?.[1] !== undefined) return mapped[1];
  return `${groups(bare).slice(0, 4).join(":")}::/64`;
}

/** The eight groups of a valid IPv6 address; an embedded IPv4 tail stands for two that are not looked at. */
function groups(address: string): string[] {
  const [head = "", tail] = address.split("::");
  const split = (text: string) =>
    text === "" ? [] : text.split(":").flatMap((group) => (group.includes(".") ? ["0", "0"] : [group]));
  const left = split(head);
  const right = tail === undefined ? [] : split(tail);
  const zeros = new Array<string>(Math.max(8 - left.length - right.length, 0)).fill("0");
  return [...left, ...zeros, ...right].map((group) => Number.parseInt(group, 16).toString(16));
}

import { isIPv4, isIPv6 } from "node:net";

/**
 * The address that a request is counted under: the socket's, or what the n-th trusted proxy saw. Nearer entries of
 * X-Forwarded-For are the trusted proxies' own; farther ones are the client's invention and are not read.
 */
export function clientAddress(
  socketAddress: string | undefined,
  forwardedFor: string | undefined,
  trustedProxies: number,
): string {
  const socket = plainAddress(socketAddress ?? "") ?? "unknown";
  if (trustedProxies === 0 || forwardedFor === undefined) return socket;
  const hops = forwardedFor.split(",");
  const hop = hops[Math.max(0, hops.length - trustedProxies)];
  return plainAddress(hop?.trim() ?? "") ?? socket;
}

/** What is counted together: an IPv4 address, or the /64 that an IPv6 host can choose its addresses from. */
export function rateSubject(address: string): string {
  if (!isIPv6(address)) return address;
  return `${expandIpv6(address).slice(0, 4).join(":")}::/64`;
}

/** Without port, brackets, zone, and the mapping of IPv4 into IPv6; undefined when it is no address. */
function plainAddress(text: string): string | undefined {
  let address = text.replace(/^\[(.*)\](?::\d+)?$/, "$1");
  const zone = address.indexOf("%");
  if (zone !== -1) address = address.slice(0, zone);
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped?.[1] !== undefined) address = mapped[1];
  if (/^\d+\.\d+\.\d+\.\d+:\d+$/.test(address)) address = address.slice(0, address.indexOf(":"));
  return isIPv4(address) || isIPv6(address) ? address.toLowerCase() : undefined;
}

function expandIpv6(address: string): string[] {
  const [head = "", tail = ""] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === "" ? [] : tail.split(":");
  const groups = address.includes("::")
    ? [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0"), ...right]
    : left;
  return groups.map((group) => group.replace(/^0+(?=.)/, ""));
}

import { createHash } from "node:crypto";
import type { Logger } from "../../services/common/log/logger";
import type { VirtualTime } from "./world/virtual-time";

/** What happened, line by line, for people; two runs that tell the same are the same. */
export class Trace {
  readonly lines: string[] = [];
  readonly #time: VirtualTime;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  tell(who: string, what: string): void {
    this.lines.push(`${(this.#time.nowMs / 1000).toFixed(4).padStart(9)} ${who.padEnd(10)} ${what}`);
  }

  digest(): string {
    const hash = createHash("sha256");
    for (const line of this.lines) hash.update(line).update("\n");
    return hash.update(`${this.#time.events}`).digest("hex").slice(0, 16);
  }

  /** A logger whose lines from "warn" up become part of the story. */
  logger(who = "?"): Logger {
    const tell = (level: string) => (first: unknown, second?: unknown) => {
      const text = typeof first === "string" ? first : String(second ?? "");
      this.tell(who, `${level}: ${text}${typeof first === "object" ? ` ${brief(first)}` : ""}`);
    };
    const logger = {
      trace: () => {},
      debug: () => {},
      info: () => {},
      warn: tell("warn"),
      error: tell("error"),
      fatal: tell("fatal"),
      child: (bindings: { process?: string }) => this.logger(bindings.process ?? who),
    };
    return logger as unknown as Logger;
  }
}

function brief(bindings: unknown): string {
  const { err, ...rest } = bindings as { err?: unknown };
  const parts = Object.entries(rest).map(([name, value]) => `${name}=${String(value)}`);
  if (err !== undefined) parts.push(`(${told(err)})`);
  return parts.join(" ");
}

export function told(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const reason = (error as { reason?: string }).reason;
  const cause = error.cause === undefined ? "" : ` < ${told(error.cause)}`;
  return `${reason ?? error.name}: ${error.message.split("\n")[0]}${cause}`;
}

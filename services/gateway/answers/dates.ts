const dayMs = 86_400_000;
const two = Array.from({ length: 100 }, (_, number) => String(number).padStart(2, "0"));

/** What the dates of one day begin with. Pages and headers ask for the same few days over and over. */
class DayPrefix {
  #day = Number.NaN;
  #text = "";
  readonly #make: (midnight: Date) => string;

  constructor(make: (midnight: Date) => string) {
    this.#make = make;
  }

  of(day: number): string {
    if (day !== this.#day) {
      this.#text = this.#make(new Date(day * dayMs));
      this.#day = day;
    }
    return this.#text;
  }
}

const httpDay = new DayPrefix((midnight) => midnight.toUTCString().slice(0, 17));
const isoDay = new DayPrefix((midnight) => midnight.toISOString().slice(0, -13));

/** An HTTP date (RFC 9110 section 5.6.7): "Thu, 26 Nov 2026 11:36:07 GMT". */
export function httpDate(unixMs: bigint): string {
  const ms = Number(unixMs);
  const day = Math.floor(ms / dayMs);
  return `${httpDay.of(day)}${timeOfDay(ms - day * dayMs)} GMT`;
}

/** As S3's XML and our JSON have it: "2026-11-26T11:36:07.042Z". */
export function isoDate(unixMs: bigint): string {
  const ms = Number(unixMs);
  const day = Math.floor(ms / dayMs);
  return `${isoDay.of(day)}${timeOfDay(ms - day * dayMs)}.${String(ms - 1000 * Math.floor(ms / 1000)).padStart(3, "0")}Z`;
}

function timeOfDay(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${two[Math.floor(seconds / 3600)]}:${two[Math.floor(seconds / 60) % 60]}:${two[seconds % 60]}`;
}

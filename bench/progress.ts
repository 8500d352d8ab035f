/** A line with rate and remaining time. */
export function progress(done: number, size: number, startedMs: number): void {
  const perSecond = done / ((performance.now() - startedMs) / 1000);
  const left = ((size - done) / perSecond).toFixed(0);
  process.stderr.write(`filled ${done} of ${size}, ${perSecond.toFixed(0)}/s, ${left} s left\n`);
}

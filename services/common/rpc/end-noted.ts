/**
 * The same stream, telling once that it is over: with the error that it failed with, or with none when it ran out or
 * its reader left. No generator lies between the ends, whose every message would cost several promises.
 */
export function endNoted<T>(source: AsyncIterable<T>, onEnd: (error?: unknown) => void): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = source[Symbol.asyncIterator]();
      let ended = false;
      const end = (error?: unknown) => {
        if (ended) return;
        ended = true;
        onEnd(error);
      };
      const pass = (next: IteratorResult<T>) => {
        if (next.done === true) end();
        return next;
      };
      const fail = (error: unknown) => {
        end(error ?? new Error("a stream failed without a reason"));
        throw error;
      };
      return {
        next: () => iterator.next().then(pass, fail),
        return: async () => {
          end();
          await iterator.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}

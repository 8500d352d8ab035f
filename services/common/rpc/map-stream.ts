/**
 * Each item through `map`, with nothing between the ends: `return()` reaches the source at once even while it is
 * being waited for, which a generator would hold back until its `await` settles (I8).
 */
export function mapStream<In, Out>(source: AsyncIterable<In>, map: (item: In) => Out): AsyncIterable<Out> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = source[Symbol.asyncIterator]();
      return {
        next: async () => {
          const next = await iterator.next();
          return next.done === true ? next : { done: false, value: map(next.value) };
        },
        return: async () => {
          await iterator.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}

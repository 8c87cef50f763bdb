/** Something that is opened when it is first needed, once for all that need it. */
interface Lazy<T> {
  /** Opens it, or waits for the opening under way. An attempt that failed is forgotten, and the next call tries again. */
  get(): Promise<T>;
  /** The value if it is open; opens nothing. */
  opened(): Promise<T | undefined>;
}

export function lazy<T>(open: () => Promise<T>): Lazy<T> {
  let opening: Promise<T> | undefined;
  return {
    get() {
      opening ??= open().catch((error) => {
        opening = undefined;
        throw error;
      });
      return opening;
    },
    opened: async () => opening?.catch(() => undefined),
  };
}

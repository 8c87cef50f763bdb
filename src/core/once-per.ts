/**
 * Makes a value from an object once, and keeps it as long as that object. Callers share the value, and none may change it.
 * @returns the last value made from the object while the other arguments are the same as then
 */
export function oncePer<K extends object, R extends readonly unknown[], V>(make: (key: K, ...rest: R) => V): (key: K, ...rest: R) => V {
  const made = new WeakMap<K, { rest: R; value: V }>();
  return (key, ...rest) => {
    const known = made.get(key);
    if (known?.rest.length === rest.length && known.rest.every((one, n) => one === rest[n])) return known.value;
    const value = make(key, ...rest);
    made.set(key, { rest, value });
    return value;
  };
}

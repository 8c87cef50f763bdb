/** A call in a text, such as `start_vm {"vmid": 100}`, that does not name its cluster yet. */
const CALL = /\b([a-z]+(?:_[a-z]+)+) \{"(?!cluster")/g;

/**
 * The text, in which every call names the cluster: without it the call would be refused.
 * @param cluster the name that callers give; undefined where only one cluster is served
 */
export function namingCluster(text: string, cluster: string | undefined): string {
  return cluster === undefined ? text : text.replace(CALL, `$1 {"cluster": "${cluster}", "`);
}

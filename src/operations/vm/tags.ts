/** Tags as Proxmox stores them: lower case, sorted, without doubles. */
export function sortedTags(tags: readonly string[]): string {
  return [...new Set(tags.map((tag) => tag.toLowerCase()))].sort().join(';');
}

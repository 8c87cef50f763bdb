/** Tags as they are sent: sorted, without doubles. Proxmox lowers them itself, unless its tag style is case-sensitive. */
export function sortedTags(tags: readonly string[]): string {
  return [...new Set(tags)].sort().join(';');
}

/** Cells that once failed; every slice runs them. The name of a cell says all that reproduces it. */
export const PINNED: ReadonlySet<string> = new Set<string>([
  'set / mutation POST /nodes/pve/qemu/105/config 1 / reset-after + late-read /nodes/pve/tasks 1 / 403-for-good',
  'set-running / mutation POST /nodes/pve2/qemu/101/config 1 / reset-after + late-read /nodes/pve2/tasks 1 / null-for-good',
  'create / late-read /nodes/pve/qemu/108/config 1 / outage-8s',
  'create / late-read /nodes/pve/qemu/108/config 2 / outage-8s',
  'delete-after-backup / late-read /nodes/pve/qemu/105/status/current 1 / 401',
  'delete-after-backup / late-read /cluster/resources 1 / locked',
  'clone / mutation POST /nodes/pve/qemu/108/config 1 / reset-after + late-read /nodes/pve/tasks 1 / half-of-the-rows-for-good',
  'migrate / late-read /cluster/resources 1 / 500-html',
  'migrate / late-read /nodes/pve2/qemu/100/status/current 1 / no-answer-at-all',
  'clone / plan-read /nodes/pve/qemu/100/pending 1 / no-answer-at-all',
]);

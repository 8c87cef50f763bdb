/** Requests that interrupt or destroy, by method and path: written from the API of Proxmox VE, not from the product's own list. */
const DESTRUCTIVE = [
  /^DELETE \/nodes\/[^/]+\/(qemu|lxc)\/\d+$/,
  /^DELETE \/nodes\/[^/]+\/(qemu|lxc)\/\d+\/snapshot\//,
  /^DELETE \/nodes\/[^/]+\/storage\//,
  /^POST \/nodes\/[^/]+\/(qemu|lxc)\/\d+\/status\/(stop|shutdown|reboot|reset|suspend)$/,
  /^POST \/nodes\/[^/]+\/(qemu|lxc)\/\d+\/snapshot\/[^/]+\/rollback$/,
  /^POST \/nodes\/[^/]+\/(qemu|lxc)\/\d+\/template$/,
  /^POST \/nodes\/[^/]+\/qemu\/\d+\/agent\/(exec|file-write)$/,
  /^PUT \/nodes\/[^/]+\/qemu\/\d+\/unlink$/,
  /^(POST|PUT|DELETE) \/nodes\/[^/]+\/(qemu|lxc)\/\d+\/firewall\//,
  /^DELETE \/(pools|access|cluster)/,
];

export const isDestructive = (request: string): boolean => DESTRUCTIVE.some((pattern) => pattern.test(request));

// The settings that installers ask for; docs/configuration.md has all of them.
export const SETTINGS = [
  {
    variable: 'PROXMOX_HOST',
    title: 'Proxmox host',
    description: 'Address of a Proxmox VE node, for example 192.168.1.10',
    required: true,
  },
  { variable: 'PROXMOX_TOKEN_ID', title: 'API token', description: 'Name of the API token, for example mcp@pve!agent', required: true },
  {
    variable: 'PROXMOX_TOKEN_SECRET',
    title: 'Secret of the token',
    description: 'Shown once when the token is created',
    required: true,
    secret: true,
  },
  {
    variable: 'PROXMOX_FINGERPRINT',
    title: 'Certificate fingerprint',
    description: 'SHA-256 fingerprint of the certificate. Empty: the first connection pins it.',
  },
  { variable: 'PROXMOX_READ_ONLY', title: 'Read only', description: 'Offer read operations only', boolean: true },
];

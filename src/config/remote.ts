import { hostname } from 'node:os';
import { section } from './described.ts';
import { databaseUrl, folder, httpsUrl, list, networkList, nonEmptyList, ownUrls, replicaName, text, whole } from './values.ts';

const remote = section('Remote agents');

/** Serving agents on other machines (`proxmox-mcp http`). docs/deployment.md puts them together. */
export const remoteVariables = {
  PROXMOX_HTTP_HOST: remote(text.default('127.0.0.1'), {
    field: 'http.host',
    description: 'Listen address. An address other than loopback needs authentication and TLS, direct or by a proxy.',
    example: '127.0.0.1',
  }),
  PROXMOX_HTTP_PORT: remote(whole(0, 65_535).default(8808), {
    field: 'http.port',
    description: 'Listen port. 0 takes any free one.',
  }),
  PROXMOX_HTTP_PUBLIC_URL: remote(ownUrls.default([]), {
    field: 'http.publicUrls',
    description:
      'Public addresses of this server, without the path `/mcp`, separated by commas. Only their host names and those of loopback are accepted. The first one is shown to people and begins the resource identifier for OAuth.',
    defaultText: 'none; loopback only',
    example: 'https://mcp.example.org,https://mcp.internal:8808',
  }),
  PROXMOX_HTTP_CERT_FILE: remote(folder.optional(), {
    field: 'http.certFile',
    description: 'PEM file with the certificate of this server and its chain.',
    defaultText: 'none; plain HTTP',
    example: '/etc/proxmox-mcp/tls.crt',
  }),
  PROXMOX_HTTP_KEY_FILE: remote(folder.optional(), {
    field: 'http.keyFile',
    description: 'PEM file with the private key of that certificate.',
    example: '/etc/proxmox-mcp/tls.key',
  }),
  PROXMOX_HTTP_TRUSTED_PROXIES: remote(networkList.default([]), {
    field: 'http.trustedProxies',
    description:
      'Networks of reverse proxies, separated by commas. Their `X-Forwarded-For` and `X-Forwarded-Host` give the address of the client and the host it asked for.',
    example: '10.0.0.0/24',
    ceiling: 'fixed',
  }),
  PROXMOX_HTTP_RATE: remote(whole(1, 1_000_000).default(600), {
    field: 'http.perMinute',
    description:
      'Requests per minute of one identity, counted by each replica. The same number may arrive at once. Each message of a batch is a request.',
    ceiling: 'lower',
  }),
  PROXMOX_HTTP_REPLICA: remote(
    replicaName.default(
      () =>
        hostname()
          .toLowerCase()
          .replace(/[^a-z0-9]+/g, '')
          .slice(0, 32) || 'one',
    ),
    {
      field: 'http.replica',
      description: 'Name of this replica. Session ids begin with it, so that a load balancer finds the right one.',
      defaultText: "the machine's name",
      example: 'a',
    },
  ),
  PROXMOX_HTTP_OAUTH_ISSUER: remote(httpsUrl.optional(), {
    description: 'OAuth 2.1 authorization server whose access tokens are accepted, exactly as in their `iss`.',
    defaultText: 'none; only tokens of `proxmox-mcp tokens add` are accepted',
    example: 'https://login.example.org',
    ceiling: 'fixed',
  }),
  PROXMOX_HTTP_OAUTH_AUDIENCE: remote(nonEmptyList.optional(), {
    description: 'Accepted audiences (`aud`) of an access token, separated by commas. One must match.',
    defaultText: 'the first address of `PROXMOX_HTTP_PUBLIC_URL` followed by `/mcp`',
    example: 'https://mcp.example.org/mcp',
    ceiling: 'fixed',
  }),
  PROXMOX_HTTP_OAUTH_JWKS_URL: remote(httpsUrl.optional(), {
    description: "Address of the authorization server's public keys.",
    defaultText: "what the authorization server's metadata says",
    example: 'https://login.example.org/jwks',
    ceiling: 'fixed',
  }),
  PROXMOX_HTTP_TRUSTED_SUBJECTS: remote(list.default([]), {
    description:
      'OAuth subjects whose clients may ask a human and pass on the answer, separated by commas. Other subjects decide in the console.',
    example: 'alice',
    ceiling: 'fixed',
  }),
  PROXMOX_DATABASE_URL: remote(databaseUrl.optional(), {
    field: 'databaseUrl',
    description: 'PostgreSQL database that several servers share.',
    defaultText: 'none; SQLite in the data folder',
    example: 'postgres://proxmox_mcp@db.example.org/proxmox_mcp',
    secret: true,
    ceiling: 'fixed',
  }),
};

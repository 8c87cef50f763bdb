import { isIP } from 'node:net';
import { ProxmoxMcpError } from '../../core/errors/errors.ts';
import type { Reply } from '../answers/errors.ts';

/** pveproxy's own answers for what is behind it: another node's pveproxy for a path below `/nodes/X`, else the pvedaemon of its host. */
export function isGatewayStatus(status: number): boolean {
  return status >= 595 && status <= 599;
}

/**
 * An answer of a proxy in between, which does not know what became of the request: 502–504, or a status that a big proxy makes up, such as
 * 520–530. Its body is not Proxmox's. Proxmox itself answers 501 and 506 without a body, and 500 with a reason phrase of its own.
 */
export function isProxys({ status, reason, body }: Reply): boolean {
  if (isProxmox(body) || status === 501 || status === 506) return false;
  return status > 501 || (status === 500 && (reason === '' || reason === 'Internal Server Error'));
}

function isProxmox(body: string): boolean {
  return /^\s*\{.*"data"/s.test(body);
}

/**
 * The error for a gateway's answer: the endpoint answers, so the settings are right and what is behind it is named.
 * @param reason `595 No route to host`
 * @param node of the path; empty for a path of the whole cluster
 * @param where the endpoints
 */
export function gatewayError(reason: string, node: string, where: string, consequence: string): ProxmoxMcpError {
  const who = node === '' ? `The service behind pveproxy on ${where}` : `Node ${node}`;
  const through = node === '' ? '' : ` (${where} does)`;
  return new ProxmoxMcpError('unreachable', `${who} does not answer${through}: ${reason}. ${consequence}`, {
    hint: `Tell the user. The operator ${remedy(reason, node)}.`,
    details: { reason, ...(node === '' ? {} : { node }) },
  });
}

/** By the words of the HTTP client in pveproxy. */
function remedy(reason: string, node: string): string {
  const on = node === '' ? 'on that host' : `on ${node}`;
  if (/certificate|tls|ssl/i.test(reason)) return `renews the certificate ${on}: pvecm updatecerts; systemctl restart pveproxy`;
  if (/refused/i.test(reason)) return `starts the services ${on}: systemctl restart pvedaemon pveproxy`;
  if (reason.startsWith('595') && node !== '')
    return `checks that ${node} is on and in the cluster's network: pvecm status on another node`;
  return `looks for busy or hanging workers ${on}: systemctl status pvedaemon, and a storage that does not answer`;
}

const PVEPROXY_PORT = 8006;

/**
 * The hint where nothing answers and an endpoint is a name on Proxmox's own port. The address may be that of a proxy, copied from a browser,
 * which leaves out the port of https://.
 */
export function proxyHint(endpoints: readonly { host: string; port: number }[]): { hint?: string } {
  const named = endpoints.find(({ host, port }) => port === PVEPROXY_PORT && isIP(host) === 0 && host !== 'localhost');
  if (!named) return {};
  return {
    hint: `Check PROXMOX_HOST and PROXMOX_PORT, the network and the pveproxy service. Is ${named.host} a proxy? Then name its port: PROXMOX_HOST=https://${named.host}:443.`,
  };
}

import { traced } from '../../core/trace.ts';
import { contract } from '../contract/contract.ts';
import type { Endpoint } from '../trust/tls.ts';
import type { Exchange, WireRequest } from './transport.ts';

/** One exchange as a span. Its path is the template of the API's method, so that no name of a snapshot, volume or user is in a trace. */
export async function tracedExchange(
  endpoint: Endpoint,
  { method, path }: WireRequest,
  exchange: () => Promise<Exchange>,
): Promise<Exchange> {
  const { api, at = {} } = (await contract()).find(method, path) ?? {};
  const template = api?.path ?? '/{unknown}';
  const attributes = {
    'http.request.method': method,
    'url.template': template,
    'server.address': endpoint.host,
    'server.port': Number(endpoint.port),
    'proxmox.node': at.node,
    'proxmox.vmid': /^\d+$/.test(at.vmid ?? '') ? Number(at.vmid) : undefined,
  };
  return traced({ name: `${method} ${template}`, kind: 'client', attributes }, async (span) => {
    const seen = await exchange();
    if ('failure' in seen) span.fail(seen.failure);
    else {
      span.set({ 'http.response.status_code': seen.reply.status });
      if (seen.reply.status >= 400) span.fail(String(seen.reply.status));
    }
    return seen;
  });
}

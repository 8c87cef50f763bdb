import { asError } from '../../core/errors.ts';
import type { ProxmoxReader } from '../../core/proxmox.ts';
import { plainText } from '../../core/text.ts';
import { type Guest, guestPath } from '../../proxmox/guests.ts';
import { agentEnabled } from '../../proxmox/property-strings.ts';

const MAX_ADDRESSES = 32;

/**
 * IP addresses of a running guest without loopback and link-local ones: from the guest agent of a VM
 * (`GET …/agent/network-get-interfaces`), from the host for a container (`GET …/interfaces`). Where nobody can tell, `ip_note` says why.
 */
export async function addressesOf(api: ProxmoxReader, guest: Guest): Promise<{ ip_addresses?: string[]; ip_note?: string }> {
  if (guest.at.type === 'qemu' && !agentEnabled(guest.live.agent)) {
    return { ip_note: 'the guest agent is not enabled for this VM, so its addresses are not known' };
  }
  try {
    const found = guest.at.type === 'qemu' ? await fromAgent(api, guest) : await fromHost(api, guest);
    const useful = found.map((ip) => plainText(ip, 45)).filter((ip) => ip !== '' && !/^(127\.|169\.254\.|::1$|fe80:)/i.test(ip));
    return { ip_addresses: [...new Set(useful)].slice(0, MAX_ADDRESSES) };
  } catch (thrown) {
    const error = asError(thrown);
    if (error.code === 'permission_denied')
      return { ip_note: 'the token lacks VM.GuestAgent.Audit (before 9.0: VM.Monitor), so addresses are not known' };
    // An agent that does not answer yet, or a guest that stopped meanwhile, is no failure of reading the guest.
    const known = error.code === 'guest_state' || error.code === 'unreachable';
    // Anything else may be words of the agent, and those come out of the guest.
    return { ip_note: `addresses are not known: ${known ? plainText(error.message, 200) : 'the guest agent answered with an error'}` };
  }
}

async function fromAgent(api: ProxmoxReader, guest: Guest): Promise<string[]> {
  const { result } = await api.get<{ result?: { 'ip-addresses'?: { 'ip-address'?: string }[] }[] }>(
    `${guestPath(guest.at)}/agent/network-get-interfaces`,
  );
  return (result ?? []).flatMap((card) => (card['ip-addresses'] ?? []).map((a) => String(a['ip-address'] ?? '')));
}

async function fromHost(api: ProxmoxReader, guest: Guest): Promise<string[]> {
  const cards = await api.get<{ name?: string; inet?: string; inet6?: string }[]>(`${guestPath(guest.at)}/interfaces`);
  return (cards ?? []).flatMap((card) => [card.inet, card.inet6].flatMap((cidr) => (cidr ? [cidr.split('/')[0] ?? ''] : [])));
}

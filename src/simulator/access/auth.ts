import { timingSafeEqual } from 'node:crypto';
import type { World } from '../world.ts';
import type { Who } from './permissions.ts';

/** The user of a request's Authorization header; a string is the reason phrase of the 401, which comes three seconds late. */
export function authenticate(world: World, header: string | undefined): Who | string {
  const given = /^PVEAPIToken[= ](.*)$/.exec(header ?? '')?.[1];
  if (given === undefined) return 'No ticket';
  const split = given.lastIndexOf('=') >= 0 ? given.lastIndexOf('=') : given.lastIndexOf(':');
  const id = given.slice(0, Math.max(split, 0));
  const secret = given.slice(split + 1);
  world.refresh();
  const token = world.get('token', id);
  const user = world.get('user', id.split('!')[0] as string);
  const now = world.now() / 1000;
  const expired = (expire: number) => expire > 0 && expire < now;
  if (!token || !user?.enable || expired(user.expire) || expired(token.expire) || !same(token.secret, secret))
    return 'Authentication failed!';
  return { token: id, user: user.userid, privsep: token.privsep === 1 };
}

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** The token id in a header, for the record only. */
export function claimedToken(header: string | undefined): string | undefined {
  return /^PVEAPIToken[= ]([^=:]+)/.exec(header ?? '')?.[1];
}

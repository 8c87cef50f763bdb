import { may } from '../access/permissions.ts';
import { type Context, flag, needed, type Routes, text } from '../context.ts';
import { forbid, refuse } from '../errors.ts';
import { splitList } from '../formats.ts';
import type { User } from '../model.ts';

type Row = Record<string, unknown>;

function userOf(context: Context): User {
  const userid = needed(context, 'userid');
  return context.world.get('user', userid) ?? refuse(`no such user ('${userid}')`);
}

const tokensOf = (context: Context, userid: string) =>
  [...context.world.all('token').values()].filter(({ tokenid }) => tokenid.startsWith(`${userid}!`));

function readUser(context: Context): Row {
  const { userid, ...user } = userOf(context);
  const tokens = tokensOf(context, userid).map(({ tokenid, privsep, expire, comment }) => [
    tokenid.split('!')[1],
    { privsep, expire, ...(comment === undefined ? {} : { comment }) },
  ]);
  return { ...user, groups: groupsOf(context, userid), ...(tokens.length > 0 ? { tokens: Object.fromEntries(tokens) } : {}) };
}

const groupsOf = (context: Context, userid: string): string[] =>
  [...context.world.all('group').values()].filter(({ users }) => users.includes(userid)).map(({ groupid }) => groupid);

function updateUser(context: Context): null {
  const user = { ...userOf(context) };
  const [comment, email, enable, expire] = ['comment', 'email', 'enable', 'expire'].map((name) => text(context, name));
  if (comment !== undefined) user.comment = comment;
  if (email !== undefined) user.email = email;
  if (enable !== undefined) user.enable = enable === '1' ? 1 : 0;
  if (expire !== undefined) user.expire = Number(expire);
  context.world.put('user', user.userid, user);
  const groups = text(context, 'groups');
  if (groups !== undefined) joinGroups(context, user.userid, splitList(groups), flag(context, 'append'));
  return null;
}

function joinGroups(context: Context, userid: string, names: string[], append: boolean): void {
  for (const group of [...context.world.all('group').values()]) {
    const isIn = names.includes(group.groupid) || (append && group.users.includes(userid));
    const users = [...group.users.filter((other) => other !== userid), ...(isIn ? [userid] : [])];
    context.world.put('group', group.groupid, { ...group, users });
  }
}

/** A user goes with tokens, group memberships and ACL entries. */
function deleteUser(context: Context): null {
  const { world } = context;
  const { userid } = userOf(context);
  if (userid === 'root@pam') refuse("can't delete 'root@pam'");
  const tokens = tokensOf(context, userid).map(({ tokenid }) => tokenid);
  joinGroups(context, userid, [], false);
  for (const [key, acl] of world.all('acl')) if ([userid, ...tokens].includes(acl.ugid)) world.drop('acl', key);
  for (const tokenid of tokens) world.drop('token', tokenid);
  world.drop('user', userid);
  return null;
}

function listGroups(context: Context): Row[] {
  const { world, who } = context;
  return [...world.all('group').values()]
    .filter(({ groupid }) => may(world, who, `/access/groups/${groupid}`, ['User.Modify', 'Sys.Audit', 'Group.Allocate'], true))
    .map(({ groupid, comment, users }) => ({ groupid, users: users.join(','), ...(comment === undefined ? {} : { comment }) }));
}

function groupOf(context: Context) {
  const groupid = needed(context, 'groupid');
  return context.world.get('group', groupid) ?? refuse(`group '${groupid}' does not exist`);
}

function createGroup(context: Context): null {
  const groupid = needed(context, 'groupid');
  if (context.world.get('group', groupid)) refuse(`create group failed: group '${groupid}' already exists`);
  const comment = text(context, 'comment');
  context.world.put('group', groupid, { groupid, users: [], ...(comment === undefined ? {} : { comment }) });
  return null;
}

const REALMS: Record<string, Row> = {
  pam: { type: 'pam', comment: 'Linux PAM standard authentication' },
  pve: { type: 'pve', comment: 'Proxmox VE authentication server' },
};

export const ACCESS_GROUP_ROUTES: Routes = {
  'GET /access': () =>
    ['users', 'groups', 'roles', 'acl', 'domains', 'openid', 'tfa', 'ticket', 'permissions'].map((subdir) => ({ subdir })),
  'GET /access/users/{userid}': readUser,
  'PUT /access/users/{userid}': updateUser,
  'DELETE /access/users/{userid}': deleteUser,
  'GET /access/groups': listGroups,
  'POST /access/groups': createGroup,
  'GET /access/groups/{groupid}': (context) => {
    const { users, comment } = groupOf(context);
    return { members: users, ...(comment === undefined ? {} : { comment }) };
  },
  'PUT /access/groups/{groupid}': (context) => {
    const comment = text(context, 'comment');
    const group = groupOf(context);
    context.world.put('group', group.groupid, { ...group, ...(comment === undefined ? {} : { comment }) });
    return null;
  },
  'DELETE /access/groups/{groupid}': (context) => {
    const { groupid } = groupOf(context);
    context.world.drop('group', groupid);
    for (const [key, acl] of context.world.all('acl')) if (acl.ugid === groupid && acl.type === 'group') context.world.drop('acl', key);
    return null;
  },
  'GET /access/roles/{roleid}': (context) => {
    const roleid = needed(context, 'roleid');
    const role = context.world.get('role', roleid) ?? refuse(`role '${roleid}' does not exist`);
    return Object.fromEntries(role.privs.map((priv) => [priv, 1]));
  },
  'GET /access/domains/{realm}': (context) => {
    const realm = needed(context, 'realm');
    return REALMS[realm] ?? refuse(`domain '${realm}' does not exist`);
  },
  'GET /access/tfa': (context) => {
    const { world, who } = context;
    const all = may(world, who, '/access/groups', ['User.Modify', 'Sys.Audit'], true);
    return [...world.all('user').values()]
      .filter(({ userid }) => all || userid === who.user)
      .map(({ userid }) => ({ userid, entries: [] }));
  },
  'GET /access/tfa/{userid}': (context) => (userOf(context) ? [] : forbid()),
};

import { randomUUID } from 'node:crypto';
import { may, modifyPrivileges } from '../access/permissions.ts';
import { type Context, flag, integer, needed, type Routes, text } from '../context.ts';
import { refuse } from '../errors.ts';
import { splitList } from '../formats.ts';
import type { Acl, Token } from '../model.ts';
import { aclKey } from '../seed/parts.ts';

function updateAcl(context: Context): null {
  const { world } = context;
  const path = needed(context, 'path');
  const wanted: [Acl['type'], string | undefined][] = [
    ['user', text(context, 'users')],
    ['token', text(context, 'tokens')],
    ['group', text(context, 'groups')],
  ];
  for (const roleid of splitList(needed(context, 'roles'))) {
    if (!world.get('role', roleid)) refuse(`ACL update failed: role '${roleid}' does not exist`);
    for (const [type, names] of wanted) {
      for (const ugid of splitList(names ?? '')) {
        if (type === 'user' && !world.get('user', ugid)) refuse(`ACL update failed: user '${ugid}' does not exist`);
        if (type === 'token' && !world.get('token', ugid))
          refuse(`ACL update failed: no such token '${ugid.split('!')[1]}' for user '${ugid.split('!')[0]}'`);
        const acl: Acl = { path, type, ugid, roleid, propagate: text(context, 'propagate') === '0' ? 0 : 1 };
        if (flag(context, 'delete')) world.drop('acl', aclKey(acl));
        else world.put('acl', aclKey(acl), acl);
      }
    }
  }
  return null;
}

function createUser(context: Context): null {
  const userid = needed(context, 'userid');
  if (!/^[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+$/.test(userid)) refuse(`value '${userid}' does not look like a valid user name`);
  if (context.world.get('user', userid)) refuse(`create user failed: user '${userid}' already exists`);
  const comment = text(context, 'comment');
  context.world.put('user', userid, { userid, enable: 1, expire: 0, ...(comment === undefined ? {} : { comment }) });
  return null;
}

const realmOf = (userid: string): string => userid.slice(userid.lastIndexOf('@') + 1);

function users(context: Context): unknown {
  const { world, who } = context;
  const all = may(world, who, '/access/groups', ['User.Modify', 'Sys.Audit'], true);
  return [...world.all('user').values()]
    .filter((user) => all || user.userid === who.user)
    .map((user) => ({ ...user, 'realm-type': realmOf(user.userid) }));
}

function tokenOf(context: Context): Token {
  const [userid, name] = [needed(context, 'userid'), needed(context, 'tokenid')];
  return context.world.get('token', `${userid}!${name}`) ?? refuse(`no such token '${name}' for user '${userid}'`);
}

const describeToken = ({ privsep, expire, comment }: Token) => ({ privsep, expire, ...(comment === undefined ? {} : { comment }) });

function createToken(context: Context): unknown {
  const [userid, name] = [needed(context, 'userid'), needed(context, 'tokenid')];
  const tokenid = `${userid}!${name}`;
  if (!context.world.get('user', userid)) refuse(`user '${userid}' does not exist`);
  if (context.world.get('token', tokenid)) refuse(`Token already exists.`);
  const privsep = text(context, 'privsep') === '0' ? 0 : 1;
  const comment = text(context, 'comment');
  const secret = randomUUID();
  context.world.put('token', tokenid, {
    tokenid,
    secret,
    privsep,
    expire: integer(context, 'expire') ?? 0,
    ...(comment === undefined ? {} : { comment }),
  });
  const info = { privsep: String(privsep), ...(comment === undefined ? {} : { comment }) };
  return { 'full-tokenid': tokenid, info, value: secret };
}

function updateToken(context: Context): unknown {
  const token = tokenOf(context);
  const privsep = text(context, 'privsep');
  const expire = integer(context, 'expire');
  const comment = text(context, 'comment');
  const next: Token = {
    ...token,
    ...(privsep === undefined ? {} : { privsep: privsep === '0' ? 0 : 1 }),
    ...(expire === undefined ? {} : { expire }),
    ...(comment === undefined ? {} : { comment }),
  };
  context.world.put('token', token.tokenid, next);
  return describeToken(next);
}

function createRole(context: Context): null {
  const roleid = needed(context, 'roleid');
  if (context.world.get('role', roleid)) refuse(`create role failed: role '${roleid}' already exists`);
  context.world.put('role', roleid, { roleid, privs: splitList(text(context, 'privs') ?? '').sort() });
  return null;
}

function updateRole(context: Context): null {
  const role = context.world.get('role', needed(context, 'roleid')) ?? refuse(`role '${needed(context, 'roleid')}' does not exist`);
  if (role.special) refuse(`auto-generated role '${role.roleid}' cannot be modified`);
  const privs = splitList(text(context, 'privs') ?? '');
  context.world.put('role', role.roleid, {
    ...role,
    privs: [...new Set(flag(context, 'append') ? [...role.privs, ...privs] : privs)].sort(),
  });
  return null;
}

function deleteRole(context: Context): null {
  const roleid = needed(context, 'roleid');
  const role = context.world.get('role', roleid) ?? refuse(`role '${roleid}' does not exist`);
  if (role.special) refuse(`auto-generated role '${roleid}' can not be deleted`);
  context.world.drop('role', roleid);
  for (const [key, acl] of context.world.all('acl')) if (acl.roleid === roleid) context.world.drop('acl', key);
  return null;
}

function acls(context: Context): unknown {
  const { world, who } = context;
  const all = may(world, who, '/access', ['Sys.Audit']);
  return [...world.all('acl').values()].filter((acl) => all || may(world, who, acl.path, modifyPrivileges(acl.path), true));
}

const TOKEN = '/access/users/{userid}/token';

export const ACCESS_ROUTES: Routes = {
  'GET /access/acl': acls,
  'PUT /access/acl': updateAcl,
  'GET /access/users': users,
  'POST /access/users': createUser,
  'GET /access/roles': (context) =>
    [...context.world.all('role').values()].map(({ roleid, privs, special }) => ({
      roleid,
      privs: privs.join(','),
      special: special ?? 0,
    })),
  'POST /access/roles': createRole,
  'PUT /access/roles/{roleid}': updateRole,
  'DELETE /access/roles/{roleid}': deleteRole,
  'GET /access/domains': () => [
    { realm: 'pam', type: 'pam', comment: 'Linux PAM standard authentication' },
    { realm: 'pve', type: 'pve', comment: 'Proxmox VE authentication server' },
  ],
  [`GET ${TOKEN}`]: (context) =>
    [...context.world.all('token').values()]
      .filter((token) => token.tokenid.startsWith(`${needed(context, 'userid')}!`))
      .map((token) => ({ tokenid: token.tokenid.split('!')[1], ...describeToken(token) })),
  [`GET ${TOKEN}/{tokenid}`]: (context) => describeToken(tokenOf(context)),
  [`POST ${TOKEN}/{tokenid}`]: createToken,
  [`PUT ${TOKEN}/{tokenid}`]: updateToken,
  [`DELETE ${TOKEN}/{tokenid}`]: (context) => {
    const { tokenid } = tokenOf(context);
    context.world.drop('token', tokenid);
    for (const [key, acl] of context.world.all('acl')) if (acl.ugid === tokenid) context.world.drop('acl', key);
    return null;
  },
};

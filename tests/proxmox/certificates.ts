import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  key: string;
  cert: string;
  fingerprint: string;
}

export interface Authority {
  pem: string;
  fingerprint: string;
  /** Path of the PEM, for PROXMOX_CA_FILE. */
  file: string;
  /** A fresh certificate of a node. */
  issue(options?: { san?: string; days?: number }): Certificate;
}

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Authorities made by OpenSSL in a temporary folder; Node itself cannot sign certificates. */
export function openAuthorities(): { create(name: string): Authority; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'pmcp-tls-'));
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const fingerprintOf = (pem: string) => new X509Certificate(pem).fingerprint256;
  let serial = 0;
  return {
    create(name) {
      openssl(
        'req',
        '-x509',
        ...CURVE,
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.pem`,
        '-days',
        '3650',
        '-subj',
        `/CN=${name}/O=PVE Cluster Manager CA`,
      );
      const pem = readFileSync(join(folder, `${name}.pem`), 'utf8');
      return {
        pem,
        fingerprint: fingerprintOf(pem),
        file: join(folder, `${name}.pem`),
        issue({ san = 'IP:127.0.0.1,DNS:localhost', days = 30 } = {}) {
          const leaf = `leaf-${++serial}`;
          writeFileSync(join(folder, `${leaf}.ext`), `subjectAltName=${san}\nbasicConstraints=CA:FALSE\n`);
          openssl(
            'req',
            '-new',
            ...CURVE,
            '-keyout',
            `${leaf}.key`,
            '-out',
            `${leaf}.csr`,
            '-subj',
            '/O=Proxmox Virtual Environment/CN=pve',
          );
          const signing = ['-CA', `${name}.pem`, '-CAkey', `${name}.key`, '-set_serial', String(serial), '-days', String(days)];
          openssl('x509', '-req', '-in', `${leaf}.csr`, ...signing, '-extfile', `${leaf}.ext`, '-out', `${leaf}.pem`);
          const cert = readFileSync(join(folder, `${leaf}.pem`), 'utf8');
          return { key: readFileSync(join(folder, `${leaf}.key`), 'utf8'), cert, fingerprint: fingerprintOf(cert) };
        },
      };
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

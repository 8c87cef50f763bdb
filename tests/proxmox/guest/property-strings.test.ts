import { expect, it } from 'vitest';
import { optionsInFile } from '../../../src/proxmox/guest/property-strings.ts';

it('reads the options of a configuration file, and not those of its snapshots', () => {
  const file = '#notes: none\ncores: 4\nname:  web1 \nscsi0: local-lvm:vm-105-disk-0,size=32G\n\n[before]\ncores: 64\n';
  expect(optionsInFile(file)).toEqual({ cores: '4', name: 'web1', scsi0: 'local-lvm:vm-105-disk-0,size=32G' });
  expect(optionsInFile('[before]\ncores: 64\n')).toEqual({});
  expect(optionsInFile('cores: 2\r\nmemory: 512\r\n')).toEqual({ cores: '2', memory: '512' });
});

it.each(['\r', '\u2028', '\u2029'])('%j ends no line: a value with it hides no option behind it, and makes none', (end) => {
  expect(optionsInFile(`ciuser: x${end}[y\ncores: 64\n`)).toEqual({ ciuser: `x${end}[y`, cores: '64' });
  expect(optionsInFile(`memory: 262144\nsearchdomain: x${end}memory: 16\n`)).toEqual({
    memory: '262144',
    searchdomain: `x${end}memory: 16`,
  });
});

import { stdio } from './commands/stdio.ts';
import { outliveReaders, reportError } from './terminal/output.ts';

// `proxmox-mcp stdio` without options.

outliveReaders();
void stdio({}).catch((error: unknown) => {
  process.exitCode = reportError(error);
});

#!/bin/sh
# Starts proxmox-mcp from a snapshot of the process, if this very Node made one of this very build; otherwise as usual.
#   proxmox-mcp.sh --build-snapshot   makes the snapshot beside the bundle, which must be writable
here=${0%/*}
blob="$here/.cache/@BUILD@-$(node --version)-$(uname -m).blob"
if [ "$1" = --build-snapshot ]; then
  mkdir -p "$here/.cache" && NODE_NO_WARNINGS=1 exec node --snapshot-blob "$blob" --build-snapshot "$here/cli.js"
fi
if [ -f "$blob" ]; then exec node --snapshot-blob "$blob" "$here/cli.js" "$@"; fi
exec node "$here/cli.js" "$@"

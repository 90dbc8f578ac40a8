#!/usr/bin/env bash
# Nix asks the remote side of a git input for its main branch, and where that fails (no key, an unknown host, no network) it goes on with
# `master`. The error that it ends with is then of a branch that is not there, and not of the connection.
. "$(dirname "$0")/lib.sh"

packages=(git)
nix_script << 'SCRIPT'
printf '%s\n' '#!/bin/bash' 'echo "user@host: Permission denied (publickey)." >&2; exit 255' > /tmp/ssh
chmod +x /tmp/ssh
export GIT_SSH=/tmp/ssh
nix eval --impure --expr 'builtins.fetchGit "ssh://user@host/repository"' 2>&1 || true
SCRIPT

inside nix --version
said=$(inside bash /tmp/run | sed -n 's/^ *error: //p' | tail -n 1)
seen 'the error of builtins.fetchGit where ssh has no key' 'that the repository could not be read, or what ssh said' \
  "resolving Git reference 'master': revspec 'master' not found" "$said"
finish

#!/usr/bin/env bash
# `nix path-info` fails for a path that is not in the store; with `--json` it exits with 0 and prints `null`.
. "$(dirname "$0")/lib.sh"

nix_script << 'SCRIPT'
path=/tmp/s/store/00000000000000000000000000000000-x
nix path-info "$path" > /tmp/out 2> /dev/null; echo "exit code $?, prints '$(cat /tmp/out)'"
nix path-info --json "$path" > /tmp/out 2> /dev/null; echo "exit code $?, prints '$(sed 's|"/tmp[^"]*"|PATH|' /tmp/out)'"
SCRIPT
inside nix --version
mapfile -t answers < <(inside bash /tmp/run)
seen 'nix path-info MISSING' 'an error' "exit code 1, prints ''" "${answers[0]}"
seen 'nix path-info --json MISSING' 'an error' "exit code 0, prints '{PATH:null}'" "${answers[1]}"
finish

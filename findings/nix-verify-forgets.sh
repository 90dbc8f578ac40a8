#!/usr/bin/env bash
# `nix-store --verify --check-contents` on a store that has lost a path: it removes the path from the database and exits with
# 0. Only its output says that something was wrong; a second run says nothing at all.
. "$(dirname "$0")/lib.sh"

nix_script << 'SCRIPT'
echo hello > /tmp/file
path=$(nix-store --add /tmp/file)
rm -rf "$path"
nix-store --verify --check-contents > /tmp/out 2>&1; echo "exit code $?, $(grep -c disappeared /tmp/out) line about it"
nix-store --verify --check-contents > /tmp/out 2>&1; echo "exit code $?, $(grep -c disappeared /tmp/out) lines about it"
SCRIPT
inside nix --version
mapfile -t answers < <(inside bash /tmp/run)
seen 'the first verification' 'a non-zero exit code, and the path stays known as lost' 'exit code 0, 1 line about it' "${answers[0]}"
seen 'the second verification' 'the same again' 'exit code 0, 0 lines about it' "${answers[1]}"
finish

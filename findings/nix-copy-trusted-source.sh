#!/usr/bin/env bash
# `?trusted=true` on a binary cache makes Nix take unsigned paths when the cache is a substituter, and does nothing when the
# same URL is the source of `nix copy`.
. "$(dirname "$0")/lib.sh"

nix_script << 'SCRIPT'
drv=$(nix-instantiate --expr 'derivation { name = "x"; system = builtins.currentSystem; builder = "/bin/bash";
  args = [ "-c" "echo built > $out" ]; }')
path=$(nix-store --realise "$drv")
nix copy --to file:///tmp/cache "$path"
answer() { if "$@" > /dev/null 2> /tmp/error; then echo accepted; else grep -o 'lacks a signature by a trusted key' /tmp/error; fi; }
answer nix copy --from 'file:///tmp/cache?trusted=true' --to 'local?root=/tmp/copied' "$path"
answer nix copy --no-check-sigs --from file:///tmp/cache --to 'local?root=/tmp/unchecked' "$path"
answer env NIX_CONFIG="$NIX_CONFIG
substituters = file:///tmp/cache?trusted=true" nix-store --store 'local?root=/tmp/substituted' --realise "$path"
SCRIPT
inside nix --version
mapfile -t answers < <(inside bash /tmp/run 2> /dev/null)
seen 'nix copy --from cache?trusted=true' accepted 'lacks a signature by a trusted key' "${answers[0]}"
seen 'nix copy --no-check-sigs --from cache' accepted accepted "${answers[1]}"
seen 'a substituter cache?trusted=true' accepted accepted "${answers[2]}"
finish

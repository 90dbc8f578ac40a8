#!/usr/bin/env bash
# `nix-store --dump-db` and `--load-db` carry the registration of store paths from one store to another, as the images of
# installers do. Content addresses and signatures are not carried: a path that needed no signature needs one afterwards.
. "$(dirname "$0")/lib.sh"

nix_script << 'SCRIPT'
echo hello > /tmp/file
path=$(nix-store --add /tmp/file)
copied() { if nix copy --to "local?root=$1" "$path" 2> /tmp/error; then echo copied; else
  grep -o 'lacks a signature by a trusted key' /tmp/error; fi; }
copied /tmp/before
nix-store --dump-db > /tmp/registration
export NIX_STATE_DIR=/tmp/loaded/var
nix-store --load-db < /tmp/registration
nix-store --check-validity "$path" && echo valid
copied /tmp/after
SCRIPT
inside nix --version
mapfile -t answers < <(inside bash /tmp/run 2> /dev/null)
seen 'nix copy of a content-addressed path' copied copied "${answers[0]}"
seen 'the path after --dump-db and --load-db' valid valid "${answers[1]}"
seen 'nix copy of it then' copied 'lacks a signature by a trusted key' "${answers[2]}"
finish

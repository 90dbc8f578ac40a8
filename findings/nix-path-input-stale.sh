#!/usr/bin/env bash
# A flake's lock pins a `path:` input by its hash. When the directory has changed, Nix does not report a mismatch as long as
# the old copy is in the store: it evaluates the old content and says nothing. On another machine the same command fails.
. "$(dirname "$0")/lib.sh"

nix_script << 'SCRIPT'
mkdir /tmp/input /tmp/flake
echo '{ outputs = _: { word = "old"; }; }' > /tmp/input/flake.nix
echo '{ inputs.input.url = "path:/tmp/input"; outputs = { self, input }: { inherit (input) word; }; }' > /tmp/flake/flake.nix
nix flake lock path:/tmp/flake
word() { nix eval --raw path:/tmp/flake#word 2> /tmp/error || grep -o 'mismatch in field .narHash.' /tmp/error; echo; }
word
echo '{ outputs = _: { word = "new"; }; }' > /tmp/input/flake.nix
rm -rf /root/.cache
word
rm -rf /tmp/s
word
SCRIPT
inside nix --version
mapfile -t answers < <(inside bash /tmp/run 2> /dev/null | sed '/^$/d')
seen 'the locked input' old old "${answers[0]}"
seen 'the input has changed' 'new, or an error' old "${answers[1]}"
seen 'the same with an empty store' 'the same as before' "mismatch in field 'narHash'" "${answers[2]}"
finish

#!/usr/bin/env bash
# Nix finds the input of a flake in the store by the hash in the lock. Nevertheless, while its cache in the home directory is empty (a live
# system, a new user), it reads the whole input and copies it into the store in which it just found it. For nixpkgs that is some 50,000 files.
. "$(dirname "$0")/lib.sh"

nix_script << 'SCRIPT'
mkdir /tmp/input /tmp/flake
echo '{ outputs = _: { word = "found"; }; }' > /tmp/input/flake.nix
stored=$(nix store add --name source /tmp/input)
echo '{ inputs.input.url = "github:owner/input"; outputs = { self, input }: { inherit (input) word; }; }' > /tmp/flake/flake.nix
cat > /tmp/flake/flake.lock << LOCK
{
  "nodes": {
    "input": {
      "locked": {
        "type": "github", "owner": "owner", "repo": "input", "rev": "0123456789012345678901234567890123456789",
        "narHash": "$(nix hash path "$stored")", "lastModified": 1
      },
      "original": { "type": "github", "owner": "owner", "repo": "input" }
    },
    "root": { "inputs": { "input": "input" } }
  },
  "root": "root",
  "version": 7
}
LOCK
evaluate() {
  word=$(nix eval --raw path:/tmp/flake#word -vvvvv 2> /tmp/said)
  echo "$word, copied $(grep -c "^copied '$stored" /tmp/said) times"
}
rm -rf /root/.cache
evaluate
evaluate
SCRIPT
inside nix --version
mapfile -t answers < <(inside bash /tmp/run 2> /dev/null | sed '/^$/d')
seen 'the first evaluation' 'found, copied 0 times' 'found, copied 1 times' "${answers[0]:-}"
seen 'the second one' 'found, copied 0 times' 'found, copied 0 times' "${answers[1]:-}"
finish

#!/usr/bin/env bash
# Nix builds as one of the accounts of `build-users-group`, and kills whatever runs as that account before it begins and when it has ended.
# Which accounts are taken is known only from locks in NIX_STATE_DIR/userpool. So two Nixes on one machine whose state is in different
# directories, as of a live system and of the system on the disk, both take the first account, and each kills the build of the other.
. "$(dirname "$0")/lib.sh"

nix_script << 'SCRIPT'
echo 'nixbld1:x:30001:30000::/var/empty:/bin/false' >> /etc/passwd
echo 'nixbld:x:30000:nixbld1' >> /etc/group
cat > /tmp/build.nix << 'BUILD'
{ name, seconds }: derivation {
  inherit name;
  system = builtins.currentSystem;
  builder = "/bin/bash";
  args = [ "-c" "PATH=/bin; sleep ${seconds}; echo done > $out" ];
}
BUILD
build() {
  export NIX_STORE_DIR=/tmp/$1/store NIX_STATE_DIR=/tmp/$1/var NIX_LOG_DIR=/tmp/$1/log NIX_CONF_DIR=/tmp/$1/conf
  nix-build --no-out-link --option build-users-group nixbld /tmp/build.nix --argstr name "$1" --argstr seconds "$2" 2>&1
}
if [ "$1" = both ]; then
  build first 6 > /tmp/said-first & first=$!
  sleep 2
  # Whether it is built itself depends on when the first Nix cleans up after its killed builder.
  build second 0 > /tmp/said-second || true
  if wait "$first"; then echo 'built'; else grep -o 'failed due to signal 9 (Killed)' /tmp/said-first; fi
else
  build alone 6 > /dev/null && echo 'built'
fi
SCRIPT

inside nix --version
echo 'a build that sleeps for six seconds; meanwhile, one of another store and state'
seen 'alone' 'built' 'built' "$(inside bash /tmp/run alone)"
seen 'beside the other' 'built: they share neither store nor state' 'failed due to signal 9 (Killed)' "$(inside bash /tmp/run both)"
finish

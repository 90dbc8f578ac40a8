# shellcheck shell=bash
# Sourced by each finding. Creates a temporary directory `work`, which is removed at the end.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
changed=0
packages=()

# Unpacks Debian packages of SUITE, each NAME=VERSION or NAME, and their dependencies into $work/root: debian SUITE PACKAGE…
debian() {
  local suite=$1 mirror
  shift
  command -v mmdebstrap > /dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends mmdebstrap > /dev/null; }
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 -E '/debian/?$')
  if ! mmdebstrap --quiet --variant=extract --mode=root --include="$(IFS=,; echo "$*"),bash,coreutils,diffutils,grep,sed" \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --aptopt='APT::Install-Recommends "false"' \
    --aptopt='Acquire::Check-Valid-Until "false"' --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    "$suite" "$work/root" "$mirror" > "$work/log" 2>&1; then
    tail -n 5 "$work/log"
    echo "Debian's archive no longer serves all of these for $suite: $*"
    exit 3
  fi
  ldconfig -r "$work/root"
}

# Unpacks Nix 2.26.3 and `packages`, and writes $work/root/tmp/run: the script on stdin, with a store of its own in /tmp/s.
nix_script() {
  debian trixie nix-bin=2.26.3+dfsg-1 "${packages[@]}"
  {
    cat << 'SETTINGS'
export NIX_STORE_DIR=/tmp/s/store NIX_STATE_DIR=/tmp/s/var NIX_LOG_DIR=/tmp/s/log NIX_CONF_DIR=/tmp/s/conf
export NIX_CONFIG='experimental-features = nix-command flakes
substituters =
flake-registry =
build-users-group =
sandbox = false'
SETTINGS
    cat
  } > "$work/root/tmp/run"
}

# Runs a script inside the packages' root, without a network: inside COMMAND…
inside() {
  unshare --mount --pid --fork --net bash -c '
    mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"; root=$1; shift
    exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C "$@"' - "$work/root" "$@"
}

# Compares an observation with the one when the finding was written: seen WHAT EXPECTED SEEN-THEN SEEN-NOW
seen() {
  printf '%s\n  most expect: %s\n  seen:        %s\n' "$1" "$2" "$4"
  [ "$3" = "$4" ] || { printf '  CHANGED. It was: %s\n' "$3"; changed=1; }
}

finish() { exit "$changed"; }

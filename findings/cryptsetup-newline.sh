#!/usr/bin/env bash
# cryptsetup reads a passphrase from a pipe up to the first newline, but with `-` (or --key-file) it takes the newline as well.
# So a volume formatted by `echo PASSPHRASE | cryptsetup luksFormat DEVICE -` cannot be opened by typing the passphrase.
. "$(dirname "$0")/lib.sh"
debian trixie cryptsetup-bin=2:2.7.5-2

cat > "$work/root/tmp/run" << 'SCRIPT'
truncate -s 32M /tmp/dash /tmp/plain
format() { echo secret | cryptsetup luksFormat --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$@"; }
opens() { if cryptsetup open --test-passphrase "$@" > /dev/null 2>&1; then echo opens; else echo 'does not open'; fi; }
format /tmp/plain
format /tmp/dash -
echo secret > /tmp/file
echo secret | opens /tmp/plain
opens --key-file /tmp/file /tmp/plain
echo secret | opens /tmp/dash
opens --key-file /tmp/file /tmp/dash
SCRIPT
inside cryptsetup --version
mapfile -t answers < <(inside bash /tmp/run)
seen 'formatted without -, the same line' opens opens "${answers[0]}"
seen 'formatted without -, a key file that echo wrote' opens 'does not open' "${answers[1]}"
seen 'formatted with -, the same line' opens 'does not open' "${answers[2]}"
seen 'formatted with -, a key file that echo wrote' opens opens "${answers[3]}"
finish

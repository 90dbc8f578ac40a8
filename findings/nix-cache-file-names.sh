#!/usr/bin/env bash
# In a binary cache that Nix writes, the names of archives have an extension for xz, zstd and bzip2, and none for gzip and lzma:
# `.nar` is not always an uncompressed archive. Only the .narinfo file names the compression.
. "$(dirname "$0")/lib.sh"

nix_script << 'SCRIPT'
echo hello > /tmp/file
path=$(nix-store --add /tmp/file)
for compression in none xz zstd bzip2 gzip lzma; do
  nix copy --to "file:///tmp/$compression?compression=$compression" "$path" 2> /dev/null
  ls "/tmp/$compression/nar" | sed 's/^[0-9a-z]*//'
done
SCRIPT
inside nix --version
mapfile -t names < <(inside bash /tmp/run)
seen 'not compressed' .nar .nar "${names[0]}"
seen 'compressed with xz' .nar.xz .nar.xz "${names[1]}"
seen 'compressed with zstd' .nar.zst .nar.zst "${names[2]}"
seen 'compressed with bzip2' .nar.bz2 .nar.bz2 "${names[3]}"
seen 'compressed with gzip' .nar.gz .nar "${names[4]}"
seen 'compressed with lzma' .nar.lzma .nar "${names[5]}"
finish

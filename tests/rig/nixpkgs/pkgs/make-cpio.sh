# Writes the current folder to stdout as an initrd (cpio, newc) that depends on nothing else: no times, no inode numbers. What
# `cpio --reproducible` does, which busybox does not know.
pad() { head -c $(((4 - $1 % 4) % 4)) /dev/zero; }
number=0
# entry NAME MODE-IN-HEX SIZE
entry() {
  number=$((number + 1))
  printf '070701%08x%8s%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\0' \
    $number "$(printf %08x 0x"$2")" 0 0 1 1 "$3" 0 0 0 0 $((${#1} + 1)) 0 "$1"
  pad $((110 + ${#1} + 1))
}
find . | sort | while read -r name; do
  mode=$(stat -c %f "$name")
  if [ -L "$name" ]; then
    text=$(readlink "$name")
    entry "$name" "$mode" ${#text}
    printf %s "$text" && pad ${#text}
  elif [ -d "$name" ]; then
    entry "$name" "$mode" 0
  else
    size=$(stat -c %s "$name")
    entry "$name" "$mode" "$size"
    cat "$name" && pad "$size"
  fi
done
entry 'TRAILER!!!' 0 0

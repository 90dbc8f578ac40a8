# usermod, as far as the `users` job of Calamares uses it: usermod -p HASH USER.
set -e
[ "$1" = -p ] || { echo "this usermod only knows -p" >&2; exit 2; }
grep -q "^$3:" /etc/passwd || { echo "usermod: user '$3' does not exist" >&2; exit 6; }
umask 077
while IFS=: read -r name hash rest; do
  [ "$name" = "$3" ] && hash=$2
  echo "$name:$hash:$rest"
done < /etc/shadow > /etc/shadow.new
mv /etc/shadow.new /etc/shadow

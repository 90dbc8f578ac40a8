# shellcheck shell=bash
# Serves a room, in the foreground, until one of the engines ends. In the environment: IPXE and NETBOOT, directories; HARMONIA, its
# program; SIGNS_BY, the variable that names the key to it; PUBLIC_KEY, what the others trust; SETTINGS, a line for its configuration;
# SCREEN, room-screen.awk; UDHCPC, a program; ADDRESS, of this machine where the room has no DHCP server (10.213.0.1/24), otherwise empty;
# INTERFACE, or empty.
set -euo pipefail
run=/run/nix-cfg-install-room stick=/run/nix-cfg-install/stick cache=http://127.0.0.1:5000
# What is kept of the stick, which can be taken out then.
kept=$run/stick
rm -rf "$run/room"
mkdir -p "$run"/{tftp,room,nginx} "$stick"

say() { printf 'Room: %s\n' "$*"; }
# Waits for what a person has to do, or the network, and says so once.
said=''
await() {
  [ "$1" = "$said" ] || say "$1"
  said=$1
  sleep 2
}

# The engines: each is started with its name before its command, which its log has as well.
declare -A engines=()
start() {
  local name=$1
  shift
  "$@" > "$run/$name.log" 2>&1 &
  engines[$name]=$!
}
all_run() {
  local name
  for name in "${!engines[@]}"; do
    kill -0 "${engines[$name]}" 2> /dev/null && continue
    say "$name has ended, and all of it is started again. $run/$name.log ends with:"
    tail -n 3 "$run/$name.log"
    exit 1
  done
}

# The public half of a secret key is its last 32 bytes (libsodium's crypto_sign), under the same name.
public_half() {
  local key
  IFS= read -r key < "$1" || :
  printf '%s:' "${key%%:*}"
  printf %s "${key#*:}" | base64 -d 2> /dev/null | tail -c 32 | base64
}

# Says why the stick cannot be taken.
take_stick() {
  local devices file public error
  devices=$(blkid -c /dev/null -o device -t LABEL=NIXCFG) || {
    [ ! -e "$kept/room.secret" ] || return 0
    echo 'Insert the stick with the label NIXCFG. It must have room.secret and nix-cfg-install.answers.yaml.'
    return 1
  }
  if [ "$(wc -l <<< "$devices")" -gt 1 ]; then
    echo "Several file systems have the label NIXCFG: ${devices//$'\n'/ }. Take out all but the stick of this room."
    return 1
  fi
  umask 077
  rm -rf "$kept.new"
  mkdir "$kept.new"
  error=$(mount -o ro,nosuid,nodev,noexec "$devices" "$stick" 2>&1) || {
    echo "The stick NIXCFG cannot be mounted: $error"
    return 1
  }
  for file in room.secret nix-cfg-install.answers.yaml; do
    if ! { [ -s "$stick/$file" ] && cp "$stick/$file" "$kept.new/" 2> /dev/null; }; then
      umount "$stick"
      echo "The stick NIXCFG has no $file, or it cannot be read. Put it there, and insert the stick again."
      return 1
    fi
  done
  umount "$stick"
  public=$(public_half "$kept.new/room.secret")
  if [ "$public" != "$PUBLIC_KEY" ]; then
    echo "room.secret on the stick NIXCFG is of another key ($public) than room.publicKey of this ISO ($PUBLIC_KEY). The machines would take nothing."
    return 1
  fi
  rm -rf "$kept"
  mv "$kept.new" "$kept"
}

# The interface with the room: the one that was named, or the one that is connected; where the room has a DHCP server, with an address
# from it. Says why there is none.
interface() {
  local name cards=() connected=() ready=()
  for name in /sys/class/net/*; do
    name=${name##*/}
    if [ "$name" = lo ] || [ -e "/sys/class/net/$name/wireless" ]; then continue; fi
    cards+=("$name")
    [ -z "$INTERFACE" ] || [ "$name" = "$INTERFACE" ] || continue
    [ "$(cat "/sys/class/net/$name/carrier" 2> /dev/null)" = 1 ] || { ip link set "$name" up || :; continue; }
    connected+=("$name")
    [ -z "$ADDRESS" ] && [ -z "$(address_of "$name")" ] || ready+=("$name")
  done
  if [ -n "$INTERFACE" ] && [[ " ${cards[*]} " != *" $INTERFACE "* ]]; then
    echo "There is no network card $INTERFACE, which room.interface names. There are: ${cards[*]:-none}."
  elif [ "${#cards[@]}" = 0 ]; then
    echo 'There is no wired network card.'
  elif [ "${#connected[@]}" = 0 ]; then
    echo "No network cable is connected (${INTERFACE:-${cards[*]}}): its other end must be at a switch that is on."
  elif [ "${#ready[@]}" = 0 ]; then
    echo "The cable is connected (${connected[*]}), and no DHCP server has given an address yet. A room without one needs room.address."
  elif [ "${#ready[@]}" -gt 1 ]; then
    echo "Several network cards are connected: ${ready[*]}. Leave the one of this room, or name it with room.interface."
  else
    echo "${ready[0]}"
    return
  fi
  return 1
}
# Not one that a machine gives itself where no DHCP server answers.
address_of() { ip -4 -o address show dev "$1" scope global | sed -n '/ inet 169[.]254[.]/d; s,.* inet \([0-9.]*\)/.*,\1,p;q'; }
# All cables are seen only some seconds after the cards are switched on.
find_interface() {
  local found steady=0 looks=0
  device=''
  until [ "$steady" = 5 ]; do
    if found=$(interface); then
      if [ "$found" = "$device" ]; then steady=$((steady + 1)); else steady=0; fi
      device=$found
      sleep 1
    else
      device='' steady=0 looks=$((looks + 1))
      if [ "$looks" -gt 3 ]; then await "$found"; else sleep 2; fi
    fi
  done
}

# Where this one hands out addresses, the servers of the room have the first nine numbers from ADDRESS on: each takes the first that is free.
has() { curl --silent --fail --max-time 2 --output /dev/null "http://$1"; }
others() {
  curl --silent --parallel --max-time 2 --output /dev/null --write-out '%{http_code} %{url_effective}\n' \
    "http://$network.[$first-$((first + 8))]/room/$1" 2> /dev/null | sed -n 's,^200 http://\([0-9.]*\)/.*,\1,p' | grep -vxF "$address" || :
}
is_taken() {
  local code=0
  arping -q -D -c 2 -w 3 -I "$device" "$1" 2> /dev/null || code=$?
  # 2: the card has gone down.
  [ "$code" = 1 ]
}
take_address() {
  number=$first
  while is_taken "$network.$number"; do
    number=$((number + 1))
    [ "$number" -gt $((first + 8)) ] || continue
    number=$first
    await "All addresses from $network.$first to $network.$((first + 8)) are taken."
  done
  address=$network.$number
  ip address replace "$address/$bits" dev "$device"
}
# A switch that looks for loops (STP) passes nothing in the first half minute or more, and two servers can start in the same second: this one
# can have taken an address that another one has. Who is new gives way.
give_way() {
  say "Another server has the address $address as well: this one takes another."
  stop_handing_out
  ip address del "$address/$bits" dev "$device"
  sleep $((RANDOM % 10))
  take_address
  say "This machine is http://$address."
}

# What the others start: it names the servers, of which one that is switched off does not keep them. A script of iPXE ends with the first
# line that fails, but for a `||` after it.
write_start() {
  local servers=("$address" "$@")
  {
    printf '#!ipxe\nset cmdline%s\n:again\n' "$(printf ' nix-cfg-install.medium=http://%s' "${servers[@]}")"
    printf 'chain --timeout 20000 http://%s/boot/netboot.ipxe ||\nimgfree ||\n' "${servers[@]}"
    printf 'echo No server of this room answers. It is asked again.\nsleep 5\ngoto again\n'
  } > "$run/start.ipxe"
  mv "$run/start.ipxe" "$run/room/"
  echo "$address" > "$run/address"
}

# Whether there is a DHCP server that is not one of this room's: two would give machines that have nothing to do with the room wrong
# addresses. Asked as a machine that wants one, which is given back.
printf '#!/bin/sh\n[ "$1" != bound ] || echo "$serverid"\n' > "$run/bound"
chmod 755 "$run/bound"
foreign_dhcp() {
  local server
  [ -n "$ADDRESS" ] || return 1
  server=$("$UDHCPC" -f -n -q -R -t 2 -T 2 -i "$device" -s "$run/bound" 2> /dev/null) || return 1
  [ "${server%.*}" != "$network" ] || [ "${server##*.}" -lt "$first" ] || [ "${server##*.}" -gt $((first + 8)) ] || return 1
  echo "The DHCP server $server is in this network: this one hands out no addresses beside it. Switch that off, or make the ISO without room.address."
}
# Whether one was there in the last minute: a router that starts again is silent for a while. What is said of it is in `foreign`.
seen=-60 foreign=''
beside_another() {
  local found
  if found=$(foreign_dhcp); then seen=$SECONDS foreign=$found; fi
  [ $((SECONDS - seen)) -lt 60 ]
}

# The firmware loads iPXE by TFTP, and iPXE, which asks again, the script by HTTP. Without ADDRESS, dnsmasq only adds to what the DHCP server
# says.
hand_out() {
  local range=$address,proxy start=http://$address/room/start.ipxe
  [ -z "$ADDRESS" ] || range=$network.50,$network.250,12h
  cat > "$run/dnsmasq.conf" << END
port=0
pid-file=$run/dnsmasq.pid
interface=$device
bind-interfaces
log-dhcp
# The firmware, iPXE and the live system of one machine name themselves differently: it has one address all the same.
dhcp-ignore-clid
dhcp-range=$range
dhcp-leasefile=$run/leases
enable-tftp
tftp-root=$run/tftp
dhcp-match=set:ipxe,175
dhcp-userclass=set:ipxe,iPXE
dhcp-match=set:efi,option:client-arch,7
dhcp-match=set:efi,option:client-arch,9
dhcp-boot=tag:ipxe,$start
dhcp-boot=tag:!ipxe,tag:!efi,undionly.kpxe,,$address
dhcp-boot=tag:!ipxe,tag:efi,ipxe.efi,,$address
END
  [ -n "$ADDRESS" ] || cat >> "$run/dnsmasq.conf" << END
pxe-service=tag:!ipxe,X86PC,"Install NixOS",undionly.kpxe
pxe-service=tag:!ipxe,BC_EFI,"Install NixOS",ipxe.efi
pxe-service=tag:!ipxe,X86-64_EFI,"Install NixOS",ipxe.efi
pxe-service=tag:ipxe,X86PC,"Install NixOS",$start
pxe-service=tag:ipxe,BC_EFI,"Install NixOS",$start
pxe-service=tag:ipxe,X86-64_EFI,"Install NixOS",$start
END
  start dnsmasq dnsmasq --keep-in-foreground --conf-file="$run/dnsmasq.conf" --log-facility=-
  touch "$run/room/hands-out"
}
hands_out() { [ -e "$run/room/hands-out" ]; }
stop_handing_out() {
  hands_out || return 0
  rm "$run/room/hands-out"
  kill "${engines[dnsmasq]}"
  unset 'engines[dnsmasq]'
}

serve() {
  cp "$IPXE"/* "$run/tftp/"
  # Of a server that is switched off, iPXE would wait for more without end. In milliseconds without a byte.
  sed -E 's/^(kernel|initrd) /&--timeout 20000 /' "$NETBOOT/netboot.ipxe" > "$run/netboot.ipxe"
  cat > "$run/nginx.conf" << END
daemon off;
user root root;
pid $run/nginx.pid;
error_log stderr;
# Nix opens up to 25 connections for each machine, and each takes another one to the cache.
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
  log_format room '\$remote_addr \$status \$request_uri \$request_completion';
  access_log $run/access.log room;
  client_body_temp_path $run/nginx;
  proxy_temp_path $run/nginx;
  fastcgi_temp_path $run/nginx;
  uwsgi_temp_path $run/nginx;
  scgi_temp_path $run/nginx;
  sendfile on;
  # A server asks the others what they do.
  log_not_found off;
  server {
    listen 80;
    location /boot/ { alias $NETBOOT/; }
    location = /boot/netboot.ipxe { alias $run/netboot.ipxe; }
    location /room/ { alias $run/room/; }
    location / { proxy_pass $cache; proxy_buffering off; }
  }
}
END
  printf 'bind = "%s"\n%s\n' "${cache#http://}" "$SETTINGS" > "$run/harmonia.toml"
  start harmonia env "CONFIG_FILE=$run/harmonia.toml" "$SIGNS_BY=$kept/room.secret" "$HARMONIA"
  until has "${cache#http://}/nix-cache-info"; do all_run; sleep 1; done
  start nginx nginx -e stderr -c "$run/nginx.conf"
}

# What the cache says of each path, for the screen. What the others have in their own stores they ask for, and do not fetch.
describe() {
  printf '%s\n' /nix/store/* | grep -vxFf "$NETBOOT/store-paths" | sed -n 's,^/nix/store/\([0-9a-z]\{32\}\)-.*,url = "'"$cache"'/\1.narinfo",p' | curl --silent --config - > "$run/narinfos"
}
show() {
  touch "$run/narinfos" "$run/leases" "$run/access.log"
  {
    printf 'This room is served by http://%s. Start the others from the network.\n' "$(cat "$run/address")"
    grep -qE '^[ -]*match: *all' "$answers" && echo "Every machine that starts from it is installed or updated, unless a key is pressed: the answers have \`match: all\`."
    echo
    awk -v narinfos="$run/narinfos" -v leases="$run/leases" -f "$SCREEN" "$run/access.log"
  } > "$run/screen.new"
  mv "$run/screen.new" "$run/screen"
  [ ! -w /dev/tty1 ] || { printf '\033[H\033[J'; cat "$run/screen"; } > /dev/tty1
}
keep_showing() {
  while :; do
    show
    sleep 3
  done
}

answers=$run/room/nix-cfg-install.answers.yaml
serve_answers() {
  cp "$kept/nix-cfg-install.answers.yaml" "$run/answers"
  chmod 644 "$run/answers"
  mv "$run/answers" "$answers"
}
# A stick that is inserted again can have corrected ones.
is_in=1
look_for_stick() {
  if ! blkid -c /dev/null -t LABEL=NIXCFG > /dev/null; then
    is_in=''
  elif [ -z "$is_in" ]; then
    is_in=1
    if why=$(take_stick); then
      serve_answers
      say 'The answers of the stick count for machines that start from now on.'
    else
      say "$why"
    fi
  fi
}
until why=$(take_stick); do await "$why"; done
serve_answers
find_interface
trap 'kill $(jobs -p) 2> /dev/null || :' EXIT
if [ -n "$ADDRESS" ]; then
  bits=${ADDRESS#*/} address=${ADDRESS%/*}
  network=${address%.*} first=${address##*.}
  take_address
else
  address=$(address_of "$device")
fi
write_start
touch "$run/room/server"
serve
# A first one that was off for a while leaves it to the one that does.
if [ -z "$ADDRESS" ] || { [ "$number" = "$first" ] && [ -z "$(others hands-out)" ]; }; then
  while beside_another; do await "$foreign"; done
  hand_out
fi
say "This machine is http://$address. Start the others from the network."
describe &
start screen keep_showing
silent=0 round=0 new_until=$((SECONDS + 180))
while all_run; do
  sleep 3
  round=$((round + 1))
  [ $((round % 3)) = 0 ] || continue
  look_for_stick
  [ -n "$ADDRESS" ] || continue
  if [ "$SECONDS" -lt "$new_until" ] && is_taken "$address"; then give_way; fi
  if hands_out && beside_another; then
    stop_handing_out
    say "$foreign"
  fi
  # Another server of the room is used by those that start from now on; where none hands out addresses any more, the next one does.
  read -r -d '' -a known <<< "$(others server)" || :
  write_start "${known[@]}"
  handing=$(others hands-out | sort -t . -k 4n | head -n 1)
  if hands_out; then
    # Of two that did not know of each other, the first goes on.
    if [ -n "$handing" ] && [ "${handing##*.}" -lt "$number" ]; then
      stop_handing_out
      say "http://$handing hands out the addresses."
    fi
    continue
  fi
  if [ -n "$handing" ]; then silent=0; else silent=$((silent + 1)); fi
  if [ "$silent" -ge $((2 + number - first)) ] && ! beside_another; then
    hand_out
    say "This machine now hands out the addresses."
  fi
done

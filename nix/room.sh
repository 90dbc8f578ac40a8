# shellcheck shell=bash
# Serves a room, in the foreground, until one of the engines ends. In the environment: IPXE and NETBOOT, directories; HARMONIA, its
# program; SIGNS_BY, the variable that names the key to it; SETTINGS, a line for its configuration; SCREEN, room-screen.awk; ADDRESS, of
# this machine where the room has no DHCP server (10.213.0.1/24), otherwise empty; INTERFACE, or empty.
set -euo pipefail
run=/run/nix-cfg-install-room stick=/run/nix-cfg-install/stick cache=http://127.0.0.1:5000
rm -rf "$run/room"
mkdir -p "$run"/{tftp,room,nginx} "$stick"

say() { printf 'Room: %s\n' "$*"; }

runs() { [ "$(jobs -rp | wc -l)" -ge "$engines" ]; }
ended() {
  say "An engine has ended; $run has the logs."
  exit 1
}

take_stick() {
  local file
  mountpoint -q "$stick" || mount -o ro,nosuid,nodev,noexec LABEL=NIXCFG "$stick" || {
    say 'There is no stick with the label NIXCFG. It must have room.secret and nix-cfg-install.answers.yaml.'
    exit 1
  }
  for file in room.secret nix-cfg-install.answers.yaml; do
    [ -s "$stick/$file" ] || { say "The stick NIXCFG has no $file."; exit 1; }
  done
  cp "$stick/nix-cfg-install.answers.yaml" "$run/room/"
}

# The interface with the room: the one that was named, or the one with an address; in a room without a DHCP server, the first wired one
# that is connected.
interface() {
  local name
  if [ -n "$INTERFACE" ]; then
    ip link set "$INTERFACE" up && [ "$(cat "/sys/class/net/$INTERFACE/carrier" 2> /dev/null)" = 1 ] && { [ -n "$ADDRESS" ] || [ -n "$(address_of "$INTERFACE")" ]; } && echo "$INTERFACE"
    return
  fi
  for name in /sys/class/net/*; do
    name=${name##*/}
    if [ "$name" = lo ] || [ -e "/sys/class/net/$name/wireless" ]; then continue; fi
    [ "$(cat "/sys/class/net/$name/carrier" 2> /dev/null)" = 1 ] || { ip link set "$name" up; continue; }
    [ -n "$ADDRESS" ] || [ -n "$(address_of "$name")" ] || continue
    echo "$name"
    return
  done
  return 1
}
address_of() { ip -4 -o address show dev "$1" scope global | sed -n 's,.* inet \([0-9.]*\)/.*,\1,p;q'; }

# Where this one hands out addresses, the servers of the room have the first nine numbers from ADDRESS on: each takes the first that is free.
has() { curl --silent --fail --max-time 2 --output /dev/null "http://$1"; }
others() {
  curl --silent --parallel --max-time 2 --output /dev/null --write-out '%{http_code} %{url_effective}\n' \
    "http://$network.[$first-$((first + 8))]/room/$1" | sed -n 's,^200 http://\([0-9.]*\)/.*,\1,p' | grep -vxF "$address" || :
}
take_address() {
  local taken
  address=$network.254
  ip address replace "$address/$bits" dev "$device"
  taken=$(others server)
  number=$first
  while grep -qxF "$network.$number" <<< "$taken"; do number=$((number + 1)); done
  ip address del "$address/$bits" dev "$device"
  address=$network.$number
  ip address replace "$address/$bits" dev "$device"
}

# What the others start: it names the servers, of which one that is switched off does not keep them.
write_start() {
  local medium="nix-cfg-install.medium=http://$address" other
  for other; do medium+=" nix-cfg-install.medium=http://$other"; done
  printf '#!ipxe\nset cmdline %s\nchain http://%s/boot/netboot.ipxe\n' "$medium" "$address" > "$run/start.ipxe"
  mv "$run/start.ipxe" "$run/room/"
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
  dnsmasq --keep-in-foreground --conf-file="$run/dnsmasq.conf" --log-facility="$run/dnsmasq.log" &
  engines=$((engines + 1))
  touch "$run/room/hands-out"
}

serve() {
  cp "$IPXE"/* "$run/tftp/"
  cat > "$run/nginx.conf" << END
daemon off;
user root root;
pid $run/nginx.pid;
error_log $run/error.log;
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
  server {
    listen 80;
    location /boot/ { alias $NETBOOT/; }
    location /room/ { alias $run/room/; }
    location / { proxy_pass $cache; proxy_buffering off; }
  }
}
END
  printf 'bind = "%s"\n%s\n' "${cache#http://}" "$SETTINGS" > "$run/harmonia.toml"
  env "CONFIG_FILE=$run/harmonia.toml" "$SIGNS_BY=$stick/room.secret" "$HARMONIA" > "$run/harmonia.log" 2>&1 &
  engines=1
  until has "${cache#http://}/nix-cache-info"; do runs || ended; sleep 1; done
  nginx -e "$run/error.log" -c "$run/nginx.conf" &
  engines=2
}

# What the cache says of each path, for the screen. What the others have in their own stores they ask for, and do not fetch.
describe() {
  printf '%s\n' /nix/store/* | grep -vxFf "$NETBOOT/store-paths" | sed -n 's,^/nix/store/\([0-9a-z]\{32\}\)-.*,url = "'"$cache"'/\1.narinfo",p' | curl --silent --config - > "$run/narinfos"
}
show() {
  touch "$run/narinfos" "$run/leases" "$run/access.log"
  {
    printf 'This room is served by http://%s. Start the others from the network.\n\n' "$address"
    awk -v narinfos="$run/narinfos" -v leases="$run/leases" -f "$SCREEN" "$run/access.log"
  } > "$run/screen.new"
  mv "$run/screen.new" "$run/screen"
  [ ! -w /dev/tty1 ] || { printf '\033[H\033[J'; cat "$run/screen"; } > /dev/tty1
}

take_stick
waited='' engines=0 silent=0 round=0
until device=$(interface); do
  [ -n "$waited" ] || say 'Waiting for a network: connect the cable.'
  waited=1
  sleep 1
done
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
if [ -z "$ADDRESS" ] || { [ "$number" = "$first" ] && [ -z "$(others hands-out)" ]; }; then hand_out; fi
say "This machine is http://$address. Start the others from the network."
describe &
while runs; do
  show
  sleep 3
  round=$((round + 1))
  { [ -n "$ADDRESS" ] && [ $((round % 3)) = 0 ]; } || continue
  # Another server of the room is used by those that start from now on; where none hands out addresses any more, the next one does.
  read -r -d '' -a known <<< "$(others server)" || :
  write_start "${known[@]}"
  [ ! -e "$run/room/hands-out" ] || continue
  if [ -n "$(others hands-out)" ]; then silent=0; else silent=$((silent + 1)); fi
  [ "$silent" -lt $((2 + number - first)) ] || { hand_out; say "This machine now hands out the addresses."; }
done
ended

# Serves a room, in the foreground, until one of the engines ends. In the environment: IPXE and NETBOOT, directories; ADDRESS, of this
# machine where the room has no DHCP server (10.213.0.1/24), otherwise empty; INTERFACE, or empty; CACHE: a URL that serves the store, instead
# of harmonia.
set -euo pipefail
run=/run/nix-cfg-install-room stick=/run/nix-cfg-install/stick
mkdir -p "$run"/{tftp,room,nginx} "$stick"

say() { printf 'Room: %s\n' "$*"; }

mountpoint -q "$stick" || mount -o ro,nosuid,nodev,noexec LABEL=NIXCFG "$stick" || {
  say 'There is no stick with the label NIXCFG. It must have room.secret and nix-cfg-install.answers.yaml.'
  exit 1
}
for file in room.secret nix-cfg-install.answers.yaml; do
  [ -s "$stick/$file" ] || { say "The stick NIXCFG has no $file."; exit 1; }
done
install -m 644 "$stick/nix-cfg-install.answers.yaml" "$run/room/"

# The interface with the room: the one that was named, or the one with an address; in a room without a DHCP server, the first wired one that is connected.
interface() {
  local name
  if [ -n "$INTERFACE" ]; then
    ip link set "$INTERFACE" up && { [ -n "$ADDRESS" ] || [ -n "$(address_of "$INTERFACE")" ]; } && echo "$INTERFACE"
    return
  fi
  for name in $(ls /sys/class/net); do
    [ "$name" != lo ] && [ ! -e "/sys/class/net/$name/wireless" ] || continue
    [ "$(cat "/sys/class/net/$name/carrier" 2> /dev/null)" = 1 ] || { ip link set "$name" up; continue; }
    [ -n "$ADDRESS" ] || [ -n "$(address_of "$name")" ] || continue
    echo "$name"
    return
  done
  return 1
}
address_of() { ip -4 -o address show dev "$1" scope global | sed -n 's,.* inet \([0-9.]*\)/.*,\1,p;q'; }
waited=
until device=$(interface); do
  [ -n "$waited" ] || say 'Waiting for a network: connect the cable.'
  waited=1
  sleep 1
done
if [ -n "$ADDRESS" ]; then
  ip address replace "$ADDRESS" dev "$device"
  address=${ADDRESS%/*}
  # The others get addresses of the same 24 bits.
  range=${address%.*}.50,${address%.*}.250,12h
else
  address=$(address_of "$device")
  range=$address,proxy
fi

# A second server in the room is used as well, and the clients go on where one is switched off.
cat > "$run/room/start.ipxe" << END
#!ipxe
set cmdline nix-cfg-install.medium=http://$address
chain http://$address/boot/netboot.ipxe
END
cp "$IPXE"/* "$run/tftp/"
# The firmware loads iPXE by TFTP, and iPXE, which asks again, the script by HTTP.
cat > "$run/dnsmasq.conf" << END
port=0
interface=$device
bind-interfaces
log-dhcp
dhcp-range=$range
dhcp-leasefile=$run/leases
enable-tftp
tftp-root=$run/tftp
dhcp-match=set:ipxe,175
dhcp-userclass=set:ipxe,iPXE
dhcp-match=set:efi,option:client-arch,7
dhcp-match=set:efi,option:client-arch,9
dhcp-boot=tag:ipxe,http://$address/room/start.ipxe
dhcp-boot=tag:!ipxe,tag:!efi,undionly.kpxe,,$address
dhcp-boot=tag:!ipxe,tag:efi,ipxe.efi,,$address
pxe-service=tag:!ipxe,X86PC,"Install NixOS",undionly.kpxe
pxe-service=tag:!ipxe,BC_EFI,"Install NixOS",ipxe.efi
pxe-service=tag:!ipxe,X86-64_EFI,"Install NixOS",ipxe.efi
pxe-service=tag:ipxe,X86PC,"Install NixOS",http://$address/room/start.ipxe
pxe-service=tag:ipxe,BC_EFI,"Install NixOS",http://$address/room/start.ipxe
pxe-service=tag:ipxe,X86-64_EFI,"Install NixOS",http://$address/room/start.ipxe
END
# Without ADDRESS, dnsmasq only adds to what the DHCP server says.
[ -z "$ADDRESS" ] || sed -i '/^pxe-service/d' "$run/dnsmasq.conf"
cat > "$run/nginx.conf" << END
daemon off;
user root root;
pid $run/nginx.pid;
error_log $run/error.log;
events { }
http {
  access_log $run/access.log;
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
    location / { proxy_pass ${CACHE:-http://127.0.0.1:5000}; proxy_buffering off; }
  }
}
END

if [ -z "${CACHE-}" ]; then
  echo 'bind = "127.0.0.1:5000"' > "$run/harmonia.toml"
  CONFIG_FILE=$run/harmonia.toml SIGN_KEY_PATHS=$stick/room.secret harmonia-cache &
fi
dnsmasq --keep-in-foreground --conf-file="$run/dnsmasq.conf" --log-facility="$run/dnsmasq.log" &
nginx -e "$run/error.log" -c "$run/nginx.conf" &
trap 'kill $(jobs -p) 2> /dev/null' EXIT
say "This machine is http://$address. Start the others from the network."
wait -n
say "An engine has ended; $run has the logs."
exit 1

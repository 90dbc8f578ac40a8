{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  # Run in the target by nixos-enter: /etc, accounts, and what every program expects.
  activate = ''
    #!${pkgs.bash}/bin/bash
    PATH=${pkgs.busybox}/bin
    system=@system@
    echo "setting up /etc..."
    mkdir -p -m 0755 /etc /bin /var /run /home /root /tmp /proc /sys /dev
    chmod 1777 /tmp
    # As NixOS does, in nixos-enter too: GRUB finds the disk by what is mounted.
    [ -e /proc/self ] || mount -t proc proc /proc
    ln -sfn "$system/etc" /etc/static
    (cd "$system/etc" && find . ! -type d) | while read -r name; do
      case "$name" in *.mode) continue ;; esac
      mkdir -p "/etc/$(dirname "$name")"
      ln -sfn "/etc/static/$name" "/etc/$name"
    done
    ln -sfn ${pkgs.bash}/bin/bash /bin/sh
    ln -sfn "$system" /run/current-system
    echo "setting up users and groups..."
    touch /etc/passwd /etc/group /etc/shadow && chmod 600 /etc/shadow
    grep -q '^root:' /etc/group || echo 'root:x:0:' >> /etc/group
    grep -q '^users:' /etc/group || echo 'users:x:100:' >> /etc/group
    while IFS=: read -r name uid group home password; do
      if ! grep -q "^$name:" /etc/passwd; then
        if [ -z "$uid" ]; then
          uid=1000
          while grep -q "^[^:]*:x:$uid:" /etc/passwd; do uid=$((uid + 1)); done
        fi
        gid=100; [ "$group" = root ] && gid=0
        echo "$name:x:$uid:$gid::$home:/run/current-system/sw/bin/bash" >> /etc/passwd
      fi
      # An activation that was cut off is completed by the next, as update-users-groups.pl does it.
      grep -q "^$name:" /etc/shadow || echo "$name:$password:1::::::" >> /etc/shadow
      owner=$(sed -n "s/^$name:x:\([0-9]*:[0-9]*\):.*/\1/p" /etc/passwd)
      mkdir -p "$home" && chown "$owner" "$home"
    done < /etc/users.spec
  '';
  switch = ''
    #!${pkgs.bash}/bin/bash
    set -e
    PATH=${pkgs.busybox}/bin
    system=@system@
    [ -e /etc/NIXOS ] || { echo "This is not a NixOS installation!" >&2; exit 1; }
    action=$1 changed=
    for unit in "$system"/etc/systemd/system/*.service; do
      former=/run/current-system/etc/systemd/system/''${unit##*/}
      [ ! -e "$unit" ] || [ "$(readlink -f "$unit")" = "$(readlink -f "$former")" ] || changed="$changed ''${unit##*/}"
    done
    if [ "$action" = dry-activate ]; then
      [ -z "$changed" ] || echo "would start the following units:$changed" >&2
      exit 0
    fi
    ${config.system.build.installBootLoader}
    [ "$action" = switch ] || exit 0
    echo "activating the configuration..." >&2
    "$system/activate"
    # A service is its program, run once.
    failed=
    for unit in $changed; do
      sh -c "$(sed -n 's/^ExecStart=//p' "$system/etc/systemd/system/$unit")" || failed="$failed $unit"
    done
    [ -z "$changed" ] || echo "starting the following units:$changed" >&2
    [ -z "$failed" ] || { echo "warning: the following units failed:$failed" >&2; exit 4; }
  '';
in
{
  options.system = {
    stateVersion = mkOption {
      type = types.str;
      default = lib.version;
    };
    copySystemConfiguration = lib.mkEnableOption "a copy of configuration.nix in the system";
    boot.loader = {
      kernelFile = mkOption {
        type = types.str;
        default = "bzImage";
      };
      initrdFile = mkOption {
        type = types.str;
        default = "initrd";
      };
    };
    includeBuildDependencies = lib.mkEnableOption "the whole build closure";
    extraDependencies = mkOption {
      type = types.listOf types.package;
      default = [ ];
    };
    build.toplevel = mkOption {
      type = types.package;
      # As nixpkgs does (nixos/modules/system/activation/top-level.nix): only who asks for the system is told.
      apply =
        system:
        let
          failed = builtins.filter (assertion: !assertion.assertion) config.assertions;
        in
        if failed != [ ] then
          throw "\nFailed assertions:\n${
            builtins.concatStringsSep "\n" (map (assertion: "- ${assertion.message}") failed)
          }"
        else
          builtins.foldl' (told: text: builtins.trace "warning: ${text}" told) system config.warnings;
    };
  };

  config.system.build.toplevel =
    pkgs.glue "nixos-system-${config.networking.hostName}-${config.system.nixos.version}"
      {
        inherit activate switch;
        inherit (config.system) extraDependencies;
        systemd = pkgs.systemd;
        passAsFile = [
          "activate"
          "switch"
        ];
      }
      ''
        mkdir -p $out/bin
        ln -s ${config.boot.kernelPackages.kernel}/bzImage $out/kernel
        ln -s ${config.system.build.initialRamdisk}/initrd $out/initrd
        ln -s ${config.system.build.etc}/etc $out/etc
        ln -s ${config.system.path} $out/sw
        sed "s|@system@|$out|" $activatePath > $out/activate
        sed "s|@system@|$out|" $switchPath > $out/bin/switch-to-configuration
        chmod +x $out/activate $out/bin/switch-to-configuration
        { echo "#!${pkgs.bash}/bin/bash"; sed "s|@system@|$out|; s|@busybox@|${pkgs.busybox}|; s|@shadow@|${pkgs.shadow}|g" ${../../stage-2.sh}; } > $out/init
        chmod +x $out/init
        printf %s ${config.system.nixos.version} > $out/nixos-version
        printf %s ${pkgs.system} > $out/system
        echo "$systemd $extraDependencies" > $out/extra-dependencies
        ${lib.optionalString config.system.copySystemConfiguration "ln -s '${<nixos-config>}' $out/configuration.nix"}
      '';
}

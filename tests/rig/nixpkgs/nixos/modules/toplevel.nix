{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.boot;

  kernelModules = pkgs.glue "kernel-modules-shrunk" { } ''
    mkdir -p $out
    for module in ${toString (cfg.initrd.availableKernelModules ++ cfg.initrd.kernelModules)}; do
      if [ -e ${pkgs.linux}/lib/modules/6.6.32/$module.ko ]; then
        cp ${pkgs.linux}/lib/modules/6.6.32/$module.ko $out/
      fi
    done
  '';
  stage1 = pkgs.glue "stage-1-init.sh" { src = ./stage-1.sh; } ''
    { cat $src; echo "root=${config.fileSystems."/".device or ""}"; ${
      lib.concatStrings (
        lib.mapAttrsToList (name: luks: "echo 'luks ${name} ${luks.device}';") cfg.initrd.luks.devices
      )
    } } > $out
  '';
  microcode =
    lib.optional config.hardware.cpu.intel.updateMicrocode pkgs.microcode-intel
    ++ lib.optional config.hardware.cpu.amd.updateMicrocode pkgs.microcode-amd;
  initrd = pkgs.glue "initrd-linux-6.6.32" { inherit microcode; } ''
    mkdir -p $out
    { cat ${stage1}; ls ${kernelModules}; echo "$microcode"; } > $out/initrd
  '';

  loader =
    if cfg.loader.systemd-boot.enable then
      ''
        mkdir -p /boot/loader/entries /boot/EFI/nixos
        cp "$system/kernel" /boot/EFI/nixos/kernel && cp "$system/initrd" /boot/EFI/nixos/initrd
        echo "default nixos-generation-1.conf" > /boot/loader/loader.conf
        printf 'title NixOS\nlinux /EFI/nixos/kernel\ninitrd /EFI/nixos/initrd\noptions init=%s/init\n' "$system" \
          > /boot/loader/entries/nixos-generation-1.conf
      ''
    else if cfg.loader.grub.enable then
      ''
        mkdir -p /boot/grub
        : "${pkgs.grub2}"
        for device in ${toString cfg.loader.grub.devices}; do
          echo "installing the GRUB 2 boot loader on $device..."
          if [ "$device" != nodev ] && [ ! -e "$device" ]; then
            echo "grub-install: error: cannot find a device for $device" >&2
            exit 1
          fi
        done
        printf 'linux %s/kernel init=%s/init\n' "$system" "$system" > /boot/grub/grub.cfg
      ''
    else
      "";

  # Run in the target by nixos-enter: /etc, accounts, and what every program expects.
  activate = ''
    #!${pkgs.bash}/bin/bash
    PATH=${pkgs.busybox}/bin
    system=@system@
    echo "setting up /etc..."
    mkdir -p -m 0755 /etc /bin /var /run /home /root /tmp /proc /sys /dev
    chmod 1777 /tmp
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
    next=1000
    while IFS=: read -r name uid group home password; do
      if ! grep -q "^$name:" /etc/passwd; then
        if [ -z "$uid" ]; then uid=$next; next=$((next + 1)); fi
        gid=100; [ "$group" = root ] && gid=0
        echo "$name:x:$uid:$gid::$home:/run/current-system/sw/bin/bash" >> /etc/passwd
        echo "$name:$password:1::::::" >> /etc/shadow
        mkdir -p "$home" && chown "$uid:$gid" "$home"
      fi
    done < /etc/users.spec
  '';
  switch = ''
    #!${pkgs.bash}/bin/bash
    set -e
    PATH=${pkgs.busybox}/bin
    system=@system@
    [ -e /etc/NIXOS ] || { echo "This is not a NixOS installation!" >&2; exit 1; }
    ${loader}
  '';
in
{
  options.system = {
    stateVersion = mkOption {
      type = types.str;
      default = lib.version;
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
        ln -s ${pkgs.linux}/bzImage $out/kernel
        ln -s ${initrd}/initrd $out/initrd
        ln -s ${config.system.build.etc}/etc $out/etc
        ln -s ${config.system.path} $out/sw
        sed "s|@system@|$out|" $activatePath > $out/activate
        sed "s|@system@|$out|" $switchPath > $out/bin/switch-to-configuration
        chmod +x $out/activate $out/bin/switch-to-configuration
        printf '#!%s/bin/bash\necho "this is %s"\n' ${pkgs.bash} ${config.networking.hostName} > $out/init
        chmod +x $out/init
        printf %s ${config.system.nixos.version} > $out/nixos-version
        printf %s ${pkgs.system} > $out/system
        echo "$systemd $extraDependencies" > $out/extra-dependencies
      '';
}

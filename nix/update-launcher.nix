# For the desktop of the installed system (docs/update.md): a notification when an ISO is inserted, and a launcher that updates the machine
# from it. The ISO's own nix-cfg-install does that, or one of the machine, after polkit asked for an administrator. Nothing of it runs
# otherwise: udev knows the stick, and systemd starts the notification.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  title = "Update from this stick";
  own = config.offlineInstaller.updateLauncher.verifyWith;
  # Starts in a terminal of its own.
  launcher = pkgs.writeScript "update-from-stick" ''
    #!${pkgs.runtimeShell}
    /run/wrappers/bin/pkexec ${as-root}
    read -rp 'Press Enter to close this window. '
  '';
  as-root = pkgs.writeScript "update-from-stick-as-root" ''
    #!${pkgs.runtimeShell}
    # The environment is pkexec's.
    PATH=/run/wrappers/bin:/run/current-system/sw/bin:${pkgs.util-linux}/bin
    at=$(mktemp -d /run/update-from-stick.XXXXXX) || exit
    leave() {
      mountpoint -q "$at" && umount "$at"
      rmdir "$at"
    }
    trap leave EXIT
    ask() {
      read -rp "$1 [y/N] " answer
      case $answer in
        [yY]*) ;;
        *) exit ;;
      esac
    }
    # But memory and loop devices: a user without rights can attach a file by udisks.
    for device in $(lsblk --exclude 1,7 --nodeps --noheadings --raw --output PATH); do
      mount -t iso9660 -o ro,nosuid,nodev "$device" "$at" 2> /dev/null || continue
      if [ -x "$at/nix-cfg-install" ]; then
        lsblk --nodeps --output PATH,SIZE,LABEL,VENDOR,MODEL "$device"
        ${
          if own == null then
            ''
              ask 'Start the program on this stick, with all rights? Do it only with a stick that you trust.'
              set -- "$at/nix-cfg-install"
            ''
          else
            ''set -- ${own}/bin/nix-cfg-install --signed --from "$device"''
        }
        program=$1
        shift
        "$program" status || exit
        ask 'Update this machine from it?'
        "$program" update "$@"
        exit
      fi
      umount "$at"
    done
    echo 'No stick has an ISO that this machine can be updated from.'
    exit 1
  '';
  file =
    path: text:
    pkgs.writeTextFile {
      name = baseNameOf path;
      destination = "/share/${path}";
      inherit text;
    };
  entry = file "applications/update-from-stick.desktop" ''
    [Desktop Entry]
    Type=Application
    Name=${title}
    Comment=Update this machine from an installer ISO of its configuration
    Exec=${launcher}
    Icon=system-software-update
    Terminal=true
    Categories=System;
  '';
  action = file "polkit-1/actions/nix-cfg-install.update.policy" ''
    <?xml version="1.0" encoding="UTF-8"?>
    <!DOCTYPE policyconfig PUBLIC "-//freedesktop//DTD PolicyKit Policy Configuration 1.0//EN"
      "http://www.freedesktop.org/standards/PolicyKit/1/policyconfig.dtd">
    <policyconfig>
      <action id="nix-cfg-install.update">
        <description>Update this machine from a stick</description>
        <message>Updating this machine from a stick needs an administrator${
          lib.optionalString (own == null) ": what is on the stick will run with all rights"
        }.</message>
        <defaults>
          <allow_any>auth_admin</allow_any>
          <allow_inactive>auth_admin</allow_inactive>
          <allow_active>auth_admin</allow_active>
        </defaults>
        <annotate key="org.freedesktop.policykit.exec.path">${as-root}</annotate>
      </action>
    </policyconfig>
  '';
in
{
  options.offlineInstaller.updateLauncher = {
    enable = lib.mkEnableOption "a notification when an ISO of nix-cfg-iso is inserted, and a launcher on the desktop that updates the machine from it";
    verifyWith = lib.mkOption {
      type = lib.types.nullOr lib.types.package;
      default = null;
      example = lib.literalExpression "nix-cfg-install.packages.x86_64-linux.default";
      description = ''
        The package with the machine's own `nix-cfg-install`. With it, the launcher takes only images that are signed with a key of
        `nix.settings.trusted-public-keys`, and starts no program of the stick. Without it, the program on the stick updates the machine,
        and nothing verifies that.
      '';
    };
  };

  config = lib.mkIf config.offlineInstaller.updateLauncher.enable {
    environment.systemPackages = [
      action
      entry
    ]
    ++ lib.optional (own != null) own;
    # A nixpkgs without the second option always has the wrapper.
    security.polkit = {
      enable = true;
      ${if options.security.polkit ? enablePkexecWrapper then "enablePkexecWrapper" else null} = true;
    };
    # The names that nix-cfg-iso gives its images.
    services.udev.extraRules = ''
      ACTION!="remove", SUBSYSTEM=="block", ENV{DEVTYPE}=="disk", ENV{ID_FS_TYPE}=="iso9660", ENV{ID_FS_LABEL}=="nixos-offline-*|NIXCFG_UPDATE", TAG+="systemd", ENV{SYSTEMD_USER_WANTS}+="update-from-stick.service"
    '';
    systemd.user.services.update-from-stick = {
      description = "Notification that an ISO for an update is inserted";
      serviceConfig = {
        Type = "oneshot";
        ExecStart = ''${pkgs.libnotify}/bin/notify-send --app-name="${title}" --icon=system-software-update "An ISO of NixOS is inserted" "To update this machine from it, start “${title}”."'';
      };
    };
  };
}

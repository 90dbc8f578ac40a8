# The packages.
{ config, system }:
let
  lib = import ../lib;
  build = import ./build.nix { inherit config system; };
  inherit (build) hostPlatform overridable real;
in
rec {
  inherit config lib system;
  inherit (build)
    bootstrap
    fetchurl
    glue
    imageTool
    package
    run
    stdenv
    stdenvNoCC
    ;
  path = ../.;

  callPackage =
    file: more:
    let
      function = import file;
    in
    function (
      builtins.intersectAttrs (builtins.functionArgs function) (import ./. { inherit config system; })
      // more
    );

  # What stdenv does where the attributes of a derivation are in a file.
  outOfJson = "out=$(${imageTool "jq"} -r .outputs.out \"$NIX_ATTRS_JSON_FILE\")\n";

  runCommand =
    name: attrs: script:
    run name (
      {
        stdenv = stdenvNoCC;
      }
      // removeAttrs attrs [
        "meta"
        "passthru"
      ]
    ) (lib.optionalString (attrs.__structuredAttrs or false) outOfJson + script)
    // attrs.passthru or { }
    // {
      meta = attrs.meta or { };
    };

  writeTextFile =
    {
      name,
      destination,
      text,
    }:
    glue name {
      inherit text;
      passAsFile = [ "text" ];
    } "mkdir -p $(dirname $out${destination}) && cp $textPath $out${destination}";

  # The paths of a closure, and their records in the form that `nix-store --load-db` takes.
  closureInfo =
    { rootPaths }:
    run "closure-info"
      {
        __structuredAttrs = true;
        exportReferencesGraph.closure = rootPaths;
      }
      ''
        jq() { ${imageTool "jq"} -r "$@" "$NIX_ATTRS_JSON_FILE"; }
        ${outOfJson}
        mkdir -p $out
        jq '.closure[].path' > $out/store-paths
        jq '[.closure[].narSize] | add' > $out/total-nar-size
        jq '.closure[] | .path, .narHash, .narSize, "", (.references | length), .references[]' > $out/registration
      '';

  # As nixpkgs has it in 26.11: the extensions are arguments of Calamares' own wrapper, so that others are another Calamares. The
  # program itself is that of the system that the tests run on.
  calamares = overridable (
    {
      extraWrapperArgs ? [ ],
    }:
    package "calamares-3.4.2" {
      script = ''
        program=$out/bin/calamares
        printf '#!%s/bin/bash\nexec /usr/bin/calamares "$@"\n' ${bootstrap} > $program && chmod +x $program
        ${
          if extraWrapperArgs == [ ] then
            ""
          else
            "mv $program $program-wrapped; ${makeWrapper}/bin/makeWrapper $program-wrapped $program ${toString extraWrapperArgs}"
        }
        mkdir -p $out/share/applications $out/share/polkit-1/actions
        printf '[Desktop Entry]\nType=Application\nName=Install\nExec=sh -c "pkexec calamares"\n' \
          > $out/share/applications/calamares.desktop
        printf '<policyconfig><action id="calamares.run">%s</action></policyconfig>\n' \
          "<annotate key=\"org.freedesktop.policykit.exec.path\">$program</annotate>" \
          > $out/share/polkit-1/actions/calamares.policy
      '';
    }
  ) { };
  calamares-nixos = overridable (
    { calamares, calamares-nixos-extensions }:
    calamares.override {
      extraWrapperArgs = [
        "--prefix XDG_DATA_DIRS : ${calamares-nixos-extensions}/share"
        "--prefix XDG_CONFIG_DIRS : ${calamares-nixos-extensions}/etc"
        "--add-flag --xdg-config"
      ];
    }
  ) { inherit calamares calamares-nixos-extensions; };
  calamares-nixos-extensions =
    run "calamares-nixos-extensions-0.3.23" { stdenv = stdenvNoCC; } ''
      cp -r ${
        builtins.path {
          path = ../calamares;
          name = "calamares-nixos-extensions-source";
        }
      } $out
      chmod -R u+w $out
      mkdir -p $out/etc/calamares
      mv $out/share/calamares/settings.conf $out/share/calamares/modules $out/etc/calamares/
      sed -i "s|^modules-search:.*|modules-search: [ local, $out/lib/calamares/modules ]|" $out/etc/calamares/settings.conf
    ''
    // {
      meta = { };
    };

  # A wrapper of a program: makeWrapper PROGRAM WRAPPER [--prefix VARIABLE BETWEEN VALUE | --add-flag FLAG | --run COMMAND]…
  makeWrapper = run "make-wrapper" { stdenv = stdenvNoCC; } ''
    mkdir -p $out/bin
    { echo "#!${bootstrap}/bin/bash"; cat ${./make-wrapper.sh}; } > $out/bin/makeWrapper
    chmod +x $out/bin/makeWrapper
  '';

  writeText =
    name: text:
    glue name {
      inherit text;
      passAsFile = [ "text" ];
    } "cp $textPath $out";

  writeScript =
    name: text:
    glue name {
      inherit text;
      passAsFile = [ "text" ];
    } "cp $textPath $out && chmod +x $out";
  runtimeShell = "${bash}/bin/bash";

  # What makes images: the programs themselves are those of the system that the tests run on.
  squashfsTools = hostPrograms "squashfs-tools-4.6" [
    "mksquashfs"
    "unsquashfs"
  ];
  xorriso = hostPrograms "xorriso-1.5" [ "xorriso" ];
  hostPrograms =
    name: programs:
    run name { stdenv = stdenvNoCC; } (
      "mkdir -p $out/bin\n"
      + lib.concatMapStrings (program: ''
        printf '#!%s/bin/bash\nexec ${imageTool program} "$@"\n' ${bash} > $out/bin/${program} && chmod +x $out/bin/${program}
      '') programs
    );

  busybox = run "busybox-1.36.1" { stdenv = stdenvNoCC; } ''
    mkdir -p $out/bin && cp ${bootstrap}/bin/busybox $out/bin/busybox
    $out/bin/busybox --install -s $out/bin
    rm -f $out/bin/bash
  '';
  bash = run "bash-5.2" { stdenv = stdenvNoCC; } ''
    mkdir -p $out/bin && cp ${bootstrap}/bin/bash $out/bin/bash
  '';
  # busybox has no `mount --mkdir`, which nixos-install's boot loader step asks for.
  mount = run "util-linux-mount-2.39" { stdenv = stdenvNoCC; } ''
    mkdir -p $out/bin
    printf '#!%s/bin/bash\nset -e\nargs=()\nfor arg; do [ "$arg" = --mkdir ] && made=1 || args+=("$arg"); done\n[ -z "$made" ] || %s/bin/mkdir -p "''${args[-1]}"\nexec %s/bin/busybox mount "''${args[@]}"\n' ${bash} ${busybox} ${busybox} > $out/bin/mount
    printf '#!%s/bin/bash\nset -e\n[ "$1" = -R ] || exec %s/bin/busybox umount "$@"\n%s/bin/tac /proc/mounts | while read -r _ at _; do case "$at" in "$2"|"$2"/*) %s/bin/busybox umount -l "$at";; esac; done\n' ${bash} ${busybox} ${busybox} ${busybox} > $out/bin/umount
    chmod +x $out/bin/*
  '';

  shadow = real "shadow-4.14.6" (
    run "shadow-4.14.6" { stdenv = stdenvNoCC; } ''
      mkdir -p $out/bin
      { echo "#!${bash}/bin/bash"; echo "PATH=${busybox}/bin"; cat ${./usermod.sh}; } > $out/bin/usermod
      chmod +x $out/bin/usermod
    ''
  );

  # Only for what boots an ISO: the program itself is that of the system that the tests run on.
  qemu_kvm = glue "qemu-host-cpu-only-8.2" { } ''
    mkdir -p $out/bin
    program=$out/bin/qemu-system-${hostPlatform.uname.processor}
    printf '#!%s/bin/bash\nexec /usr/bin/%s "$@"\n' ${bash} $(basename $program) > $program
    chmod +x $program
  '';
  OVMF.firmware = "/usr/share/OVMF/OVMF_CODE_4M.fd";
  OVMF.variables = "/usr/share/OVMF/OVMF_VARS_4M.fd";

  # Only a machine that boots has them: nothing stands in for Nix, for what starts an ISO and for what one installs by hand.
  nix = real "nix-2.26" null;
  syslinux = real "syslinux-6.04" null;
  grub2_efi = real "grub-efi-2.06" null;
  parted = real "parted-3.6" null;
  coreutils = real "coreutils-9.7" null;
  util-linux = real "util-linux-2.41" null;
  curl = real "curl-8.14" null;
  dnsmasq = real "dnsmasq-2.91" null;
  # Beside the others in a PATH, it must not bring busybox' own of them.
  gawk = ofBusybox "gawk-5.3" "awk";
  iputils = ofBusybox "iputils-20240117" "arping";
  ofBusybox = n: it: glue n { } "mkdir -p $out/bin && ln -s ${busybox}/bin/${it} $out/bin/";
  harmonia = real "harmonia-3.1" null;
  ipxe = real "ipxe-1.21" null;
  iproute2 = real "iproute2-6.15" null;
  nginx = real "nginx-1.26" null;
  nixos-install-tools =
    if util-linux == null then
      null
    else
      glue "nixos-install-tools" { scripts = real "nixos-install-scripts" null; } ''
        mkdir -p $out/bin
        for script in $scripts/*; do
          { echo "#!${bash}/bin/bash"; echo "PATH=${util-linux}/bin:${coreutils}/bin:\$PATH"; tail -n +2 $script; } \
            > $out/bin/$(basename $script)
        done
        chmod +x $out/bin/*
      '';

  libtiny = package "libtiny-1.0" { };
  libsmall = package "libsmall-1.1" { inputs = [ libtiny ]; };
  hello = package "hello-2.12" { inputs = [ libsmall ]; };
  htop = package "htop-3.3.0" { inputs = [ libsmall ]; };
  cowsay = package "cowsay-3.8" { };
  broken = package "broken-1.0" {
    script = ''
      for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do echo "building part $i"; done
      echo "this part cannot be built" >&2
      exit 7
    '';
  };
  unfree-game = package "unfree-game-1.0" { unfree = true; };
  unfree-editor = package "unfree-editor-2.0" {
    unfree = true;
    recent = true;
  };
  insecure-server = package "insecure-server-1.1" { refused = "insecure"; };
  insecure-browser = package "insecure-browser-9.0" {
    refused = "insecure";
    recent = true;
  };
  broken-compiler = package "broken-compiler-0.1" { refused = "broken"; };
  broken-driver = package "broken-driver-6.6" {
    refused = "problem";
    recent = true;
  };
  broken-toy = package "broken-toy-3.0" {
    refused = "problem";
    recent = true;
  };
  other-platform = package "other-platform-5.0" {
    refused = "unsupported";
    recent = true;
  };
  systemd = real "systemd-255" (
    package "systemd-255" {
      inputs = [ libtiny ];
      script = ''
        mkdir -p $out/lib/systemd/boot/efi
        echo "a boot loader" > $out/lib/systemd/boot/efi/systemd-bootx64.efi
      '';
    }
  );
  grub2 = real "grub-2.12" (
    package "grub-2.12" {
      script = ''
        cp ${./grub-install.sh} $out/bin/grub-install
        # The real one, of the live system's Debian.
        printf '#!/bin/sh\nexec /usr/sbin/grub-probe "$@"\n' > $out/bin/grub-probe
        chmod +x $out/bin/*
      '';
    }
  );
  efibootmgr = package "efibootmgr-18" { };
  # What is built for a kernel.
  linuxPackages = linuxPackagesFor (linux // { version = "6.6.32"; });
  linuxPackages_latest = linuxPackagesFor (linuxKernel "7.0.1" // { version = "7.0.1"; });
  linuxPackagesFor =
    kernel:
    builtins.mapAttrs (name: more: package "${name}-${kernel.version}" more) {
      broadcom_sta.unfree = true;
      cpupower = { };
      hyperv-daemons = { };
      prl-tools.unfree = true;
      virtualboxGuestAdditions = { };
      zfs = { };
    }
    // {
      inherit kernel;
    };

  bcachefs-tools = package "bcachefs-tools-1.7" { };
  btrfs-progs = real "btrfs-progs-6.8" (package "btrfs-progs-6.8" { });
  cryptsetup = real "cryptsetup-2.7" (package "cryptsetup-2.7" { });
  dosfstools = real "dosfstools-4.2" (package "dosfstools-4.2" { });
  e2fsprogs = real "e2fsprogs-1.47" (package "e2fsprogs-1.47" { });
  f2fs-tools = package "f2fs-tools-1.16" { };
  gptfdisk = real "gptfdisk-1.0" (package "gptfdisk-1.0" { });
  lvm2 = real "lvm2-2.03" (package "lvm2-2.03" { });
  mdadm = package "mdadm-4.3" { };
  xfsprogs = package "xfsprogs-6.8" { };
  zfs = package "zfs-user-2.2" { };
  # The locales are compiled together, so that another list is another package.
  glibcLocales =
    overridable
      (
        { locales }:
        run "glibc-locales-2.39"
          {
            inherit stdenv locales;
            src = fetchurl "glibc-2.39.tar" "the source of glibc\n";
          }
          ''
            mkdir -p $out/bin $out/lib/locale && echo "$locales" > $out/lib/locale/locale-archive
            printf '#!%s/bin/bash\ncat %s/lib/locale/locale-archive\n' ${bootstrap} $out > $out/bin/locales && chmod +x $out/bin/locales
            mkdir -p $out/share/i18n
            printf '%s \\\n' SUPPORTED-LOCALES= de_AT.UTF-8/UTF-8 de_DE.UTF-8/UTF-8 de_DE/ISO-8859-1 en_US.UTF-8/UTF-8 \
              pt_PT.UTF-8/UTF-8 > $out/share/i18n/SUPPORTED
          ''
      )
      {
        locales = [ "all" ];
      };

  tzdata = package "tzdata-2024a" {
    script = ''
      cd $out/share && mkdir -p zoneinfo/Europe zoneinfo/Asia zoneinfo/America/Argentina zoneinfo/posix && cd zoneinfo
      for zone in UTC Europe/Lisbon Europe/Berlin Asia/Tokyo America/New_York America/Argentina/Ushuaia posix/UTC; do echo TZif2 > $zone; done
      ln -s Berlin Europe/Bonn
      echo "no zone" > zone.tab
    '';
  };
  kbd = package "kbd-2.6" {
    script = ''
      cd $out/share && mkdir -p keymaps/i386/qwerty keymaps/i386/qwertz && cd keymaps/i386
      touch qwerty/us.map.gz qwertz/de.map.gz qwertz/de-latin1.map.gz qwertz/de-latin1-nodeadkeys.map.gz
    '';
  };
  xkeyboard_config = package "xkeyboard-config-2.42" {
    script = ''
      mkdir -p $out/share/X11/xkb/rules
      printf '%s\n' '! model' '  pc105  Generic' "" '! layout' '  us  English (US)' '  de  German' "" \
        '! variant' '  nodeadkeys  de: German (no dead keys)' "" '! option' '  grp  Switching' > $out/share/X11/xkb/rules/base.lst
    '';
  };
  xkbvalidate = package "xkbvalidate-1.0" { };
  keyboard =
    { layout, variant, ... }:
    glue "xkb-validated"
      {
        inherit layout variant;
        nativeBuildInputs = [ xkbvalidate ];
      }
      ''
        xkbvalidate "$layout" "$variant" > /dev/null
        mkdir -p $out && echo "$layout $variant" > $out/keyboard
      '';

  microcode-intel = package "microcode-intel-20240531" { };
  microcode-amd = package "microcode-amd-20240116" { };
  # Large enough that copying it takes a while: many files of different sizes.
  firmware = package "linux-firmware-20240513" {
    script = ''
      mkdir -p $out/lib/firmware
      yes "firmware for devices that nobody has any more" | head -c 8000000 > blob
      i=0
      while [ $i -lt 300 ]; do
        { echo "device $i"; head -c $(( (i % 40 + 1) * 10000 )) blob; } > $out/lib/firmware/device-$i.bin
        i=$((i + 1))
      done
    '';
  };
  linux = real "linux-6.6.32" (linuxKernel "6.6.32");
  linuxKernel =
    version:
    package "linux-${version}" {
      script = ''
        echo "a kernel" > $out/bzImage
        modules=$out/lib/modules/${version}
        mkdir -p $modules
        for m in ext4 vfat xfs btrfs ahci nvme usb_storage sd_mod virtio_pci virtio_blk dm-crypt kvm-intel kvm-amd; do
          echo "module $m" > $modules/$m.ko
          echo "$m.ko:" >> $modules/modules.dep
        done
      '';
    };
}

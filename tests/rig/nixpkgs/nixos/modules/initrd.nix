# The initrd: busybox, the kernel modules that the configuration asks for, and the names of what is to be opened and mounted.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.boot.initrd;
  luks = cfg.luks.devices;
  inherit (config.boot.kernelPackages) kernel;
  # What every machine gets, as NixOS' includeDefaultModules has it: file systems and encryption, no hardware.
  always = [
    "ext4"
    "vfat"
    "nls_cp437"
    "nls_ascii"
    "nls_iso8859-1"
    "dm-crypt"
    "xts"
    "algif_skcipher"
  ];

  # What the initrd mounts, outer folders first.
  early = lib.filterAttrs (
    at: fs:
    builtins.elem at [
      "/"
      "/nix"
      "/nix/store"
    ]
    || fs.neededForBoot
  ) config.fileSystems;

  kernelModules = pkgs.glue "kernel-modules-shrunk" { } ''
    modules=$(echo ${kernel}/lib/modules/*)
    into=$out/lib/modules/$(basename $modules)
    mkdir -p $into
    cp $modules/modules.dep $into/
    for module in ${toString (always ++ cfg.availableKernelModules ++ cfg.kernelModules)}; do
      # Built in, or of no use to this kernel: then it has no line.
      line=$(grep -E "^([^:]*/)?$(echo $module | sed 's/[-_]/[-_]/g')\.ko:" $modules/modules.dep) || continue
      for file in $(echo "$line" | tr -d :); do
        mkdir -p $into/$(dirname $file)
        [ -e $into/$file ] || cp $modules/$file $into/$file
      done
      echo $module >> $out/names
    done
  '';
  stage1 = pkgs.glue "stage-1-init.sh" { src = ./stage-1.sh; } ''
    mkdir -p $out/etc
    cp $src $out/init && chmod +x $out/init
    echo -n "${
      lib.concatStrings (
        lib.mapAttrsToList (
          at: fs: "${toString fs.device} ${at} ${fs.fsType} ${builtins.concatStringsSep "," fs.options}\n"
        ) early
      )
    }" > $out/etc/fstab
    echo -n "${
      lib.concatStrings (
        lib.mapAttrsToList (name: device: "${name} ${device.device} ${toString device.keyFile}\n") luks
      )
    }" > $out/etc/luks
  '';
  microcode =
    lib.optional config.hardware.cpu.intel.updateMicrocode pkgs.microcode-intel
    ++ lib.optional config.hardware.cpu.amd.updateMicrocode pkgs.microcode-amd;
  programs =
    lib.optional (luks != { }) pkgs.cryptsetup ++ lib.optional cfg.services.lvm.enable pkgs.lvm2;
  # With systemd it is made of derivations whose names begin as its own does (nixpkgs: system/boot/systemd/initrd.nix).
  parts = lib.optionals cfg.systemd.enable (
    map (name: pkgs.glue "initrd-${name}" { } "mkdir $out; echo ${name} > $out/${name}") [
      "bin-env"
      "emergency-env"
      "fstab"
      "modules-load.conf"
      "sysctl.d"
      "udev-rules"
      "unit-initrd-find-nixos-closure.service"
      "unit-initrd-nixos-activation.service"
      "unit-modprobe-.service"
      "unit-systemd-udevd.service"
      "units"
    ]
  );
in
{
  options.system.build.initialRamdisk = lib.mkOption { type = lib.types.package; };

  config.system.build.initialRamdisk =
    pkgs.glue "initrd-linux-${kernel.version}" { inherit microcode; }
      ''
        mkdir -p root/bin $out
        cp -r ${stage1}/* root/
        cp ${pkgs.busybox}/bin/busybox root/bin/ && ln -s busybox root/bin/sh
        chmod -R u+w root
        cp -r ${kernelModules}/lib root/ && cp ${kernelModules}/names root/etc/modules
        for path in ${toString programs}; do mkdir -p root$path && cp -r $path/. root$path && ln -s $path/bin/* root/bin/; done
        echo "$microcode" > root/etc/microcode
        for part in ${toString parts}; do cp $part/* root/etc/; done
        (cd root && sh ${../../pkgs/make-cpio.sh}) > $out/initrd
      '';
}

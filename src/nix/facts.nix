# From a NixOS evaluation (what `<nixpkgs/nixos>` and `lib.nixosSystem` give alike) to the derivation of its toplevel.
# What the check has to know besides is traced before it, one line for each fact, so that it is known even when the toplevel
# cannot be evaluated. Password hashes stay here: only whether there is one is traced.
# The first argument is definitions.nix, the second secret_facts.nix.
definitions: secretFacts: os:
let
  inherit (definitions)
    orElse
    inside
    set
    neededForBoot
    ;
  inherit (os) config;
  inherit (builtins)
    attrNames
    attrValues
    concatMap
    elem
    filter
    isAttrs
    map
    substring
    ;
  plain = builtins.unsafeDiscardStringContext;

  # A fact that throws becomes null. What tryEval cannot catch ends the evaluation, as it would without the fact.
  report =
    facts:
    builtins.foldl' (
      rest: name:
      let
        result = builtins.tryEval (builtins.toJSON facts.${name});
      in
      builtins.trace "nix-cfg-install: ${name} ${if result.success then plain result.value else "null"}" rest
    );

  words = values: map toString (filter (value: value != null && value != "") values);

  # How a user of the configuration gets in.
  account =
    name:
    let
      user = config.users.users.${name};
      usable =
        hash:
        hash != null
        && !(elem (substring 0 1 hash) [
          "!"
          "*"
        ]);
      ssh = user.openssh.authorizedKeys or { };
    in
    {
      inherit name;
      normal = user.isNormalUser;
      wheel =
        elem "wheel" (user.extraGroups ++ [ user.group ])
        || elem name (config.users.groups.wheel.members or [ ]);
      password =
        usable (user.hashedPassword or null)
        || usable (user.initialHashedPassword or null)
        || user.password or null != null
        || user.initialPassword or null != null;
      password_file = toString (user.hashedPasswordFile or null);
      # Whether the system brings the store path that the file is in.
      password_file_kept = builtins.hasContext (toString (user.hashedPasswordFile or null));
      key = ssh.keys or [ ] ++ ssh.keyFiles or [ ] != [ ];
    };

  loader = config.boot.loader;
  grub = loader.grub;
  # By name: options that nixpkgs renamed or removed throw when they are looked at.
  enabled = filter (name: loader.${name}.enable or false) [
    "systemd-boot"
    "grub"
    "generic-extlinux-compatible"
    "external"
    "initScript"
    "limine"
    "refind"
  ];

  # The kernel and initrd of a system, as its boot entry names them (system/activation/bootspec.nix, 24.05 and 26.11).
  bootable = system: {
    kernel =
      if system.boot.kernel.enable or true then
        "${system.boot.kernelPackages.kernel}/${system.system.boot.loader.kernelFile}"
      else
        "";
    initrd =
      if system.boot.initrd.enable or true then
        "${system.system.build.initialRamdisk}/${system.system.boot.loader.initrdFile}"
      else
        "";
  };
  # What the boot loader's partition gets besides, memtest86 and netboot.xyz among them.
  bootExtras =
    (if elem "systemd-boot" enabled then loader.systemd-boot.extraFiles or { } else { })
    // (if elem "grub" enabled then grub.extraFiles or { } else { });

  # The pools that are imported although another system used them last and did not export them (tasks/filesystems/zfs.nix,
  # 24.05 and 26.11: `rootPools` and `dataPools`; the parameter of the kernel holds for all).
  zfsSystems = filter (system: system.fsType == "zfs") (
    map (name: { mountPoint = name; } // config.fileSystems.${name}) (attrNames config.fileSystems)
  );
  pool = system: builtins.head (builtins.split "/" system.device);
  rootPools = map pool (
    filter (system: system.neededForBoot or false || elem system.mountPoint neededForBoot) zfsSystems
  );
  isForced =
    name:
    builtins.any (parameter: elem parameter config.boot.kernelParams) [
      "zfs_force"
      "zfs_force=1"
      "zfs_force=y"
    ]
    || (
      if elem name rootPools then
        config.boot.zfs.forceImportRoot or true
      else
        config.boot.zfs.forceImportAll or true
    );

  # Of nixpkgs, and of the modules that were there before.
  facter = config.hardware.facter.report or (config.facter.report or { });
  named =
    part:
    toString (words [
      (facter.smbios.${part}.manufacturer or null)
      (facter.smbios.${part}.product or null)
    ]);

  # Units that start with the system and need a network. Of nixpkgs' own those that download something for certain: others
  # that are `after` network-online.target (mail, VPN, brokers) wait for clients, or try again. Of all other modules those that
  # pull network-online.target in.
  services = config.systemd.services or { };
  startsAtBoot =
    unit:
    unit.enable or true
    && builtins.any (target: elem "${target}.target" (unit.wantedBy or [ ] ++ unit.requiredBy or [ ])) [
      "default"
      "graphical"
      "multi-user"
      "network-online"
    ];
  asksForNetwork = unit: elem "network-online.target" (unit.wants or [ ] ++ unit.requires or [ ]);
  # nixos/modules of the nixpkgs that declares the option.
  ofNixpkgs =
    let
      found = builtins.match "(.*/nixos/modules/).*" (
        plain (toString (builtins.head (os.options.systemd.services.declarations or [ "" ])))
      );
      modules = if found == null then "/" else builtins.head found;
    in
    { file, ... }:
    substring 0 (builtins.stringLength modules) (plain (toString file)) == modules;
  ownServices =
    let
      sorted = builtins.partition ofNixpkgs (os.options.systemd.services.definitionsWithLocations or [ ]);
      all = builtins.foldl' (all: { value, ... }: all // (if isAttrs value then value else { })) { };
    in
    # A unit of which no definition holds (mkIf) does not exist.
    attrNames (
      builtins.intersectAttrs (removeAttrs (all sorted.wrong) (attrNames (all sorted.right))) services
    );
  # virtualisation/oci-containers.nix (24.05 and 26.11; the former without `pull`, `imageStream` and `serviceName`).
  pulls =
    container:
    container.autoStart or true
    && container.imageFile or null == null
    && container.imageStream or null == null
    && container.pull or "" != "never";
  containers = config.virtualisation.oci-containers or { };
  networkUnits =
    filter (name: startsAtBoot services.${name} && asksForNetwork services.${name}) (
      ownServices ++ (if services ? ollama-model-loader then [ "ollama-model-loader" ] else [ ])
    )
    ++ map (name: containers.containers.${name}.serviceName or "${containers.backend}-${name}") (
      filter (name: pulls containers.containers.${name}) (attrNames (containers.containers or { }))
    )
    # 26.11 has a unit of its own for the download.
    ++ map (
      name: if services ? "acme-order-renew-${name}" then "acme-order-renew-${name}" else "acme-${name}"
    ) (attrNames (config.security.acme.certs or { }));

  facts = {
    network_units = map (name: "${name}.service") networkUnits;
    login = {
      layout = toString (config.services.xserver.xkb.layout or "");
      variant = toString (config.services.xserver.xkb.variant or "");
      # Since 24.05.
      display_manager = config.services.displayManager.enable or false;
      console_greeter =
        config.services.greetd.enable or false
        || config.services.displayManager.ly.enable or false
        || config.services.displayManager.lemurs.enable or false
        || config.services.kmscon.enable or false;
    };
    inherit binds;
    assertions = map (
      failed:
      let
        at = builtins.unsafeGetAttrPos "message" failed;
      in
      {
        inherit (failed) message;
        file = if at == null then "" else toString at.file;
        line = if at == null then 0 else at.line;
      }
    ) (filter (assertion: !assertion.assertion) config.assertions);
    warnings = config.warnings;
    platform = os.pkgs.stdenv.hostPlatform.system or os.pkgs.system;
    users = {
      mutable = config.users.mutableUsers;
      no_password_login = config.users.allowNoPasswordLogin or false;
      sshd = config.services.openssh.enable or false;
      # Accounts that the configuration does not list.
      elsewhere =
        config.users.ldap.enable or false
        || config.services.sssd.enable or false
        || config.services.homed.enable or false;
      autologin = words [
        (config.services.getty.autologinUser or null)
        (config.services.displayManager.autoLogin.user or null)
      ];
      names = attrNames config.users.users;
      groups = attrNames config.users.groups;
      accounts = map account (
        filter (name: name == "root" || config.users.users.${name}.isNormalUser) (
          attrNames config.users.users
        )
      );
    };
    boot = {
      loaders = enabled ++ (if config.boot.lanzaboote.enable or false then [ "lanzaboote" ] else [ ]);
      # `device` is one of `devices`, unless something stronger says which; they are in `mirroredBoots` (grub.nix, 24.05).
      grub_devices = words (
        if grub ? mirroredBoots then concatMap (boot: boot.devices) grub.mirroredBoots else grub.devices
      );
      grub_paths = if grub ? mirroredBoots then map (boot: boot.path) grub.mirroredBoots else [ "/boot" ];
      # GRUB for ZFS is another package; then it is not asked.
      grub_version = if grub.enable then (builtins.parseDrvName os.pkgs.grub2.name).version else "";
      grub_probe = if grub.enable then "${os.pkgs.grub2}/bin/grub-probe" else "";
      grub_efi = grub.efiSupport;
      grub_removable = grub.efiInstallAsRemovable;
      extlinux_paths = map (boot: boot.path) (
        loader.generic-extlinux-compatible.mirroredBoots or [ { path = "/boot"; } ]
      );
      touch_efi_variables = loader.efi.canTouchEfiVariables;
      esp = toString loader.efi.efiSysMountPoint;
      xbootldr = toString (loader.systemd-boot.xbootldrMountPoint or null);
      container = config.boot.isContainer or false;
    };
    boot_files = {
      systems = map bootable (
        [ config ] ++ map (special: special.configuration) (attrValues (config.specialisation or { }))
      );
      extra = map (name: {
        inherit name;
        source = toString bootExtras.${name};
      }) (attrNames bootExtras);
    };
    zfs = {
      host_id = toString (config.networking.hostId or null);
      not_forced = filter (name: !isForced name) (map pool zfsSystems);
    };
    facter = {
      file = toString (config.hardware.facter.reportPath or (config.facter.reportPath or null));
      machine = {
        system = named "system";
        board = named "board";
      };
    };
    disks = {
      file_systems = map (
        name:
        let
          system = config.fileSystems.${name};
        in
        {
          at = orElse name (system.mountPoint or name);
          inherit name;
          device = orElse "" (toString system.device);
          kind = orElse "" system.fsType;
          options = orElse [ ] system.options;
          needed_for_boot = orElse false (system.neededForBoot or false);
          set = set os.options.fileSystems name "device" ++ set os.options.fileSystems name "label";
          kind_set = set os.options.fileSystems name "fsType";
          files = orElse [ ] (
            map (definition: plain (toString definition.file)) (
              inside name (os.options.fileSystems.definitionsWithLocations or [ ])
            )
          );
        }
      ) (attrNames config.fileSystems);
      # Which there are depends on the file systems (tasks/encrypted-devices.nix, 24.05 and 26.11).
      luks = orElse [ ] (
        map (name: {
          inherit name;
          device = orElse "" (toString config.boot.initrd.luks.devices.${name}.device);
          set = set os.options.boot.initrd.luks.devices name "device";
        }) (attrNames config.boot.initrd.luks.devices)
      );
      swap = orElse [ ] (
        map (swap: {
          inherit (swap) device;
          options = swap.options or [ ];
        }) config.swapDevices
      );
      keymap = toString config.console.keyMap;
      layout = orElse [ ] (
        map (name: {
          inherit name;
          device = orElse "" (toString config.disko.devices.disk.${name}.device);
        }) (attrNames (config.disko.devices.disk or { }))
      );
      # What nixos-generate-config always writes, also without file systems.
      hardware_files = orElse [ ] (
        map (definition: plain (toString definition.file)) (
          (os.options.nixpkgs.hostPlatform.definitionsWithLocations or [ ])
          ++ (os.options.boot.initrd.availableKernelModules.definitionsWithLocations or [ ])
        )
      );
      # nixpkgs' own, and the modules that were there before.
      facter =
        (config.hardware.facter.reportPath or null) != null || (config.facter.reportPath or null) != null;
    };
    secrets = secretFacts definitions os;
    identity = {
      host_name = config.networking.hostName;
      state_version = config.system.stateVersion;
      # Those whose data has the form of their version. It throws for a version that nixpkgs has removed.
      databases = builtins.listToAttrs (
        map
          (name: {
            inherit name;
            value = orElse "" (config.services.${name}.package.version or "");
          })
          (
            filter (name: config.services.${name}.enable or false) [
              "mongodb"
              "mysql"
              "postgresql"
            ]
          )
      );
    };
  };
  # Bind mounts by units of systemd, as impermanence (since 2025) and preservation make them, and the link that
  # environment.etc makes of /etc/nixos.
  binds =
    map
      (unit: {
        at = plain (toString unit.where);
        from = plain (toString unit.what);
      })
      (
        filter (unit: builtins.match "(.*,)?r?bind(,.*)?" (toString (unit.options or "")) != null) (
          config.systemd.mounts or [ ]
        )
      )
    ++ map (source: {
      at = "/etc/nixos";
      from = source;
    }) (filter isOutside [ (config.environment.etc.nixos.source or null) ]);
  # Not the path of a file of the configuration, nor a store path.
  isOutside = path: builtins.isString path && !(builtins.hasContext path);
  toplevel = config.system.build.toplevel;
in
report facts
  {
    drv = plain toplevel.drvPath;
    out = plain toplevel.outPath;
  }
  [
    # In this order. One that tryEval cannot catch takes those after it with it.
    "disks"
    "boot"
    "users"
    "platform"
    "identity"
    "warnings"
    "assertions"
    "binds"
    "login"
    "facter"
    "zfs"
    "network_units"
    "secrets"
    "boot_files"
  ]

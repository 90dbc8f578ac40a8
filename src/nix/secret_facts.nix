# The files that a system needs to open its secrets, to boot and to sign its boot loader, and that are no part of it: from
# definitions.nix and a NixOS evaluation to a value of `Secrets` (secret_facts.rs). Options of modules that are absent cost nothing.
{ orElse, neededForBoot, ... }:
os:
let
  inherit (os) config;
  inherit (builtins)
    any
    attrNames
    attrValues
    concatMap
    concatStringsSep
    elem
    filter
    isAttrs
    map
    replaceStrings
    stringLength
    substring
    ;
  plain = builtins.unsafeDiscardStringContext;
  startsWith = prefix: text: substring 0 (stringLength prefix) text == prefix;
  isBelow = path: at: path == at || startsWith "${at}/" path;

  # What environment.etc links.
  etc = orElse [ ] (
    map (name: "/etc/${config.environment.etc.${name}.target or name}") (
      attrNames (config.environment.etc or { })
    )
  );

  # Scripts that run before secrets are opened; one that names a file may bring it. Those that only read the file are not
  # among them (sops-nix, agenix, impermanence of 2026); `script` is all of them joined.
  text = script: plain (if isAttrs script then script.text else script);
  scripts = concatStringsSep "\n" (
    map (name: orElse "" (text config.system.activationScripts.${name})) (
      filter (
        name:
        !(elem name [
          "script"
          "agenix"
          "agenixChown"
          "agenixInstall"
          "agenixNewGeneration"
          "createPersistentStorageDirs"
          "generate-age-key"
          "persist-files"
          "setupSecrets"
          "setupSecretsForUsers"
        ])
      ) (attrNames (config.system.activationScripts or { }))
    )
    ++ [ (orElse "" (plain (config.boot.initrd.postMountCommands or ""))) ]
  );
  isNamed =
    path:
    let
      words = map (before: before + path) [
        " "
        "'"
        "\""
        "="
      ];
    in
    path != "" && replaceStrings words (map (_: "") words) scripts != scripts;

  # A file, and whether the system may bring it itself: from its closure, by environment.etc, a script, or while it runs.
  file =
    value:
    let
      path = plain (toString value);
    in
    {
      inherit path;
      provided =
        builtins.hasContext (toString value)
        || any (isBelow path) etc
        || any (prefix: startsWith prefix path) [
          "/run/"
          "/var/run/"
          "/dev/"
          "/proc/"
          "/sys/"
          "/tmp/"
          "/nix/store/"
        ]
        || isNamed path;
    };

  # Made when sshd, or the unit sshd-keygen, first starts (24.05; 26.11, which has `generateHostKeys`).
  openssh = config.services.openssh or { };
  hostKeys =
    if openssh.generateHostKeys or openssh.enable or false then
      map (key: toString (key.path or "")) (openssh.hostKeys or [ ])
    else
      [ ];
  key =
    option: value:
    file value
    // {
      inherit option;
      generated = elem (toString value) hostKeys;
      required = false;
    };

  sops = config.sops or { };
  # Without a file on the machine: a service of the network, or a command.
  opensElsewhere =
    removeAttrs (sops.environment or { }) [
      "HOME"
      "PATH"
      "SOPS_GPG_EXEC"
    ] != { };
  # Without its key file, sops-install-secrets opens nothing, whatever other keys there are.
  sopsKeyFile = sops.age.keyFile or null;
  sopsKeys =
    (
      if sopsKeyFile == null then
        [ ]
      else
        [
          (
            key "sops.age.keyFile" sopsKeyFile
            // {
              required = true;
              generated = sops.age.generateKey or false;
            }
          )
        ]
    )
    ++ map (key "sops.age.sshKeyPaths") (sops.age.sshKeyPaths or [ ])
    ++ (if sops.gnupg.home or null == null then [ ] else [ (key "sops.gnupg.home" sops.gnupg.home) ])
    ++ map (key "sops.gnupg.sshKeyPaths") (sops.gnupg.sshKeyPaths or [ ]);
  ofSops = {
    name = "sops-nix";
    waits = sops.useSystemdActivation or false;
    keys = sopsKeys;
    secrets =
      map (name: {
        inherit name;
        inherit (sops.secrets.${name}) path;
        early = sops.secrets.${name}.neededForUsers or false;
      }) (attrNames sops.secrets)
      ++ map (name: {
        inherit name;
        inherit (sops.templates.${name}) path;
        early = false;
      }) (attrNames (sops.templates or { }));
  };

  age = config.age or { };
  ofAge = {
    name = "agenix";
    waits = config.systemd.sysusers.enable or false || config.services.userborn.enable or false;
    keys = map (key "age.identityPaths") (age.identityPaths or [ ]);
    secrets = map (name: {
      inherit name;
      inherit (age.secrets.${name}) path;
      early = true;
    }) (attrNames age.secrets);
  };

  users = config.users.users;
  passwordFiles = filter (value: value != null && value != "") (
    map (name: users.${name}.hashedPasswordFile or null) (
      filter (name: name == "root" || users.${name}.isNormalUser) (attrNames users)
    )
  );

  loader = config.boot.loader;
  initrd = config.boot.initrd;
  sshKeys =
    if initrd.network.ssh.enable or false then
      map (value: plain (toString value)) initrd.network.ssh.hostKeys
    else
      [ ];
  luksKeys = map (name: toString (initrd.luks.devices.${name}.keyFile or "")) (
    attrNames (initrd.luks.devices or { })
  );
  initrdFile =
    at:
    let
      source = initrd.secrets.${at};
      of = file (if source == null then at else source);
      isSsh = elem of.path sshKeys;
    in
    of
    // {
      option =
        if isSsh then "boot.initrd.network.ssh.hostKeys" else "boot.initrd.secrets.\"${plain at}\"";
      kind =
        if isSsh then
          "ssh_host_key"
        else if elem at luksKeys then
          "luks_key"
        else
          "other";
    };
  grubFile =
    name: attribute:
    let
      value = loader.grub.users.${name}.${attribute} or null;
    in
    if value == null then
      [ ]
    else
      [
        (
          file value
          // {
            option = "boot.loader.grub.users.${name}.${attribute}";
            kind = if attribute == "hashedPasswordFile" then "grub_hash" else "other";
          }
        )
      ];

  lanzaboote = config.boot.lanzaboote or { };
  limine = loader.limine or { };
  signers =
    (
      if lanzaboote.enable or false then
        [
          {
            loader = "lanzaboote";
            bundle = orElse "" (plain (toString (lanzaboote.pkiBundle or "")));
            certificate = orElse "" (plain (toString lanzaboote.publicKeyFile));
            files = orElse [ ] (
              map file [
                lanzaboote.publicKeyFile
                lanzaboote.privateKeyFile
              ]
            );
            generates = if lanzaboote ? autoGenerateKeys then "boot.lanzaboote.autoGenerateKeys.enable" else "";
            unsigned = lanzaboote.allowUnsigned or false;
            signs_new = false;
            enrolls = lanzaboote.autoEnrollKeys.enable or false;
          }
        ]
      else
        [ ]
    )
    # limine-install.py (26.11) has this directory built in.
    ++ (
      if limine.enable or false && limine.secureBoot.enable or false then
        [
          {
            loader = "limine";
            bundle = "/var/lib/sbctl";
            certificate = "/var/lib/sbctl/keys/db/db.pem";
            files = [ (file "/var/lib/sbctl") ];
            generates =
              if limine.secureBoot ? autoGenerateKeys then
                "boot.loader.limine.secureBoot.autoGenerateKeys"
              else
                "";
            unsigned = false;
            signs_new = limine.secureBoot.autoGenerateKeys or limine.secureBoot.createAndEnrollKeys or false;
            enrolls = limine.secureBoot.autoEnrollKeys.enable or false;
          }
        ]
      else
        [ ]
    );

  # A module of the same name that is another one has no such secrets. tryEval would not catch what it lacks.
  hasSecrets =
    module:
    isAttrs (module.secrets or null)
    && module.secrets != { }
    && builtins.all (secret: isAttrs secret && secret ? path) (attrValues module.secrets);

  systems = map (name: {
    at = config.fileSystems.${name}.mountPoint or name;
    inherit (config.fileSystems.${name}) options;
    device = toString (config.fileSystems.${name}.device or "");
    needed = config.fileSystems.${name}.neededForBoot or false;
  }) (attrNames config.fileSystems);
  isBind = system: elem "bind" system.options || elem "rbind" system.options;
  # impermanence, and preservation: what is kept elsewhere.
  kept =
    store:
    let
      root = store.persistentStoragePath or "";
      move = at: {
        inherit at;
        from = root + at;
      };
    in
    map (one: move (one.dirPath or one.directory)) (store.directories or [ ])
    ++ map (one: move (one.filePath or one.file)) (store.files or [ ]);
in
{
  openers =
    orElse [ ] (if !(hasSecrets sops) || opensElsewhere then [ ] else [ ofSops ])
    ++ orElse [ ] (if !(hasSecrets age) then [ ] else [ ofAge ]);
  password_files = orElse [ ] (map file passwordFiles);
  boot_files = orElse [ ] (
    (
      if loader.supportsInitrdSecrets or true && initrd.enable or true then
        map initrdFile (attrNames (initrd.secrets or { }))
      else
        [ ]
    )
    ++ (
      if loader.grub.enable or false then
        concatMap (name: grubFile name "hashedPasswordFile" ++ grubFile name "passwordFile") (
          attrNames (loader.grub.users or { })
        )
      else
        [ ]
    )
  );
  inherit signers;
  moved = orElse [ ] (
    map (system: {
      inherit (system) at;
      from = system.device;
    }) (filter isBind systems)
    ++ concatMap (store: if store.enable or true then kept store else [ ]) (
      attrValues (config.environment.persistence or { })
    )
    ++ concatMap kept (attrValues (config.preservation.preserveAt or { }))
  );
  late = orElse [ ] (
    map (system: system.at) (
      filter (system: !isBind system && !system.needed && !(elem system.at neededForBoot)) systems
    )
  );
}

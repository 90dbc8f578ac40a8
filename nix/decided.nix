# What an installer may ask about a system (what `nixosSystem` returns), and what its configuration decides of it: an option with any
# definition that is stronger than the default in its declaration. src/nix/open.rs has the result as types; the names of the
# answers are those of `--set`.
os:
let
  inherit (os) config options;
  inherit (builtins)
    any
    attrNames
    filter
    foldl'
    isAttrs
    listToAttrs
    map
    ;
  plain = builtins.unsafeDiscardStringContext;
  at = foldl' (set: name: if isAttrs set then set.${name} or null else null);
  # The value as text; empty if it is null, does not exist, or throws.
  text =
    path:
    let
      result = builtins.tryEval (plain (toString (at config path)));
    in
    if result.success then result.value else "";
  priority = path: (at options path).highestPrio or 9999;
  exists = path: (at options path)._type or null == "option";
  # 1500 is the priority of a default in the declaration (lib/modules.nix, 24.05 and 26.11). What this NixOS does not have cannot
  # be chosen either.
  isSet = path: exists path && priority path < 1500;
  decides = path: !exists path || isSet path;
  # Definitions of parts are merged with those of the configuration if nothing overrides the whole option.
  merges = path: exists path && (priority path == 100 || priority path >= 1500);

  paths = {
    timezone = [
      "time"
      "timeZone"
    ];
    locale = [
      "i18n"
      "defaultLocale"
    ];
    keymap = [
      "console"
      "keyMap"
    ];
    layout = xkb ++ [ "layout" ];
    variant = xkb ++ [ "variant" ];
    hostname = [
      "networking"
      "hostName"
    ];
  };
  xkb = [
    "services"
    "xserver"
    "xkb"
  ];
  formats = [
    "i18n"
    "extraLocaleSettings"
  ];
  supported = [
    "i18n"
    "supportedLocales"
  ];
  autologin = filter exists [
    [
      "services"
      "getty"
      "autologinUser"
    ]
    [
      "services"
      "displayManager"
      "autoLogin"
      "enable"
    ]
    [
      "services"
      "displayManager"
      "autoLogin"
      "user"
    ]
  ];

  # Whether automatic login has an effect: greetd has settings of its own for it, lemurs refuses it, and LightDM and SDDM refuse it
  # without a session.
  logsIn =
    let
      manager = config.services.displayManager or { };
    in
    !(config.services.greetd.enable or false)
    && !(manager.lemurs.enable or false)
    && (!(manager.enable or false) || (manager.sessionData.autologinSession or null) != null);

  accounts = config.users.users;
  normal = filter (name: accounts.${name}.isNormalUser) (attrNames accounts);
  # Accounts can come from elsewhere, and a password that is typed does not last everywhere.
  fixedAccounts =
    !config.users.mutableUsers
    || config.users.ldap.enable or false
    || config.services.sssd.enable or false
    || !merges [
      "users"
      "users"
    ];

  # A layout and its variant belong together.
  isDecided = builtins.mapAttrs (_: decides) paths // {
    layout = decides paths.layout || isSet paths.variant;
    variant = decides paths.layout || isSet paths.variant;
    user = normal != [ ] || fixedAccounts;
    autologin = autologin == [ ] || any isSet autologin || !logsIn;
    unfree =
      !exists [
        "nixpkgs"
        "config"
      ]
      || isSet [
        "nixpkgs"
        "pkgs"
      ]
      || config.nixpkgs.config ? allowUnfree;
  };
  current = builtins.mapAttrs (_: text) paths;
  shown =
    current
    // {
      user = builtins.concatStringsSep ", " normal;
      autologin = builtins.concatStringsSep ", " (filter (value: value != "") (map text autologin));
      unfree = if config.nixpkgs.config.allowUnfree or false then "true" else "false";
    }
    # It is a derivation.
    // (if config.console.useXkbConfig or false then { keymap = "as the layout"; } else { });
  parts =
    if merges formats then
      builtins.mapAttrs (_: toString) (at config formats)
    else
      listToAttrs (
        map
          (name: {
            inherit name;
            value = text (formats ++ [ name ]);
          })
          [
            "LC_ADDRESS"
            "LC_COLLATE"
            "LC_CTYPE"
            "LC_IDENTIFICATION"
            "LC_MEASUREMENT"
            "LC_MESSAGES"
            "LC_MONETARY"
            "LC_NAME"
            "LC_NUMERIC"
            "LC_PAPER"
            "LC_TELEPHONE"
            "LC_TIME"
          ]
      );
in
{
  decided =
    parts
    // builtins.intersectAttrs (listToAttrs (
      map (name: {
        inherit name;
        value = null;
      }) (filter (name: isDecided.${name}) (attrNames isDecided))
    )) shown;
  inherit current;
  users = listToAttrs (
    map (name: {
      inherit name;
      value = accounts.${name}.description;
    }) normal
  );
  others = filter (name: !accounts.${name}.isNormalUser) (attrNames accounts);
  networkmanager = config.networking.networkmanager.enable or false;
  display_manager = config.services.displayManager.enable or false;
  gdm =
    config.services.displayManager.gdm.enable
      or (config.services.xserver.displayManager.gdm.enable or false);
  # Null if there are none to choose from.
  locales = at config supported;
  locales_decided =
    decides supported
    || isSet [
      "i18n"
      "glibcLocales"
    ];
  # What the installer puts into choices.nix while it asks.
  imported = config.lib or { } ? nix-cfg-install;
}

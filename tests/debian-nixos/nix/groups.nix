# Every group of groups.json as a derivation: the files of some .debs, with the groups that they need.
let
  data = builtins.fromJSON (builtins.readFile ./groups.json);

  # What `build` has put into the store: it is named by its hash, and never downloaded by Nix.
  added =
    {
      name,
      hash,
      mode ? "flat",
    }:
    derivation {
      inherit name;
      system = "builtin";
      builder = "builtin:fetchurl";
      url = "debian:${name}";
      outputHashAlgo = "sha256";
      outputHashMode = mode;
      outputHash = hash;
      preferLocalBuild = true;
    };

  seed = added {
    name = "debian-seed";
    hash = data.seed;
    mode = "recursive";
  };

  pairs = table: map (path: "${path}=${table.${path}}") (builtins.attrNames table);

  group =
    name:
    {
      version,
      debs,
      needs,
      moves,
      links,
    }:
    derivation {
      pname = name;
      inherit version;
      name = "${name}-${version}";
      system = "x86_64-linux";
      builder = "${seed}/lib/ld-linux-x86-64.so.2";
      args = [
        "--library-path"
        "${seed}/lib"
        "${seed}/bin/python3"
        ./group.py
      ];
      PYTHONHOME = seed;
      inherit seed;
      debfiles = ./debfiles.py;
      debs = map added debs;
      needs = map (need: groups.${need}) needs;
      moves = pairs moves;
      links = pairs links;
    };

  groups = builtins.mapAttrs group data.groups;
in
groups // { inherit (data) kernel; }

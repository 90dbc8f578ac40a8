# The file systems that an installer must not offer for the root, because the GRUB of an installed system cannot read what the live
# system's mkfs creates. Names, as in Calamares.
{
  # The live system's packages.
  pkgs,
  # The system that is installed, as `nixosSystem` returns it.
  system,
  # Whether the installer gives it GRUB on a machine with a BIOS (`nix-cfg-iso init --stock`).
  grubOnBios ? false,
}:
let
  version = package: (builtins.parseDrvName package.name).version;
  isBefore = package: limit: builtins.compareVersions (version package) limit < 0;

  # On UEFI, /boot is the EFI system partition, which GRUB can read.
  needsGrub =
    let
      inherit (system.config.boot.loader) grub;
    in
    grubOnBios
    || grub.enable && !(grub.efiSupport && builtins.all (device: device == "nodev") grub.devices);
  # A patch of an older GRUB: upstream's is "fs/xfs: Add new superblock features added in Linux 6.12/6.13".
  isPatch =
    patch:
    builtins.match ".*xfs.*(superblock|feature|exchange|parent).*" (
      baseNameOf (toString (patch.name or patch))
    ) != null;
  readsNewXfs =
    let
      grub = system.pkgs.grub2;
    in
    !(isBefore grub "2.14") || builtins.any isPatch (grub.patches or [ ]);
  # mkfs.xfs 6.18 enables `exchange` and `parent` by default.
  makesNewXfs = !(isBefore pkgs.xfsprogs "6.18");
in
if makesNewXfs && needsGrub && !readsNewXfs then [ "xfs" ] else [ ]

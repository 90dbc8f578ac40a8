# The live system without a desktop.
{
  imports = [ ./installation-cd-base.nix ];
  isoImage.edition = "minimal";
}

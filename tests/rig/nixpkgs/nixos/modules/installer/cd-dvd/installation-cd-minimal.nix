{
  imports = [
    ./iso-image.nix
    ./channel.nix
  ];
  isoImage.edition = "minimal";
}

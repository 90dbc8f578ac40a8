# The program that boots an ISO in QEMU: `nix run DIR#try`. Nothing here is evaluated or built with the ISO.
{
  # The ISO.
  image,
  # The nixpkgs of the installed system, without its configuration and overlays: QEMU comes from the binary cache.
  pkgs,
}:
let
  inherit (pkgs.stdenv) hostPlatform;
  processor = hostPlatform.uname.processor;
  # What a person needs of a machine: a screen, keys, and a pointer that is where the window has it.
  machine =
    if hostPlatform.isx86 then
      "q35"
    else
      "virt,gic-version=max -device virtio-gpu-pci -device qemu-xhci -device usb-kbd";
in
pkgs.runCommand "try-offline-iso"
  {
    meta.mainProgram = "try";
    passAsFile = [ "settings" ];
    settings = ''
      #!${pkgs.bash}/bin/bash
      isos=${image}/iso
      qemu=${pkgs.qemu_kvm}/bin/qemu-system-${processor}
      firmware_code=${pkgs.OVMF.firmware}
      firmware_variables=${pkgs.OVMF.variables}
      machine=(-machine ${machine})
    '';
  }
  ''
    mkdir -p $out/bin
    cat "$settingsPath" ${./try.sh} > $out/bin/try
    chmod 555 $out/bin/try
  ''

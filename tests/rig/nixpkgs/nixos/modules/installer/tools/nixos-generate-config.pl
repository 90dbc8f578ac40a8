#! @perl@
# What this miniature's nixos-generate-config could write, in the form in which upstream's does. Nobody runs it: the rig
# has tests/rig/bin/nixos-generate-config. It is here to be read.

push @attrs, "nixpkgs.hostPlatform = lib.mkDefault \"@hostPlatformSystem@\";";
push @kernelModules, "kvm-intel" if hasCPUFeature "vmx";

if ($isBroadcom) {
    push @modulePackages, "config.boot.kernelPackages.broadcom_sta";
    push @imports, "(modulesPath + \"/hardware/network/broadcom-43xx.nix\")";
}
push @attrs, "networking.enableIntel2200BGFirmware = true;" if $is2200;
push @attrs, "virtualisation.virtualbox.guest.enable = true;" if $virt eq "oracle";
push @attrs, "virtualisation.hypervGuest.enable = true;" if $virt eq "microsoft";
push @attrs, "hardware.parallels.enable = true;" if $virt eq "parallels";
push @imports, "(modulesPath + \"/profiles/qemu-guest.nix\")" if $virt eq "qemu";
if ($virt eq "none") {
    push @imports, "(modulesPath + \"/installer/scan/not-detected.nix\")";
    push @attrs, "hardware.cpu.amd.updateMicrocode = lib.mkDefault config.hardware.enableRedistributableFirmware;";
    push @attrs, "hardware.cpu.intel.updateMicrocode = lib.mkDefault config.hardware.enableRedistributableFirmware;";
}
push @attrs, "boot.swraid.enable = true;" if $useSwraid;

$fileSystems .= <<EOF;
  fileSystems.\"$mountPoint\" =
    { device = \"$device\";
      fsType = \"$fsType\";
    };
EOF
$fsAndSwap .= "swapDevices =" . multiLineList("    ", @swapDevices) . ";\n";

my $hwConfig = <<EOF;
{ config, lib, pkgs, modulesPath, ... }:
{
  imports =${\multiLineList("    ", @imports)};
  boot.initrd.availableKernelModules = [$initrdAvailableKernelModules ];
  boot.kernelModules = [$kernelModules ];
  boot.extraModulePackages = [$modulePackages ];
  networking.useDHCP = lib.mkDefault true;
}
EOF

if ($showHardwareConfig) {
    print STDOUT $hwConfig;
}

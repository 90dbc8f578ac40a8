{ ... }: { hardware.enableRedistributableFirmware = true; }

//! The settings file `/etc/nix-cfg-install.yaml`. docs/settings.md documents every key.

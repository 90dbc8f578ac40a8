"""What the `users` job does after NixOS' patch (SetPasswordJob): sets the password of a user that must be there."""

import libcalamares


def run():
    user = libcalamares.globalstorage.value("username")
    code = libcalamares.utils.target_env_call(["usermod", "-p", "$6$rig$hash", user])
    if code != 0:
        return "Cannot set password for user", f"usermod terminated with error code {code}."
    return None

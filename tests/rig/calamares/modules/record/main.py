"""Takes the place of a job that would change a disk: writes down that it ran, and fills in what that job would. @device@
stands for the disk that the rig made, @passphrase@ for $RIG_PASSPHRASE."""

import json
import os
import subprocess

import libcalamares


def run():
    configuration = libcalamares.job.configuration
    with open("/ran", "a", encoding="utf-8") as file:
        file.write(configuration["name"] + "\n")
    device = subprocess.check_output(["findmnt", "-no", "SOURCE", "/mnt"], text=True).strip()
    storage = json.dumps(configuration.get("storage", {})).replace("@device@", device)
    storage = storage.replace("@passphrase@", os.environ.get("RIG_PASSPHRASE", ""))
    for key, value in json.loads(storage).items():
        libcalamares.globalstorage.insert(key, value)

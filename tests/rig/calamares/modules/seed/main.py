"""Fills globalStorage as the pages and jobs before would. $RIG_PASSPHRASE stands where a passphrase belongs."""

import json
import os

import libcalamares


def run():
    with open("/calamares/storage.json", encoding="utf-8") as file:
        text = file.read().replace("@passphrase@", os.environ.get("RIG_PASSPHRASE", ""))
    for key, value in json.loads(text).items():
        libcalamares.globalstorage.insert(key, value)

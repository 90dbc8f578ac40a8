"""Fills globalStorage as the pages before would."""

import json

import libcalamares


def run():
    with open("/calamares/storage.json", encoding="utf-8") as file:
        for key, value in json.load(file).items():
            libcalamares.globalstorage.insert(key, value)

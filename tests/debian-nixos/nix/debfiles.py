"""What is in a .deb: its members, ELF files and scripts, and where a file of Debian belongs below the output of a group."""

import json
import posixpath
import re
import struct
from dataclasses import dataclass, field

MULTIARCH = "x86_64-linux-gnu"
# Nobody reads these on the systems that are built here.
DROPPED = re.compile(r"(usr/share/(doc|man|info|locale|lintian|bug|zsh|fish|help|gtk-doc)|var|run|dev|proc|sys|tmp)(/|$)|.*\.pyc$")
RENAMED = [
    (re.compile(r"^usr(/|$)"), ""),
    (re.compile(r"^(lib64|libx32)(/|$)"), "lib/"),
    (re.compile(r"^sbin(/|$)"), "bin/"),
    (re.compile(rf"^lib/{MULTIARCH}/perl5/[0-9.]+/"), "lib/perl5/site_perl/"),
    (re.compile(r"^share/perl5/"), "lib/perl5/site_perl/"),
    (re.compile(rf"^(lib|include)/{MULTIARCH}(/|$)"), r"\1/"),
]


def place(path: str) -> str | None:
    """Where a file of Debian is below the output, or None if it is left out: usr/sbin/x becomes bin/x."""
    path = posixpath.normpath(path.lstrip("/")).removeprefix("./")
    if path == "." or DROPPED.match(path):
        return None
    for pattern, replacement in RENAMED:
        path = pattern.sub(replacement, path, count=1)
    return path.rstrip("/") or None


def link_place(path: str, target: str) -> str | None:
    """Where the file to which a symbolic link of Debian points is below an output."""
    return place(posixpath.normpath(posixpath.join("/", posixpath.dirname(path), target)))


@dataclass
class Elf:
    needed: list[str] = field(default_factory=list)
    # What it opens by itself: https://systemd.io/ELF_DLOPEN_METADATA/
    opened: list[str] = field(default_factory=list)
    interpreter_at: int | None = None  # offset of the program header PT_INTERP
    dynamic: bool = False


def read_elf(data: bytes) -> Elf | None:
    """The dynamic section and notes of a 64-bit little-endian ELF program or library; None for anything else."""
    if data[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<H", data, 16)[0] not in (2, 3):
        return None
    elf = Elf()
    start, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    segments = [struct.unpack_from("<IIQQQQQQ", data, start + number * size) for number in range(count)]
    loaded = [(segment[3], segment[2], segment[5]) for segment in segments if segment[0] == 1]

    def offset_of(address: int) -> int:
        return next(offset + address - base for base, offset, length in loaded if base <= address < base + length)

    for number, (kind, _, offset, _, _, length, _, _) in enumerate(segments):
        if kind == 2 and length:
            elf.dynamic = True
            entries = [struct.unpack_from("<qQ", data, at) for at in range(offset, offset + length, 16)]
            strings = next(offset_of(value) for tag, value in entries if tag == 5)
            for tag, value in entries:
                if tag == 1:
                    begin = strings + value
                    elf.needed.append(data[begin : data.index(b"\0", begin)].decode())
        elif kind == 3:
            elf.interpreter_at = start + number * size
        elif kind == 4:
            elf.opened += dlopen_notes(data[offset : offset + length])
    return elf


def dlopen_notes(notes: bytes) -> list[str]:
    found, at = [], 0
    while at + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from("<III", notes, at)
        begin = at + 12 + (name_size + 3) // 4 * 4
        if kind == 0x407C0C0A:
            for feature in json.loads(notes[begin : begin + size].rstrip(b"\0")):
                found += feature["soname"]
        at = begin + (size + 3) // 4 * 4
    return found


def interpreter(data: bytes) -> str | None:
    """The name of the program that runs a script: perl for `#!/usr/bin/env perl -w`."""
    if not data.startswith(b"#!"):
        return None
    words = data[2:].split(b"\n", 1)[0].decode(errors="replace").split()
    if words and words[0].endswith("/env"):
        words = [word for word in words[1:] if not word.startswith("-")]
    return posixpath.basename(words[0]) if words else None

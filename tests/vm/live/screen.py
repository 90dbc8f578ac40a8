#!/usr/bin/env python3
"""Looks at Calamares: screen.py watch | screen.py picture FILE | screen.py colour X Y.

Xvfb keeps its screen in a file (-fbdir, as XWD), so a look costs next to nothing. `watch` looks ten times a second: the page that
is shown goes to /run/page, and each change of the bar is said. The window is 1024 x 700, its style Qt's Fusion.
"""

import mmap
import struct
import sys
import time
import zlib
from pathlib import Path

PAGE = Path("/run/page")
LIGHT = bytes.fromhex("e4ba7e")  # blue, green, red: SidebarBackgroundCurrent of the branding
FRAME = [bytes.fromhex("ababab"), bytes.fromhex("8d6422")]  # of the bar, where it is empty and where it is full


class Screen:
    """The memory of Xvfb: four bytes a pixel, blue first."""

    def __init__(self, file: str) -> None:
        with open(file, "rb") as memory:
            self.memory = mmap.mmap(memory.fileno(), 0, access=mmap.ACCESS_READ)
        header = struct.unpack(">25I", self.memory[:100])
        self.width, self.height, self.line = header[4], header[5], header[12]
        # The header with the window's name, and the colour map.
        self.begin = header[0] + 12 * header[19]

    def row(self, y: int, left: int, right: int) -> bytes:
        """The pixels of a row."""
        begin = self.begin + y * self.line
        return self.memory[begin + 4 * left : begin + 4 * right]

    def page(self) -> int | None:
        """Which page is shown, from 0: the steps at the left have 36 lines each."""
        lights = (index for index in range(12) if self.row(98 + 36 * index, 10, 11)[:3] == LIGHT)
        return next(lights, None)

    def bar(self) -> float | None:
        """How far the bar is, in per cent of its width; None where no bar is shown."""
        row = self.row(626, 177, 931)
        if row[:3] not in FRAME or row[-4:-1] not in FRAME:
            return None
        inside = row[4:-4]
        return 100 * sum(red < 0x70 for red in inside[2::4]) / (len(inside) // 4)

    def picture(self) -> bytes:
        """The screen as PNG."""
        lines = bytearray()
        for y in range(self.height):
            row, line = self.row(y, 0, self.width), bytearray(3 * self.width)
            line[0::3], line[1::3], line[2::3] = row[2::4], row[1::4], row[0::4]
            lines += b"\0" + line
        parts = (
            (b"IHDR", struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(lines, 1)),
            (b"IEND", b""),
        )
        chunks = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts)
        return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def watch(screen: Screen) -> None:
    """Until it is killed."""
    page = bar = None
    while True:
        if (now := screen.page()) != page:
            page = now
            PAGE.with_suffix(".new").write_text(f"{page}\n")
            PAGE.with_suffix(".new").rename(PAGE)
        if (now := screen.bar()) not in (None, bar):
            bar = now
            print(f"@@ bar {bar:.1f}", flush=True)
        time.sleep(0.1)


screen = Screen("/run/Xvfb_screen0")
if sys.argv[1] == "watch":
    watch(screen)
elif sys.argv[1] == "colour":
    left = int(sys.argv[2])
    print(screen.row(int(sys.argv[3]), left, left + 1)[2::-1].hex())
else:
    Path(sys.argv[2]).write_bytes(screen.picture())

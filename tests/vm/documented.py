"""The commands in the documentation, as a reader types them."""

import re
from itertools import dropwhile, takewhile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def mounts(file: str, heading: str, disk: str = "/dev/vda", partition: str = "/dev/vda") -> str:
    """The commands below a heading, from parted to the last mount, for another disk than /dev/sda."""
    lines = (PROJECT / file).read_text().splitlines()
    below = list(dropwhile(lambda line: not (line.startswith("#") and line.lstrip("# ") == heading), lines))[1:]
    block = [line.strip() for line in takewhile(lambda line: not line.startswith("#"), below) if line.startswith("    ")]
    first = next(index for index, line in enumerate(block) if line.startswith("parted "))
    last = max(index for index, line in enumerate(block) if line.startswith("mount "))
    commands = "\n".join(block[first : last + 1])
    return re.sub(r"/dev/sda(?=\d)", lambda _: partition, commands).replace("/dev/sda", disk)

"""What a machine says on a serial port."""

import codecs
import os
import re
import threading
import time
from pathlib import Path

# SeaBIOS moves the cursor in the middle of a word.
ESCAPE = re.compile(r"\x1b(?:\[[0-9;?=]*[A-Za-z]|c)")
INCOMPLETE = re.compile(r"(?:\x1b(?:\[[0-9;?=]*)?)?\Z")


class Stream:
    """The lines of one serial port, as they come."""

    def __init__(self, log: Path, start: float, on_line) -> None:
        self.text, self.cursor, self.start, self.on_line = "", 0, start, on_line
        self.log = log.open("a")
        self.changed = threading.Condition()
        self.open = True

    def pump(self, source) -> None:
        """Reads until the machine is off."""
        line, rest, decoder = "", "", codecs.getincrementaldecoder("utf-8")(errors="replace")
        while data := os.read(source, 65536):
            text = rest + decoder.decode(data).replace("\r", "")
            # A sequence can come in two pieces.
            rest = INCOMPLETE.search(text)[0]
            text = ESCAPE.sub("", text.removesuffix(rest))
            with self.changed:
                self.text += text
                self.changed.notify_all()
            *lines, line = (line + text).split("\n")
            seconds = time.monotonic() - self.start
            for whole in lines:
                self.log.write(f"{seconds:8.2f} {whole}\n")
                self.on_line(seconds, whole)
            self.log.flush()
        with self.changed:
            self.log.write(f"{time.monotonic() - self.start:8.2f} {line}\n")
            self.log.flush()
            self.open = False
            self.changed.notify_all()

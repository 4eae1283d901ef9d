"""What library functions tell beside their answers: `logging.getLogger("util").setLevel("ERROR")` silences it."""

import logging
import sys


class _Shown(logging.Handler):
    """Shows a note where the output of a cell or a command goes at that moment."""

    def emit(self, record):
        sys.stdout.write(self.format(record) + "\n")
        sys.stdout.flush()


notes = logging.getLogger("util")
if not notes.handlers:
    notes.addHandler(_Shown())
    notes.setLevel(logging.INFO)
    notes.propagate = False


def note(text):
    """Tell a sentence, or several lines, to a person who is watching."""
    notes.info("%s", text)

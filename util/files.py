"""stand-in until the real one is merged"""

from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path):
    part = Path(f"{path}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)

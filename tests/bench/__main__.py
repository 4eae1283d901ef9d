"""Run the parts of the bench."""

import importlib
import os
import sys
from pathlib import Path

PARTS = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def main(names):
    """Run the named parts, or all."""
    unknown = set(names) - set(PARTS)
    if unknown:
        print(f"No part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    os.environ["COURSE_BATCH"] = "1"
    print(f"{os.cpu_count()} cores. Ratios are against a peer measured in this same run.")
    for name in names or PARTS:
        importlib.import_module(f"tests.bench.{name}").bench()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

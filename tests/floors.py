"""Lines of each room that the tests run, with the floor of each: python -m tests.floors, after `coverage run -m pytest`."""

import ast
import sys
from collections import defaultdict
from pathlib import Path

import coverage

from util.data.cohort import HOME

FLOORS = {"training": 85, "course": 85}  # per cent; all others:
FLOOR = 95
# What coverage cannot see here: files that other processes run (kernels, Sphinx), the part of `needs` that works in a
# kernel, and functions that TensorFlow compiles.
APART = {"course/setup_cell.py", "course/website/conf.py", "__main__.py"}
FUNCTIONS_APART = {
    "archive/reader.py": {"_limit", "_end_with", "main"},
    "needs.py": {"LeftOut"},
    "explain/heat_maps.py": {"_pixel_gradient", "_explainer", "_grad_cam_of", "_hires_cam_of", "_grad_cam_pp_of"},
}


def lines_apart(path, name):
    """Numbers of the lines of a file's functions and classes that coverage cannot see."""
    names = FUNCTIONS_APART.get(name, set())
    nodes = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if getattr(node, "name", None) in names]
    if len(nodes) != len(names):
        raise SystemExit(f"FUNCTIONS_APART names functions that util/{name} does not have.")
    return {line for node in nodes for line in range(node.lineno, node.end_lineno + 1)}


def rooms(data):
    """{room: (lines, lines that were run)} of the measured files."""
    found = defaultdict(lambda: [0, 0])
    for path in sorted((HOME / "util").rglob("*.py")):
        name = path.relative_to(HOME / "util").as_posix()
        if name in APART:
            continue
        _, statements, _, missing, _ = data.analysis2(str(path))
        apart = lines_apart(path, name)
        statements, missing = ([n for n in numbers if n not in apart] for numbers in (statements, missing))
        room = name.split("/")[0] if "/" in name else "ground"
        found[room][0] += len(statements)
        found[room][1] += len(statements) - len(missing)
    return found


def main():
    """Print a line for each room; returns 1 where one is below its floor."""
    data = coverage.Coverage(data_file=str(Path.cwd() / ".coverage"))
    data.load()
    low = []
    for room, (lines, run) in sorted(rooms(data).items()):
        share, floor = 100 * run / max(lines, 1), FLOORS.get(room, FLOOR)
        print(f"{room:10}{run:6,} of {lines:6,} lines {share:6.1f} %   floor {floor} %")
        low += [room] if share < floor else []
    if low:
        print(f"Below the floor: {', '.join(low)}.", file=sys.stderr)
    return int(bool(low))


if __name__ == "__main__":
    sys.exit(main())

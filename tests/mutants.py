"""Does a test notice a hole? Small faults, one at a time, in a copy of the course: python -m tests.mutants MODULE [N] [SEED].

MODULE is a file of `util`, such as data/own_film. N (20) faults are drawn with SEED (2026): a comparison or an operator
exchanged, a number plus one, a condition negated, a `raise` or a bare call left out. Types, docstrings and the texts of
errors are left alone. Each fault is written into a copy of the course in a temporary folder, where the tests in files of
the module's name (where there are none, in those that import it) run until one fails.

A fault that no test notices is printed as a diff. Look for a test that notices it in another file, write one, or say why no
input can distinguish it from the original. Linux and macOS only.
"""

import ast
import importlib
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[1]
SWAPS = {ast.Lt: ast.LtE, ast.Gt: ast.GtE, ast.Eq: ast.NotEq, ast.In: ast.NotIn, ast.Is: ast.IsNot, ast.Add: ast.Sub}
SWAPS |= {ast.And: ast.Or, ast.LShift: ast.RShift, ast.BitAnd: ast.BitOr, ast.FloorDiv: ast.Mult}
SWAPS = {**SWAPS, **{new: old for old, new in SWAPS.items()}, ast.Div: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult}
WARM = ("numpy", "pandas", "scipy.stats", "PIL.Image", "h5py", "pydicom", "hypothesis", "sklearn.metrics", "matplotlib")
ELSEWHERE = ("course", "interop", "fuzz", "bench", "training", "z")  # tests of whole notebooks, or with other packages


def faults(source):
    """All faults of a source: list of (line, text before, text after, whole new source)."""
    tree = ast.parse(source)
    skipped = _skipped(tree)
    nodes = [node for node in ast.walk(tree) if id(node) not in skipped]
    return [_replaced(source, node, new) for node in nodes for new in _variants(node)]


def _skipped(tree):
    """Ids of the nodes that are no behavior: types, texts, and `strict` of zip."""
    away = []
    for node in ast.walk(tree):
        away += [getattr(node, name, None) for name in ("annotation", "returns")]
        for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if isinstance(node, ast.Raise):
            away += [node.exc, node.cause]
        elif for_types or isinstance(node, ast.JoinedStr) or (isinstance(node, ast.keyword) and node.arg == "strict"):
            away.append(node)
    return {id(inner) for node in away if node is not None for inner in ast.walk(node)}


def _variants(node):
    """The faulty texts that may be written in the place of a node."""
    if isinstance(node, ast.Compare):
        for at, operator in enumerate(node.ops):
            swapped = [*node.ops[:at], SWAPS[type(operator)](), *node.ops[at + 1 :]]
            yield f"({ast.unparse(ast.Compare(node.left, swapped, node.comparators))})"
    elif isinstance(node, ast.BinOp) and type(node.op) in SWAPS:
        yield f"({ast.unparse(ast.BinOp(node.left, SWAPS[type(node.op)](), node.right))})"
    elif isinstance(node, ast.BoolOp):
        yield f"({ast.unparse(ast.BoolOp(SWAPS[type(node.op)](), node.values))})"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield f"({ast.unparse(node.operand)})"
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        more = node.value + 1 if node.value + 1 != node.value else 2 * node.value  # 1e30 + 1 is 1e30
        yield repr(not node.value if isinstance(node.value, bool) else more)
    elif isinstance(node, ast.If | ast.While):
        yield node.test, f"not ({ast.unparse(node.test)})"
    elif isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield "pass"


def _replaced(source, node, new):
    if isinstance(new, tuple):
        node, new = new
    lines = [line.encode() for line in source.split("\n")]
    first, last = node.lineno - 1, node.end_lineno - 1
    text = lines[first][: node.col_offset] + new.encode() + lines[last][node.end_col_offset :]
    changed = [*lines[:first], text, *[b""] * (last - first), *lines[last + 1 :]]  # lines keep their numbers
    return first + 1, lines[first].decode().strip(), text.decode().strip(), b"\n".join(changed).decode()


def tests_of(module):
    """Test files of a module's name, else those that import it: paths relative to the course."""
    room, _, stem = module.rpartition("/")
    found, name = sorted((HOME / "tests" / room).glob(f"test_{stem}*.py")), "util." + module.replace("/", ".")
    if not found:
        others = [path for path in sorted((HOME / "tests").rglob("test_*.py")) if path.parts[-2] not in ELSEWHERE]
        found = [path for path in others if name in path.read_text(encoding="utf-8")]
    return [path.relative_to(HOME).as_posix() for path in found]


class Order:
    """Pytest plugin: notes which tests run which lines of a file, or puts those that run a line first, the fastest first."""

    def __init__(self, path, line=None, known=None):
        self.path, self.line, self.known, self.seen, self.seconds = str(path), line, known, defaultdict(set), {}

    def pytest_collection_modifyitems(self, items):
        if self.known:
            seen, seconds = self.known
            items.sort(key=lambda item: (self.line not in seen.get(item.nodeid, ()), seconds.get(item.nodeid, 0)))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        if self.known:
            return (yield)
        began = time.perf_counter()
        sys.settrace(self._tracer(self.seen[item.nodeid]))
        try:
            return (yield)
        finally:
            sys.settrace(None)
            self.seconds[item.nodeid] = time.perf_counter() - began

    def write(self, notes):
        notes.write_text(repr((dict(self.seen), self.seconds)))
        return 0

    def _tracer(self, lines):
        def inside(frame, event, _):
            lines.add(frame.f_lineno)
            return inside

        return lambda frame, event, _: inside if frame.f_code.co_filename == self.path else None


def apart(work, patience):
    """Run `work` in a process of its own: (its exit code, or None after `patience` seconds; seconds it took)."""
    began, child = time.monotonic(), os.fork()
    if not child:
        os.setsid()
        for stream in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), stream)
        resource.setrlimit(resource.RLIMIT_CPU, (int(patience) + 1, int(patience) + 5))
        try:
            os._exit(int(work()))
        finally:  # whatever happened: only the parent goes on from here
            os._exit(1)
    ended = 0
    while not ended and time.monotonic() < began + patience:
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.02)
    if not ended:
        os.killpg(child, 9)
        os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) if ended else None, time.monotonic() - began


def judge(module, count=20, seed=2026, tests=()):
    """Draw faults of a module and try them; prints and returns those that no test noticed, (line, before, after)."""
    home = copied(Path(tempfile.mkdtemp()))
    os.chdir(home)
    sys.path.insert(0, str(home))
    os.environ |= {"COURSE_BATCH": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # other plugins cost a second a fault
    for name in [name for name in sys.modules if name.split(".")[0] in ("tests", "util")]:
        del sys.modules[name]  # the copy's are to be found
    for name in WARM:
        importlib.import_module(name)
    path, tests = home / "util" / f"{module}.py", tests or tests_of(module)
    source, notes = path.read_text(encoding="utf-8"), home / "seen"
    arguments = [*tests, "-x", "-q", "-p", "no:cacheprovider"]
    try:
        order = Order(path)
        code, seconds = apart(lambda: pytest.main(arguments, plugins=[order]) or order.write(notes), 3000)
        if code:
            raise SystemExit(f"{module}: its tests fail without a fault (exit code {code}): {' '.join(tests)}")
        known, alive = ast.literal_eval(notes.read_text()), []
        drawn = faults(source)
        for line, before, after, text in random.Random(seed).sample(drawn, min(count, len(drawn))):
            path.write_text(text, encoding="utf-8")
            shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)
            code, _ = apart(lambda at=line: pytest.main(arguments, plugins=[Order(path, at, known)]), 15 + 4 * seconds)
            if code == 0:
                alive.append((line, before, after))
                print(f"util/{module}.py:{line}\n-    {before}\n+    {after}")
        print(f"{module}: {min(count, len(drawn)) - len(alive)} of {min(count, len(drawn))} noticed")
    finally:
        os.chdir(HOME)
        shutil.rmtree(home)
    return alive


def copied(home):
    """The course in an empty folder: code and tests copied, all else as links (those of data in a folder of its own)."""
    (home / "data").mkdir()
    for path in [*HOME.iterdir(), *(HOME / "data").iterdir()]:
        if path.name in ("util", "tests"):
            shutil.copytree(path, home / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.parent != HOME:
            (home / "data" / path.name).symlink_to(path)
        elif path.name not in (".git", "build", "data"):
            (home / path.name).symlink_to(path)
    return home


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    name, *numbers = sys.argv[1:] or sys.exit(__doc__)
    sys.exit(bool(judge(name.removeprefix("util/").removesuffix(".py"), *map(int, numbers))))

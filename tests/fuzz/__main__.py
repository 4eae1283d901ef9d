"""Damaged and hostile input by the thousand, for an hour or so: python -m tests.fuzz [films tables weights server] [--cases N].

Each kind runs in a process of its own, so that an abort ends that kind only and is counted.
"""

import argparse
import importlib.util
import json
import subprocess
import sys

from util.course.run import peak_memory

# Cases of each kind unless --cases says otherwise; None: the module's own default.
COUNTS = {"films": 10_000, "tables": 3_000, "weights": 1_500, "server": None}
SECONDS, MEGABYTES = 5.0, 1536.0  # one file is to take no more
COLUMNS = ("tried", "refused", "read_right", "tracebacks", "wrong")
FOUND = "found: "  # begins the line with the result of a process


def run_here(kind, count):
    """Run one kind and print what was found, with the peak memory of this process."""
    run = importlib.import_module(f"tests.fuzz.{kind}").run
    found = run(count) if count else run()
    print(FOUND + json.dumps({"memory_mb": peak_memory()} | found, default=str), flush=True)


def run_apart(kind, count):
    """What one kind found, a dict; where its process died, `aborts` is 1 and little else is known."""
    command = [sys.executable, "-m", "tests.fuzz", kind, "--here", "--cases", str(count or 0)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith(FOUND)]
    if lines:
        found = json.loads(lines[-1].removeprefix(FOUND))
        return found | {"aborts": found.get("aborts", 0) + int(done.returncode < 0)}
    return {"aborts": 1, "told": [f"ended with {done.returncode}: {(done.stderr.strip().splitlines() or [''])[-1]}"]}


def table(results):
    """One line for each kind."""
    heads = (
        "kind",
        "tried",
        "refused in one line",
        "read right",
        "tracebacks",
        "wrong",
        "aborts",
        "slowest s",
        "memory MB",
    )
    rows = [heads]
    for kind, found in results.items():
        numbers = [f"{found[name]:,}" if name in found else "" for name in COLUMNS]
        slowest, memory = (found.get(name, float("nan")) for name in ("slowest_s", "memory_mb"))
        rows.append((kind, *numbers, str(found["aborts"]), f"{slowest:.1f}", f"{memory:,.0f}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def bad(found):
    """Whether something came of it that must not be: a traceback, a wrong answer, an abort, too much time or memory."""
    too_much = found.get("slowest_s", 0) > SECONDS or found.get("memory_mb", 0) > MEGABYTES
    return bool(found.get("tracebacks") or found.get("wrong") or found["aborts"] or too_much)


def main(arguments=None):
    """Run the command; returns the exit code, 1 where something was read wrongly or ended in a traceback or an abort."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(COUNTS)} (all)")
    parser.add_argument("--cases", type=int, help="how many of each kind")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.kinds) - set(COUNTS)):
        parser.error(f"there is no kind {unknown[0]}: choose of {', '.join(COUNTS)}")
    if options.here:
        run_here(options.kinds[0], options.cases)
        return 0
    results = {}
    for kind in options.kinds or COUNTS:
        if importlib.util.find_spec(f"tests.fuzz.{kind}") is None:
            print(f"{kind}: no module tests/fuzz/{kind}.py yet", flush=True)
            continue
        print(f"{kind} ...", flush=True)
        results[kind] = run_apart(kind, options.cases or COUNTS[kind])
        for text in results[kind].get("told", [])[:20]:
            print(f"  {text}")
    print(table(results))
    return int(any(map(bad, results.values())))


if __name__ == "__main__":
    sys.exit(main())

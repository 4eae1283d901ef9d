"""Throw valid and broken input at a reader and print what came of it.

    python -m tests.fuzz films --cases 10000 --seed 0

Exit code 1 where a traceback, a wrong answer, or more than 5 seconds or 1.5 GB was met.
"""

import argparse
import importlib
import importlib.util
import sys

PARTS = ("films", "tables", "weights", "server")
SECONDS, MEGABYTES = 5.0, 1536.0


def main(arguments=None):
    there = [name for name in PARTS if importlib.util.find_spec(f"tests.fuzz.{name}")]
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"some of {', '.join(there)}; by default all")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.parts) - set(there)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}: choose from {', '.join(there)}")
    print(f"{'':10}{'tried':>8}{'refused':>9}{'read':>7}{'tracebacks':>12}{'wrong':>7}{'slowest':>10}{'memory':>10}")
    failed = False
    for name in chosen.parts or there:
        row = importlib.import_module(f"tests.fuzz.{name}").run(chosen.cases, seed=chosen.seed)
        print(
            f"{name:10}{row['tried']:8,}{row['refused']:9,}{row['read']:7,}{row['tracebacks']:12,}{row['wrong']:7,}"
            f"{row['slowest']:8.2f} s{row['megabytes']:7,.0f} MB"
        )
        print("".join(f"  {example[:300]}\n" for example in row["examples"][:20]), end="")
        failed |= bool(row["tracebacks"] or row["wrong"] or row["slowest"] > SECONDS or row["megabytes"] > MEGABYTES)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

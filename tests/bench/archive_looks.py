"""Bench of archives: what a plan for a million films is made of, and looks at many rows."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench import peer, row

FILMS = 500
ROWS = (50_000, 200_000)  # of archives that are looked at
SCORE = """
import time
from util.archive.block import Recipe
from util.archive.run import score_archive
from util.course.run import peak_memory
started = time.perf_counter()
done = score_archive({source!r}, {out!r}, Recipe("phantom"))
print(done.scored, time.perf_counter() - started, peak_memory())
"""
LOOK = """
import time
from pathlib import Path
from tests.helpers.archives_of_scores import labels_of, simulated_rows, write_archive
from util.archive.drift import drift_report
from util.archive.report import auc_report
from util.course.run import peak_memory
folder, rows, what = Path({folder!r}), {rows}, {what!r}
if what == "write":
    table = simulated_rows(rows, rows // 3)
    write_archive(folder / "archive", table, films=1000)
    labels_of(table).to_parquet(folder / "labels")
else:
    import pandas as pd
    labels = pd.read_parquet(folder / "labels") if what == "report" else None
    started = time.perf_counter()
    auc_report(folder / "archive", labels) if what == "report" else drift_report(folder / "archive", folder / "archive")
    print(time.perf_counter() - started, peak_memory())
"""


def bench():
    """Cost of a film of the embedded ones; then looks at archives of simulated rows."""
    if peer("pyarrow") is None:
        return
    cost()
    looks()


def cost(count=FILMS):
    """Seconds of one core and bytes for each film, with the embedded network."""
    with tempfile.TemporaryDirectory() as folder:
        out, before = Path(folder) / "out", cpu()
        scored, _, _ = numbers(SCORE.format(source=str(films(Path(folder) / "films", count)), out=str(out)))
        row("archive: seconds of one core for each film", f"{(cpu() - before) / scored:.3f}", f"{scored:,.0f} films")
        size = sum(path.stat().st_size for path in out.glob("part-*"))
        row("archive: bytes of the parts for each film", f"{size / scored:,.0f}")


def cpu():
    """Seconds of one core that processes of this one have taken so far."""
    times = os.times()
    return times.children_user + times.children_system


def films(folder, count):
    """A folder of so many links to the embedded films."""
    from util.data.cohort import PHANTOM

    paths = sorted((PHANTOM / "films").iterdir())
    folder.mkdir()
    for number in range(count):
        path = paths[number % len(paths)]
        (folder / f"{number:06}{path.suffix}").symlink_to(path)
    return folder


def looks(sizes=ROWS):
    """AUCs and drift of archives of two sizes: seconds, and what memory grows by."""
    peaks = {}
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            numbers(LOOK.format(folder=folder, rows=rows, what="write"))
            for what in ("report", "drift"):
                taken, peak = numbers(LOOK.format(folder=folder, rows=rows, what=what))
                row(f"{what} of {rows:,} rows: seconds", f"{taken:.1f}", f"{peak:,.0f} MB at the peak")
                peaks.setdefault(what, []).append(peak)
    for what, (less, more) in peaks.items():
        row(f"  {what}: bytes for each film more", f"{(more - less) * 1e6 / (sizes[1] - sizes[0]):.0f}")


def numbers(code):
    """What a process prints last, as floats."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.splitlines()[-1].split()]

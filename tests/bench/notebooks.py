"""Bench of the notebooks."""

import tempfile
from pathlib import Path

from tests.bench import row


def bench():
    """Seconds and peak memory of each notebook on the phantom cohort."""
    from util.course.run import notebooks, run_notebook

    with tempfile.TemporaryDirectory() as folder:
        for path in notebooks():
            result = run_notebook(path, Path(folder), {"COURSE_BATCH": "1", "COHORT": "phantom"})
            row(f"notebook {result.name}: seconds", f"{result.seconds:.0f}", "limit 90")
            row(f"notebook {result.name}: peak MB", f"{result.megabytes:,.0f}", "limit 1,800")

"""Bench of the label table."""

import tempfile
from pathlib import Path

import numpy as np

from tests.bench import row, seconds


def bench():
    """Reading the label table, in the size of the real one, against pandas reading the same file as it is."""
    import pandas as pd

    from util.data import nih
    from util.findings import FINDINGS

    rng, n = np.random.default_rng(0), 112_120
    table = pd.DataFrame(
        {
            "Image Index": [f"{i:08d}_000.png" for i in range(n)],
            "Finding Labels": rng.choice(["No Finding", "Mass", "Effusion|Edema", *FINDINGS], n),
            "Follow-up #": 0,
            "Patient ID": np.arange(n),
            "Patient Age": rng.integers(0, 95, n),
            "Patient Gender": rng.choice(["M", "F"], n),
            "View Position": rng.choice(["PA", "AP"], n),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "Data_Entry_2017_v2020.csv"
        table.to_csv(path, index=False)
        plain = seconds(lambda: pd.read_csv(path))
        ours = seconds(lambda: nih.read_labels(path))
    row("label table of 112,120 rows: seconds", f"{ours:.2f}", f"{ours / plain:.1f} x pandas.read_csv; limit 2 s")

"""`make bench`: seconds and memory, as ratios against a peer measured in the same run. Never part of the tests.

python -m tests.bench            all rows
python -m tests.bench predict    rows of one part
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

FILMS = 64


def row(what, value, peer=""):
    """Print one row of the table."""
    print(f"{what:62} {value:>14}  {peer}", flush=True)


def bench_notebooks():
    """Seconds and peak memory of each notebook on the phantom cohort."""
    from util.course import notebooks, run_notebook

    with tempfile.TemporaryDirectory() as folder:
        for path in notebooks():
            result = run_notebook(path, Path(folder), {"COURSE_BATCH": "1", "COHORT": "phantom"})
            row(f"notebook {result.name}: seconds", f"{result.seconds:.0f}", "limit 90")
            row(f"notebook {result.name}: peak MB", f"{result.megabytes:,.0f}", "limit 1,800")


def bench_tables():
    """Reading the label table, in the size of the real one, against pandas reading the same file as it is."""
    import pandas as pd

    from util import nih
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


def bench_predict():
    """Films per second from file to logits, 320-pixel JPEG and 1,024-pixel PNG, against the bare forward pass."""
    from PIL import Image

    from util.cohort import Cohort, load_cohort
    from util.model import BATCH_SIZE, predict, predict_films
    from util.weights import load_pretrained

    phantom = load_cohort("phantom")
    pretrained = load_pretrained(check=False)
    images = list(phantom.split("test")["Image"][:FILMS])
    ready = np.stack([pretrained.preprocessing(phantom.read(image)) for image in images[:BATCH_SIZE]])
    predict_films(pretrained.model, ready)  # compiles

    def bare():
        for _ in range(FILMS // BATCH_SIZE):
            predict_films(pretrained.model, ready)

    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for image in images:
            paths[image] = Path(folder) / f"{Path(image).stem}.png"
            large = Image.fromarray(phantom.read(image)).resize((1024, 1024), Image.Resampling.BICUBIC)
            large.save(paths[image])
        png = Cohort("phantom", phantom.films, phantom.boxes, paths=paths)
        forward = best(bare)
        for name, cohort in (("320-pixel JPEG", phantom), ("1,024-pixel PNG", png)):
            taken = best(lambda cohort=cohort: predict(pretrained, cohort, images))
            row(
                f"{name} to logits: films per second",
                f"{FILMS / taken:.2f}",
                f"{forward / taken:.2f} of the bare forward pass",
            )
    row("bare forward pass: films per second", f"{FILMS / forward:.2f}")


def seconds(work):
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def best(work, rounds=2):
    """Least wall time of some calls: other work on the machine can only add."""
    return min(seconds(work) for _ in range(rounds))


PARTS = {"tables": bench_tables, "predict": bench_predict, "notebooks": bench_notebooks}


def main(names):
    """Run the named parts, or all."""
    unknown = set(names) - set(PARTS)
    if unknown:
        print(f"No part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    os.environ["COURSE_BATCH"] = "1"
    print(f"{os.cpu_count()} cores. Ratios are against a peer measured in this same run.")
    for name in names or PARTS:
        PARTS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

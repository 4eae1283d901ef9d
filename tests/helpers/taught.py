"""What a cell of a notebook defines."""

import json

import numpy as np
import pandas as pd

from util.data.cohort import HOME
from util.findings import FINDINGS


def taught(notebook, cell_id, **more):
    """Names that a cell defines when it is executed by itself, with numpy, pandas and `more` at hand: dict."""
    cells = json.loads((HOME / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    source = "".join(next(cell["source"] for cell in cells if cell["id"] == cell_id))
    names = {"np": np, "pd": pd, "FINDINGS": FINDINGS, **more}
    exec(source, names)
    return names

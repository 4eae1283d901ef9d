"""Films with a bright square where the first finding is."""

import numpy as np
import pandas as pd

from util.findings import FINDINGS
from util.training.real_films import RealFilms


def films(n=24, size=64):
    """Films with a bright square where the first finding is, of two films a patient."""
    rng = np.random.default_rng(0)
    labels = np.zeros((n, 14), int)
    labels[:, 0] = np.arange(n) % 2
    labels[:, 1:] = rng.random((n, 13)) < 0.3
    pixels = rng.integers(0, 60, (n, size, size)).astype(np.uint8)
    pixels[labels[:, 0] == 1, 4:28, 4:28] = 220
    table = pd.DataFrame(labels, columns=list(FINDINGS)).assign(
        Image=[f"{i}.png" for i in range(n)], PatientId=np.arange(n) // 2, Age=50.0, Sex="F", View="PA", Folder=0
    )
    boxes = pd.DataFrame({"Image": ["1.png", "3.png"], "finding": FINDINGS[0]}).assign(
        x=4 / 64, y=4 / 64, w=24 / 64, h=24 / 64
    )
    return RealFilms(table, np.ones((n, 14), bool), pixels, boxes)

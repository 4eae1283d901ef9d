"""Bench of the prediction."""

import tempfile
from pathlib import Path

import numpy as np

from tests.bench import best, row

FILMS = 64


def bench():
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

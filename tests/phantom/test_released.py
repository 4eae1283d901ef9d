"""The embedded cohort can be drawn again: today's renderer gives the released tables, films, masks and boxes."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from util.data import outlines
from util.data.cohort import PHANTOM
from util.findings import FINDINGS
from util.phantom import embedded, films
from util.phantom.render import boxes

RECIPE = json.loads((PHANTOM / "cohort.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def table():
    return embedded.sample_cohort(RECIPE["sizes"], RECIPE["seed"], RECIPE["enriched"], RECIPE["confounding"])


def test_tables_are_the_released_ones(table):
    released, truth = pd.read_csv(PHANTOM / "films.csv"), pd.read_csv(PHANTOM / "truth.csv")
    assert RECIPE["generator_version"] == embedded.GENERATOR_VERSION
    assert np.array_equal(
        table[["Image", "PatientId", "Age", "Split"]], released[["Image", "PatientId", "Age", "Split"]]
    )
    assert np.array_equal(table[embedded.MINED], released[list(FINDINGS)])
    assert np.array_equal(table[list(FINDINGS)], truth[list(FINDINGS)])


def test_films_masks_and_boxes_are_the_released_ones(table):
    coded = pd.read_csv(PHANTOM / "masks.csv.gz").set_index(["Image", "finding"])["rle"]
    boxed = pd.read_csv(PHANTOM / "boxes.csv")
    rows = [row for row in table.iloc[::50].to_dict("records") if row["Exposure"] == row["FollowUp"]]
    compared = 0
    for row in rows:
        film = films.draw(row, embedded.root_seed(RECIPE["seed"], "cohort"), RECIPE["size"])
        released = np.asarray(Image.open(PHANTOM / "films" / row["Image"])).astype(float)
        again = np.asarray(Image.open(io.BytesIO(embedded.encode(film.pixels, RECIPE["quality"]))))
        assert np.abs(again - released).mean() < 0.75  # the noise of another exposure would make it more than 1
        blocks = (again - released).reshape(20, 16, 20, 16).mean(axis=(1, 3))
        assert np.abs(blocks).max() < 4  # gray levels; nothing as small as a gas bubble is missing or elsewhere
        for finding in FINDINGS:
            old = outlines.decode(coded.get((row["Image"], finding), ""), released.shape)
            new = film.masks.get(finding, np.zeros_like(old))
            assert (old ^ new).sum() <= 0.02 * (old | new).sum()
            before = boxed[(boxed["Image"] == row["Image"]) & (boxed["finding"] == finding)]
            before, after = sorted(before[["x", "y", "w", "h"]].to_numpy().tolist()), sorted(map(list, boxes(new)))
            assert len(before) == len(after)
            assert np.abs(np.array(before) - np.array(after)).max(initial=0) <= 3
            compared += bool(before)
    assert compared >= 8

"""Drawing many films: batches for the processes, and room on the disk."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from util.errors import CourseError
from util.phantom import films, shards


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(1, 20))
def test_batches_keep_the_order_and_part_no_patient(counts, least):
    rows = [{"PatientId": patient, "FollowUp": k} for patient, count in enumerate(counts) for k in range(count)]
    batches = list(films._batches(iter(rows), least))
    assert [row for batch in batches for row in batch] == rows
    assert all(len(batch) >= least for batch in batches[:-1])
    assert all(before[-1]["PatientId"] != after[0]["PatientId"] for before, after in pairwise(batches))


def test_rows_are_made_as_they_are_needed():
    table = pd.DataFrame({"PatientId": np.arange(2500), "View": "PA"})
    rows = films._rows(table)
    assert next(rows) == {"PatientId": 0, "View": "PA"}
    assert [row["PatientId"] for row in rows] == list(range(1, 2500))


def test_a_disk_that_is_too_full_is_told_beforehand(tmp_path, monkeypatch):
    monkeypatch.setattr(films, "draw", None)  # nothing is drawn
    monkeypatch.setattr(shards.shutil, "disk_usage", lambda path: SimpleNamespace(free=17_999_999))
    # 1,000 films of 128 x 128 bytes, and 16 x 16 places for 14 findings
    with pytest.raises(CourseError, match=r"1,000 films of 128 x 128 pixels take 20 MB.*18 MB left; make room"):
        shards.render_shards(tmp_path / "shards", 1000, seed=3, size=128, workers=1)
    monkeypatch.setattr(shards.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000 * (128**2 + 256 * 14)))
    with pytest.raises(TypeError):  # now there is room, and drawing begins
        shards.render_shards(tmp_path / "shards", 1000, seed=3, size=128, workers=1)

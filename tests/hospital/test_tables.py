import io

import numpy as np
import pandas as pd

from util.hospital.folder import TABLES, fingerprint_of
from util.hospital.tables import contents_of, csv_bytes, fingerprint, npz_bytes


def test_the_fingerprint_is_of_every_byte_of_the_tables(plans):
    contents = contents_of(plans[0])
    assert list(contents) == list(TABLES)
    prints = {fingerprint_of(contents), *(fingerprint(plan) for plan in plans)}
    assert len(prints) == len(plans)
    for name, content in contents.items():
        for changed in (content + b"\n", content[:-1], content.replace(b"1", b"2", 1)):
            prints.add(fingerprint_of(contents | {name: changed}))
    assert len(prints) == len(plans) + 3 * len(TABLES)
    moved = contents | {"films.csv": contents["films.csv"] + b"x", "scores.csv": contents["scores.csv"][1:]}
    assert fingerprint_of(moved) not in prints


def test_tables_come_back_as_they_were(plans):
    contents = contents_of(plans[1])
    for name, table in zip(TABLES, (plans[1].films, plans[1].scores, plans[1].reread, plans[1].claims), strict=True):
        read = pd.read_csv(io.BytesIO(contents[name]), keep_default_na=False)
        pd.testing.assert_frame_equal(read, table, check_dtype=False, check_exact=True)


def test_line_ends_are_those_of_unix_everywhere():
    assert csv_bytes(pd.DataFrame({"a": [1, 2]})) == b"a\n1\n2\n"


def test_arrays_come_back_and_their_file_has_no_time():
    arrays = {"names": np.array(["a", "bc"]), "maps": np.arange(12, dtype=np.uint8).reshape(3, 2, 2)}
    content = npz_bytes(arrays)
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        assert set(stored) == set(arrays)
        assert all(np.array_equal(stored[name], arrays[name]) for name in arrays)
    assert content == npz_bytes(arrays)

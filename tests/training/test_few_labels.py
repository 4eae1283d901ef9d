"""The few-label test: lists are read and checked, films matched by name, and our row put among the published ones."""

import numpy as np
import pandas as pd
import pytest

from util.data.cohort import Cohort
from util.errors import CourseError
from util.findings import FINDINGS
from util.training import few_labels
from util.training.few_labels import FILMS, LISTED, LISTS, listed_films, main, read_list, report


def films(n=60, seed=0):
    rng = np.random.default_rng(seed)
    labels = pd.DataFrame((rng.random((n, 14)) < 0.4).astype(int), columns=list(FINDINGS))
    return labels.assign(Image=[f"{i:08d}_000.png" for i in range(n)], PatientId=np.arange(n))


def line(row):
    return " ".join([row["Image"], *(str(row[finding]) for finding in LISTED)])


def test_the_lists_are_those_of_the_paper():
    assert sorted(LISTED) == sorted(FINDINGS)
    assert {p: r.bytes for p, r in LISTS.items()} == {1: 35_325, 10: 353_115}
    assert all(len(url.url.split("/")[5]) == 40 for url in LISTS.values())


def test_a_list_is_read_with_and_without_labels(tmp_path):
    table = films(5)
    (tmp_path / "l.txt").write_text("\n".join(line(row) for _, row in table.iterrows()) + "\n")
    names, labels = read_list(tmp_path / "l.txt")
    assert names == table["Image"].tolist() and np.array_equal(labels, table[list(LISTED)])
    (tmp_path / "n.txt").write_text("a.png\nb.png\n\n")
    assert read_list(tmp_path / "n.txt") == (["a.png", "b.png"], None)


@pytest.mark.parametrize("text", ["", "a.png 0 1\n", "a.png " + "0 " * 13 + "2\n", "a.png\na.png\n"])
def test_what_is_no_list_is_refused(tmp_path, text):
    (tmp_path / "l.txt").write_text(text)
    with pytest.raises(CourseError, match=r"no list of films|stands twice"):
        read_list(tmp_path / "l.txt")
    with pytest.raises(CourseError, match="cannot be read"):
        read_list(tmp_path / "none.txt")


def test_films_come_in_the_order_of_the_list_and_other_labels_are_noticed():
    table = films(6)
    cohort = Cohort("nih", table, pd.DataFrame())
    names = table["Image"].tolist()[::-1]
    rows = listed_films(cohort, names, table[list(LISTED)].to_numpy()[::-1])
    assert rows["Image"].tolist() == names
    with pytest.raises(CourseError, match="other labels"):
        listed_films(cohort, names, table[list(LISTED)].to_numpy())
    with pytest.raises(CourseError, match=r"1 of 2 listed films are not on disk, x\.png"):
        listed_films(cohort, ["x.png", names[0]])


def test_our_row_stands_where_it_belongs():
    table = films(400)
    noise = np.random.default_rng(1).normal(size=(400, 14))
    logits = pd.DataFrame(noise + 0.95 * table[list(FINDINGS)].to_numpy(), index=table["Image"], columns=list(FINDINGS))
    text = report(table, logits, 1, 3)
    order = [row.split("|")[1].strip() for row in text.splitlines() if row.startswith("| ") and "start" not in row]
    assert order.index("ImageNet") < order.index("**phantom (simulated films)**") < order.index("MedKLIP (reports)")
    assert "400 test films; 3 of them" in text


def test_the_whole_test_on_a_small_stand_in(nih_files, tmp_path, monkeypatch, capsys):
    """Training is replaced; lists, films, matching, reading and the report are the real ones."""
    names = [f"{i:08d}_000.png" for i in range(1, 25)]
    nih_files.labels(*((n, "Mass" if i % 2 else "No Finding", 0, i + 1) for i, n in enumerate(names)))
    for name in names:
        nih_files.film(name)
    (tmp_path / "train.txt").write_text("\n".join(names[:4]))
    (tmp_path / "test.txt").write_text("\n".join(names[4:]))
    monkeypatch.setattr(few_labels, "learn", lambda cohort, rows, out: {"of": rows["PatientId"].to_numpy(np.float32)})

    def read_all(cohort, images, arrays, size):
        assert arrays["of"].tolist() == [1, 2, 3, 4] and cohort.read(images[0]).ndim == 2
        score = np.tile([[i % 2] for i in range(len(images))], 14).astype(float)
        return pd.DataFrame(score, index=list(images), columns=list(FINDINGS))

    monkeypatch.setattr(few_labels, "read_all", read_all)
    command = [str(nih_files.root), "--train", str(tmp_path / "train.txt"), "--out", str(tmp_path / "out")]
    assert main([*command, "--test", str(tmp_path / "test.txt")]) == 0
    text = capsys.readouterr().out
    assert "20 test films; 0 of them" in text and f"{FILMS[1]} films (1 %)" in text
    assert len(pd.read_csv(tmp_path / "out" / "few-1_logits.csv")) == 20
    assert main([*command, "--test", str(tmp_path / "train.txt")]) == 2
    assert "4 films are in both lists" in capsys.readouterr().err

"""Looks at an archive, where pyarrow is: AUCs, copies, leaks, drift and features against what reads films or holds all rows."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

from tests.helpers.archives_of_scores import labels_of, simulated_rows, write_archive
from util.archive import audit as archive_audit
from util.archive import columns, drift, look, report
from util.archive.columns import names_at
from util.archive.features import write_embeddings
from util.archive.reader import hashed
from util.data.film_hash import hash_if_any
from util.errors import CourseError
from util.findings import FINDINGS
from util.leaks.audit import audit
from util.leaks.near_duplicates import SURE, near_duplicates
from util.metrics.auc_tables import auc_table
from util.models.embeddings import read_embeddings

# ---- AUCs -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows():
    return simulated_rows()


@pytest.fixture(scope="module")
def archive(rows, tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("archive") / "out", rows)


def logits(rows):
    return rows.set_index("name")[[f"logit_{f}" for f in FINDINGS]].set_axis(list(FINDINGS), axis=1)


def test_the_aucs_are_those_of_the_table_in_memory(rows, archive):
    labels = labels_of(rows).sample(frac=1, random_state=1)  # in another order
    labels.loc[labels["Hernia"] == 1, "Hernia"] = (np.arange((labels["Hernia"] == 1).sum()) < 3).astype(int)
    found = report.auc_report(archive, labels)
    wanted = auc_table(labels, logits(rows), by_patient=True, rounds=0)
    assert "too few" in found.loc["Hernia", "note"]
    pd.testing.assert_frame_equal(found, wanted[list(found)], check_exact=False, rtol=1e-12)


def test_films_without_labels_and_films_that_are_known_are_left_out(rows, archive):
    labels = labels_of(rows)
    found = report.auc_report(archive, labels.iloc[:300], known=set(labels["Image"][:50]))
    wanted = auc_table(labels.iloc[50:300], logits(rows), by_patient=True, rounds=0)
    pd.testing.assert_frame_equal(found, wanted[list(found)], check_exact=False, rtol=1e-12)


def test_hashed_names_are_matched_by_their_salt(rows, tmp_path):
    salt = b"0123456789abcdef"
    write_archive(tmp_path / "out", rows.assign(name=[hashed(name, salt) for name in rows["name"]]))
    labels = labels_of(rows)
    wanted = auc_table(labels, logits(rows), by_patient=True, rounds=0)["auc"]
    assert report.auc_report(tmp_path / "out", labels, salt)["auc"].to_numpy() == pytest.approx(wanted.to_numpy())
    with pytest.raises(CourseError, match="name the salt"):
        report.auc_report(tmp_path / "out", labels)


def test_what_cannot_be_judged_is_one_sentence(rows, archive):
    labels = labels_of(rows)
    with pytest.raises(CourseError, match="is in the table twice"):
        report.auc_report(archive, pd.concat([labels, labels.iloc[:1]]))
    with pytest.raises(CourseError, match="No film of"):
        report.auc_report(archive, labels.assign(Image="other"[:5] + labels["Image"]))
    with pytest.raises(CourseError, match="No film of"):
        report.auc_report(archive, labels.iloc[:0])
    with pytest.raises(CourseError, match="0 films of"):
        report.auc_report(archive, labels, known=set(labels["Image"]))


def test_columns_are_those_of_the_rows(rows, archive):
    order = {name: place for place, name in columns.names_at(archive, range(len(rows))).items()}
    there = np.argsort([order[name] for name in rows["name"]])
    assert columns.read_column(archive, "gray_sd") == pytest.approx(rows["gray_sd"].to_numpy()[there], rel=1e-6)
    assert columns.read_texts(archive, "view", "AP").tolist() == (rows["view"] == "AP").to_numpy()[there].tolist()
    who, unknown = columns.read_patients(archive)
    assert unknown == 0 and len(np.unique(who)) == rows["patient"].nunique()
    hashes, places = columns.read_hashes(archive)
    assert places.tolist() == list(range(len(rows)))
    assert hashes[:, 2].tolist() == rows["hash_2"].to_numpy()[there].tolist()


def test_films_without_a_hash_or_a_patient_keep_their_places(rows, tmp_path):
    some = rows.iloc[:6].astype({f"hash_{k}": object for k in range(4)})
    for k in range(4):
        some[f"hash_{k}"] = [None if i == 2 else int(v) for i, v in enumerate(some[f"hash_{k}"])]
    some["patient"] = [None, None, "a", "a", None, "b"]
    write_archive(tmp_path / "out", some, films=6)
    _, places = columns.read_hashes(tmp_path / "out")
    who, unknown = columns.read_patients(tmp_path / "out")
    assert places.tolist() == [0, 1, 3, 4, 5] and unknown == 3
    assert len(np.unique(who)) == 5 and who[2] == who[3]


# ---- copies and leaks ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cohort(phantom_cohort):
    """A part of the embedded films: 30 copies, what they copy, and 250 others."""
    pairs, films = phantom_cohort.duplicates.tail(30), phantom_cohort.films
    some = {*pairs["Image"], *pairs["NearDuplicateOf"], *films["Image"].sample(250, random_state=0)}
    return replace(phantom_cohort, films=films[films["Image"].isin(some)].reset_index(drop=True))


@pytest.fixture(scope="module")
def hashed_films(cohort, tmp_path_factory):
    """Their hashes."""
    words = [hash_if_any(cohort.read(image)) for image in cohort.films["Image"]]
    rows = pd.DataFrame({"name": cohort.films["Image"]})
    for k in range(4):
        rows[f"hash_{k}"] = [int(word[k]) for word in words]
    return write_archive(tmp_path_factory.mktemp("archive") / "out", rows, films=70)


def test_the_copies_are_those_of_the_search_that_reads_the_films(cohort, hashed_films):
    wanted = near_duplicates(cohort)
    found = archive_audit.copies_in(hashed_films, cohort)
    assert sorted(map(sorted, found[["Image", "Other"]].to_numpy())) == sorted(
        map(sorted, wanted[["Image", "Other"]].to_numpy())
    )
    assert sorted(found["bits"]) == sorted(wanted["bits"]) and found.attrs["doubtful"] == 0


def test_without_films_only_sure_pairs_are_named(cohort, hashed_films):
    wanted = near_duplicates(cohort)
    found = archive_audit.copies_in(hashed_films)
    sure = wanted[wanted["bits"] <= SURE]
    assert sorted(map(sorted, found[["Image", "Other"]].to_numpy())) == sorted(
        map(sorted, sure[["Image", "Other"]].to_numpy())
    )
    assert found.attrs["doubtful"] >= len(wanted) - len(sure) and found["bits"].is_monotonic_increasing


def test_looks_are_limited_and_what_nobody_looked_at_is_counted(cohort, hashed_films, monkeypatch):
    all_of_them = archive_audit.copies_in(hashed_films)
    monkeypatch.setattr(archive_audit, "MOST_LOOKS", 1)
    found = archive_audit.copies_in(hashed_films, cohort)
    assert found.attrs["doubtful"] == all_of_them.attrs["doubtful"] - 1


def test_the_verdicts_are_those_of_the_audit_of_the_films(cohort, hashed_films):
    wanted, found = audit(cohort), archive_audit.audit_archive(hashed_films, cohort)
    assert str(found) == str(wanted) and "near-duplicates" in str(found)


def test_films_that_show_nothing_are_named(cohort, tmp_path):
    images = list(cohort.films["Image"][:3])
    rows = pd.DataFrame({"name": images})
    for k in range(4):
        rows[f"hash_{k}"] = pd.Series([7 + k, None, int(np.uint64(2**63) + np.uint64(k))], dtype=object)
    found = archive_audit.copies_in(write_archive(tmp_path / "out", rows), cohort)
    assert found.attrs["plain"] == (images[1],)


# ---- drift and features ---------------------------------------------------------------------------------------------------


def test_two_archives(tmp_path):
    before = write_archive(tmp_path / "before", simulated_rows(600, seed=1))
    after = simulated_rows(600, seed=2)
    after["view"] = np.where(np.arange(600) % 10 == 0, "PA", "AP")
    after["gray_mean"] += 3
    table = drift.drift_report(before, write_archive(tmp_path / "after", after))
    assert set(table["what"][table["alarm"]]) == {
        "share of view PA",
        "share of view AP",
        "gray_mean",
        "gray_mean, spread",
    }
    ap = table.set_index("what").loc["share of view AP"]
    assert ap["now"] == pytest.approx(0.9) and ap["distance"] == pytest.approx(0.5 + (ap["now"] - ap["reference"]) / 2)
    assert table.attrs["unknown"] == 0
    same = drift.drift_report(before, before)
    assert not same["alarm"].any() and same["distance"].to_numpy() == pytest.approx(0.5)


def test_archives_that_cannot_be_compared_are_one_sentence(tmp_path):
    one = write_archive(tmp_path / "one", simulated_rows(60))
    few = write_archive(tmp_path / "few", simulated_rows(60, patients=5))
    with pytest.raises(CourseError, match="differ in sha256"):
        drift.drift_report(one, write_archive(tmp_path / "other", simulated_rows(60), sha256="1" * 64))
    with pytest.raises(CourseError, match="5 patients"):
        drift.drift_report(one, few)
    with pytest.raises(CourseError, match="between 0 and 1"):
        drift.drift_report(one, one, alarms=1)


def test_a_probe_reads_what_the_archive_holds(tmp_path):
    rows, features = simulated_rows(130), np.random.default_rng(0).normal(size=(130, 9)).astype(np.float32)
    rows.loc[3, "name"] = "ä longer name.png"
    archive = write_archive(tmp_path / "out", rows, features=features)
    assert write_embeddings(archive, tmp_path / "embeddings.npz") == 130
    with np.load(tmp_path / "embeddings.npz", allow_pickle=False) as kept:
        assert kept["vectors"].dtype == np.float32 and str(kept["model"]) == "stub (000000000000)"
        order = {name: k for k, name in enumerate(rows["name"])}
        assert kept["names"].tolist() == list(names_at(archive, range(130)).values())
        assert np.array_equal(kept["vectors"], features[[order[name] for name in kept["names"]]])
    model, vectors = read_embeddings(tmp_path / "embeddings.npz")
    assert model.startswith("stub") and vectors.shape == (130, 9)


def test_an_archive_without_features_is_one_sentence(tmp_path):
    archive = write_archive(tmp_path / "out", simulated_rows(5))
    with pytest.raises(CourseError, match="holds no features"):
        write_embeddings(archive, tmp_path / "embeddings.npz")
    empty = write_archive(tmp_path / "empty", simulated_rows(5).iloc[:0], features=np.zeros((0, 3), np.float32))
    with pytest.raises(CourseError, match="No film"):
        write_embeddings(empty, tmp_path / "embeddings.npz")


# ---- the command ------------------------------------------------------------------------------------------------------


def test_the_command_looks_at_everything(archive, hashed_films, tmp_path, capsys):
    assert look.main([str(hashed_films), "copies", "--out", str(tmp_path / "copies.csv")]) == 0
    assert "pairs of films are one exposure" in capsys.readouterr().out
    assert list(pd.read_csv(tmp_path / "copies.csv")) == ["Image", "Other", "bits", "correlation"]
    assert look.main([str(archive), "drift", "--reference", str(archive)]) == 0
    assert "0 of 50 numbers have changed" in capsys.readouterr().out


def test_the_command_reports_and_audits_against_the_labels_of_a_cohort(phantom_cohort, tmp_path, capsys):
    table = simulated_rows(300).assign(name=phantom_cohort.films["Image"][:300].to_numpy())
    table.loc[:0, ["hash_0", "hash_1", "hash_2", "hash_3"]] = None
    archive = write_archive(tmp_path / "out", table)
    assert look.main([str(archive), "report", "--cohort", "phantom", "--out", str(tmp_path / "aucs.csv")]) == 0
    shown = capsys.readouterr().out
    assert "unknown" in shown and "Not for clinical use" in shown
    films = phantom_cohort.films[:300]
    wanted = auc_table(films, logits(table), by_patient=True, rounds=0)
    assert pd.read_csv(tmp_path / "aucs.csv", index_col=0)["auc"].to_numpy() == pytest.approx(
        wanted["auc"].to_numpy(), nan_ok=True
    )
    assert look.main([str(archive), "audit", "--cohort", "phantom"]) == 0
    assert "patients " in (shown := capsys.readouterr().out) and "one gray" in shown


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["drift"], "name an older archive with --reference"),
        (["features"], "holds no features"),
        (["report", "--cohort", "phantom", "--salt", "nowhere"], "is not a salt"),
    ],
)
def test_a_mistake_is_one_sentence(archive, capsys, words, sentence):
    assert look.main([str(archive), *words]) == 2
    assert sentence in capsys.readouterr().err


def test_a_folder_that_is_no_archive_is_one_sentence(tmp_path, capsys):
    assert look.main([str(tmp_path), "copies"]) == 2
    assert "is not an archive of scores" in capsys.readouterr().err

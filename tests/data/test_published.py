"""Published predictions: found, verified, fetched whole or not at all; the study they make; what they reproduce."""

import hashlib
from dataclasses import replace
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from util.data import published
from util.data.cohort import load_cohort
from util.errors import CourseError
from util.findings import FINDINGS
from util.metrics import auc_intervals, auc_tables, bootstrap, comparison, roc, subgroups
from util.metrics.proportions import wilson_interval
from util.models import study

IMAGES = [f"{patient:08d}_{k:03d}.png" for patient in range(1, 13) for k in range(2)]


def predictions_like(images=IMAGES):
    """A file of the published one's structure: other films, other numbers."""
    p = np.random.default_rng(0).uniform(0.001, 0.9, (len(images), 14))
    p[0, 0], p[1, 0] = 0.0, 1.0  # float32 rounds sure answers to the ends
    columns = [f"prob_{finding}" for finding in reversed(FINDINGS)]
    return pd.DataFrame(p, pd.Index(images, name="Image Index"), columns).to_csv().encode()


@pytest.fixture
def release(monkeypatch):
    """Bytes that stand for the published file."""
    data = predictions_like()
    pinned = replace(published.PREDICTIONS, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    monkeypatch.setattr(published, "PREDICTIONS", pinned)
    return data


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Path of the file in a folder that stands for its server; what a server can do wrong is in test_fetch.py."""
    file = tmp_path / "mirror" / urlsplit(published.PREDICTIONS.url).path.lstrip("/")
    file.parent.mkdir(parents=True)
    monkeypatch.setenv("CXR_MIRROR", str(tmp_path / "mirror"))
    return file


def test_nothing_is_found_where_nothing_is(tmp_path):
    assert published.find_predictions(tmp_path) is None
    (tmp_path / "preds.csv").touch()
    assert published.find_predictions(tmp_path) == tmp_path / "preds.csv"


def test_columns_are_named_and_ordered(release, tmp_path):
    path = tmp_path / published.FILE
    path.write_bytes(release)
    table = published.read_predictions(path)
    assert tuple(table.columns) == FINDINGS and table.index.name == "Image" and list(table.index) == IMAGES
    raw = pd.read_csv(path, index_col=0)
    assert (table["Edema"] == raw["prob_Edema"]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1] + b"7", "not the published file"),
        (lambda data: data + b"\n", "not the published file"),
        (lambda data: b"version https://git-lfs", "perhaps a page to log in"),
        (lambda data: b"<html>" + data, "it is a web page"),
    ],
)
def test_another_file_is_refused(release, tmp_path, change, message):
    path = tmp_path / published.FILE
    path.write_bytes(change(release))
    with pytest.raises(CourseError, match=message):
        published.read_predictions(path)


def test_fetched_whole(release, mirror, tmp_path, capsys):
    mirror.write_bytes(release)
    assert published.fetch_predictions(tmp_path).read_bytes() == release
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [published.FILE]
    mirror.unlink()
    assert published.main(["--root", str(tmp_path)]) == 0  # there already: no network is asked
    assert capsys.readouterr().out == f"Verified: {tmp_path / published.FILE}\n"


def test_or_not_at_all(release, mirror, tmp_path):
    with pytest.raises(CourseError, match="is not there"):
        published.fetch_predictions(tmp_path)
    mirror.write_bytes(release[:-100])
    with pytest.raises(CourseError, match="is not the file wanted"):
        published.fetch_predictions(tmp_path)
    with pytest.raises(CourseError, match="There is no folder"):
        published.fetch_predictions(tmp_path / "nowhere")
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_command_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.delenv("CXR_ROOT", raising=False)
    assert published.main([]) == 2
    assert "--root" in capsys.readouterr().err


def test_another_file_in_their_place_stays(release, mirror, tmp_path, capsys):
    mirror.write_bytes(release)
    (tmp_path / published.FILE).write_text("mine")
    assert published.main(["--root", str(tmp_path)]) == 2
    assert "is not the published file (it has 4 bytes in place of" in capsys.readouterr().err
    assert (tmp_path / published.FILE).read_text() == "mine"


def test_halves_of_a_killed_command_are_swept(release, mirror, tmp_path, monkeypatch, capsys):
    mirror.write_bytes(release)
    half, other = (tmp_path / f".{name}-0123456789abcdef.part" for name in (published.FILE, "scores.csv"))
    half.write_text("half")
    other.write_text("somebody else's half")
    assert published.main(["--root", str(tmp_path)]) == 0
    assert other.exists() and not half.exists()

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(published, "find_and_read", stop)
    assert published.main(["--root", str(tmp_path)]) == 130
    assert "the same command starts again" in capsys.readouterr().err


def test_auc_of_every_finding_is_published():
    assert tuple(published.PUBLISHED_AUC) == FINDINGS


# --- The study ------------------------------------------------------------------------------------


def test_study_of_the_phantom(phantom_cohort):
    found = study.load_study(phantom_cohort)
    assert list(found.scores.index) == list(found.films["Image"]) == list(phantom_cohort.split("test")["Image"])
    assert found.test is found.films and found.weighted and found.published is None
    assert list(found.tuning_scores.index) == list(found.tuning["Image"])
    assert not set(found.tuning["PatientId"]) & set(found.test["PatientId"])
    assert "simulated" in found.source


def test_study_of_published_predictions(release, nih_files):
    labels = ["Effusion", "No Finding", "Mass|Edema"]
    others = [f"{patient:08d}_000.png" for patient in range(20, 30)]
    rows = [(image, labels[k % 3], 0, int(image[:8])) for k, image in enumerate([*IMAGES, *others])]
    nih_files.labels(*rows, (f"{1:08d}_009.png", "Mass", 9, 1), packing=".gz")
    nih_files.film(IMAGES[0])
    (nih_files.root / published.FILE).write_bytes(release)
    cohort = nih_files.load()
    found = study.load_study(cohort)
    assert sorted(found.films["Image"]) == IMAGES and list(found.scores.index) == list(found.films["Image"])
    assert found.published is None  # not all of the published films
    assert list(found.films) == list(found.train) == list(cohort.films.drop(columns="Split"))
    patients = [set(part["PatientId"]) for part in (found.tuning, found.test, found.train)]
    assert patients[0] | patients[1] == set(found.films["PatientId"]) and patients[2] == set(range(20, 30))
    assert not patients[0] & patients[1] and 0 < len(patients[0]) < len(patients[1])
    assert np.isfinite(found.scores.to_numpy()).all()
    p = published.read_predictions(nih_files.root / published.FILE)["Edema"].iloc[5]
    assert found.scores.loc[IMAGES[5], "Edema"] == pytest.approx(np.log(p / (1 - p)))
    assert list(found.test_scores.index) == list(found.test["Image"]) and not found.weighted


def test_a_study_is_of_the_cohorts_own_folder(release, nih_files, tmp_path, monkeypatch):
    """Whatever the environment says, and whatever lies in another folder: films and scores are those of the cohort."""
    nih_files.labels(*[(image, "Mass", 0, int(image[:8])) for image in IMAGES])
    nih_files.film(IMAGES[0])
    (nih_files.root / published.FILE).write_bytes(release)
    other = type(nih_files)(tmp_path / "other")
    other.root.mkdir()
    other.labels(*[(image, "Mass", 0, int(image[:8])) for image in IMAGES[:6]])
    other.film(IMAGES[0])
    (other.root / "preds.csv").write_bytes(release)
    bare = type(nih_files)(tmp_path / "bare")
    bare.root.mkdir()
    bare.labels((IMAGES[0],))
    bare.film(IMAGES[0])

    def scored(cohort, split):
        return pd.DataFrame(0.0, cohort.split(split)["Image"], list(FINDINGS))

    monkeypatch.setattr(study, "cohort_scores", scored)
    for name in ("", "nih"):
        for root in ("", str(nih_files.root)):
            monkeypatch.setenv("COHORT", name)
            monkeypatch.setenv("CXR_ROOT", root)
            assert sorted(study.load_study(nih_files.load()).films["Image"]) == IMAGES
            assert sorted(study.load_study(other.load()).films["Image"]) == IMAGES[:6]
            assert len(study.load_study(bare.load()).films) == len(bare.load().split("test")) < 2


def test_study_needs_nihs_labels(release, nih_files):
    nih_files.labels(("x.png",))
    nih_files.film("x.png")
    (nih_files.root / "preds.csv").write_bytes(release)
    with pytest.raises(CourseError, match=r"lists none of the published films, .* remove preds.csv"):
        study.load_study(nih_files.load())
    nih_files.labels((IMAGES[0],), (IMAGES[1],), ("x.png",))
    with pytest.raises(CourseError, match="or those of one patient"):
        study.load_study(nih_files.load())
    cohort = nih_files.load()
    (nih_files.root / "Data_Entry_2017_v2020.csv").unlink()
    with pytest.raises(CourseError, match=r"There is no label file in .* any more"):
        study.load_study(cohort)


def test_rival_knows_age_sex_and_view_alone(phantom_cohort):
    train, films = phantom_cohort.split("train").copy(), phantom_cohort.split("test")
    train["Edema"], train["Hernia"] = (train["View"] == "AP").astype(int), 0
    train.loc[0, "Age"] = np.nan
    scores = study.rival_scores(train, films)
    assert list(scores.index) == list(films["Image"]) and tuple(scores.columns) == FINDINGS
    assert roc_auc_score(films["View"] == "AP", scores["Edema"]) == 1
    assert (scores["Hernia"] == 0).all()
    same = films.groupby(["Age", "Sex", "View"])["Image"].transform("first")
    np.testing.assert_array_equal(scores.loc[films["Image"]], scores.loc[same])


def test_a_rival_of_films_without_age_or_without_films(phantom_cohort):
    films = phantom_cohort.split("test").head(30)
    unknown = phantom_cohort.split("train").assign(Age=np.nan)
    scores = study.rival_scores(unknown, films)
    assert np.isfinite(scores.to_numpy()).all() and roc_auc_score(films["View"] == "AP", scores["Edema"]) > 0.9
    assert (study.rival_scores(unknown.head(0), films) == 0).all(axis=None)
    assert study.rival_scores(unknown, films.head(0)).empty


def test_a_file_that_is_much_larger_is_not_read(tmp_path):
    with (tmp_path / published.FILE).open("wb") as file:
        file.truncate(2**34)
    with pytest.raises(CourseError, match=r"is not the published file \(it is much larger\)"):
        published.read_predictions(tmp_path / published.FILE)
    with pytest.raises(CourseError, match="is no file: get"):
        published.read_predictions(tmp_path)


def test_rival_is_the_logistic_regression_of_all_films(phantom_cohort):
    """Counting films in cells of age, sex and view changes nothing but the time it takes."""
    from sklearn.linear_model import LogisticRegression

    train = phantom_cohort.split("train")
    age, ap = train["Age"].to_numpy(float), (train["View"] == "AP").to_numpy(float)
    features = np.column_stack([age, age**2, ap, train["Sex"] == "F", ap * age])
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    plain = LogisticRegression(C=1e6, max_iter=5_000).fit(features, train["Edema"]).decision_function(features)
    ours = study.rival_scores(train, train)["Edema"]
    assert np.corrcoef(plain, ours)[0, 1] > 0.995


# --- A published evaluation -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(nih_root):
    """The study of github.com/jrzech/reproduce-chexnet with NIH's labels; skips when absent."""
    if published.find_predictions(nih_root) is None:
        pytest.skip(f"{nih_root} lacks the published predictions: python -m util published --root {nih_root}")
    return study.load_study(load_cohort("nih", nih_root))


@pytest.fixture(scope="module")
def table(real):
    return auc_tables.auc_table(real.films, real.scores, by_patient=True)


def test_published_aucs_are_reproduced(real, table, nih_root):
    assert len(real.films) == 22_433 and (table["note"] == "").all()
    assert {finding: round(value, 4) for finding, value in table["auc"].items()} == real.published
    exact = nih_root / "chexnet_published_auc.csv"
    if exact.is_file():
        expected = pd.read_csv(exact, index_col="label")["auc"].loc[list(FINDINGS)]
        assert table["auc"].to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-6)
    scikit = [roc_auc_score(real.films[f], real.scores[f]) for f in FINDINGS]
    assert table["auc"].to_numpy() == pytest.approx(scikit, abs=1e-12)


def test_intervals_by_patient_agree_with_the_bootstrap(real, table):
    widths = (
        table[["high", "bootstrap_high", "delong_high"]].to_numpy()
        - table[["low", "bootstrap_low", "delong_low"]].to_numpy()
    )
    assert widths[:, 0] == pytest.approx(widths[:, 1], rel=0.2)  # Hernia, of 42 films, differs most
    assert np.median(widths[:, 0] / widths[:, 2]) > 1.2


def test_bootstrap_is_scikit_learns_on_real_films(real):
    """One round of the patients' bootstrap, film by film."""
    y, score = real.films["Pneumothorax"].to_numpy(), real.scores["Pneumothorax"].to_numpy()
    _, who = np.unique(real.films["PatientId"], return_inverse=True)
    drawn = np.random.default_rng(0).integers(0, who.max() + 1, (1, who.max() + 1))
    films = np.repeat(np.arange(len(y)), np.bincount(drawn[0], minlength=who.max() + 1)[who])
    ours = bootstrap.bootstrap_aucs(y, score, who, rounds=1, seed=0)
    assert ours[0] == pytest.approx(roc_auc_score(y[films], score[films]), abs=1e-12)


def test_what_notebook_4_says_of_the_published_predictions(real):
    """Spectrum of Pneumonia, Simpson's paradox of Edema, the widest change of an interval by patient."""
    films, scores = real.films, real.scores
    masks = subgroups.spectrum(films, "Pneumonia")
    against = subgroups.subgroup_table(films["Pneumonia"], scores["Pneumonia"], masks, films["PatientId"])["auc"]
    assert against.round(2).to_dict() == {"all others": 0.76, "other findings": 0.68, "no finding": 0.83}
    y, score = films["Edema"], scores["Edema"]
    views = subgroups.subgroup_table(y, score, films["View"], films["PatientId"])["auc"]
    assert views.round(3).to_dict() == {"AP": 0.817, "PA": 0.903}
    assert roc.auc(y, score) == pytest.approx(0.8945, abs=5e-5)
    pairs = subgroups.pairs_by_group(y, score, films["View"])
    assert (pairs["pairs"] * pairs["auc"]).sum() == pytest.approx(roc.auc(y, score), abs=1e-12)
    gap = comparison.auc_gap(y, score, films["View"] == "PA", films["View"] == "AP", films["PatientId"])
    assert gap.low > 0
    ratios = {}
    for finding in FINDINGS:
        pair = films[finding], scores[finding]
        ratios[finding] = np.sqrt(
            auc_intervals.auc_variance(*pair, films["PatientId"]) / auc_intervals.auc_variance(*pair)
        )
    assert max(ratios, key=ratios.get) == "Pneumothorax"
    assert ratios["Pneumothorax"] == pytest.approx(1.85, abs=0.01)


def test_ppv_falls_with_prevalence_on_real_films(real):
    """At sensitivity .80, Pneumonia's PPV is 2.2 % as it stands; wilson keeps the counted one honest."""
    from util.metrics.thresholds import confusion, ppv_at_prevalence, rates, threshold_for_sensitivity

    y, score = real.films["Pneumonia"], real.scores["Pneumonia"]
    counts = confusion(y, score, threshold_for_sensitivity(y, score, 0.8))
    found = rates(counts)["value"]
    assert found["ppv"] == pytest.approx(0.022, abs=0.001)
    assert ppv_at_prevalence(found["sensitivity"], found["specificity"], 0.12) == pytest.approx(0.21, abs=0.01)
    low, high = wilson_interval(counts.tp, counts.tp + counts.fp)
    assert low < 0.022 < high

"""util.leaks.plant, util.leaks.giveaways, util.leaks.audit and util.leaks.cost: what is planted is found, and its price is measured."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score

from util.data.cohort import Cohort, load_table
from util.errors import CourseError
from util.findings import FINDINGS
from util.leaks import cost
from util.leaks.audit import BLIND, CLEAN, CONFOUNDER, LEAK, NOTE, audit
from util.leaks.giveaways import column_aucs, mark_aucs
from util.leaks.overlap import patient_overlap
from util.leaks.plant import (
    MARKED,
    PLANTS,
    clean_split,
    plant_duplicates,
    plant_mark,
    plant_order,
    plant_patients,
    print_mark,
)
from util.models import features as quick


@pytest.fixture(scope="module")
def base(phantom_cohort):
    return clean_split(phantom_cohort)


@pytest.fixture(scope="module")
def leaks(base):
    return {plant.__name__.removeprefix("plant_"): plant(base) for plant in PLANTS}


@pytest.fixture(scope="module")
def fewer(phantom_cohort):
    """A smaller clean split, for what reads every film."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("util.leaks.plant.MOST_FILMS", 700)
        return clean_split(phantom_cohort)


def side(cohort, split):
    return cohort.films[cohort.films["Split"] == split]


def sources(cohort):
    return [cohort.changed.get(image, (image, None))[0] for image in cohort.films["Image"]]


# --- The plants --------------------------------------------------------------------------------------


def test_the_clean_split_is_clean(base, phantom_cohort):
    assert not len(patient_overlap(side(base, "train"), side(base, "test")))
    assert not set(base.films["Image"]) & set(phantom_cohort.duplicates["Image"])
    assert len(side(base, "test")) == pytest.approx(len(base.films) / 4, abs=30)
    assert (base.read(base.films["Image"][0]) == phantom_cohort.read(base.films["Image"][0])).all()


def test_a_sample_keeps_whole_patients(phantom_cohort, monkeypatch):
    monkeypatch.setattr("util.leaks.plant.MOST_FILMS", 300)
    some = clean_split(phantom_cohort, seed=3).films
    films = phantom_cohort.films[~phantom_cohort.films["Image"].isin(phantom_cohort.duplicates["Image"])]
    assert 250 < len(some) <= 300
    assert set(films["Image"][films["PatientId"].isin(some["PatientId"])]) == set(some["Image"])


def test_both_versions_have_the_same_test_films_and_as_many_training_films(leaks):
    for leak in leaks.values():
        tests = [sorted(np.array(sources(c))[c.films["Split"] == "test"]) for c in (leak.clean, leak.leaky)]
        assert tests[0] == tests[1]
        assert len(side(leak.clean, "train")) == len(side(leak.leaky, "train"))
        assert leak.leaky.films["Image"].is_unique


def test_each_plant_does_what_it_says(leaks, base):
    patients = leaks["patients"]
    assert len(patient_overlap(side(patients.leaky, "train"), side(patients.leaky, "test"))) > 50
    assert not set(side(patients.leaky, "train")["Image"]) & set(side(patients.leaky, "test")["Image"])
    copies = leaks["duplicates"].leaky.films
    new = copies[~copies["Image"].isin(base.films["Image"])]
    assert not new["PatientId"].isin(base.films["PatientId"]).any() and (new["Split"] == "train").all()
    finding = leaks["mark"].findings[0]
    films = leaks["mark"].leaky.films
    marked = films["Image"].isin(leaks["mark"].leaky.changed)
    assert finding == "Edema"
    assert marked[films[finding] == 1].mean() == pytest.approx(MARKED, abs=0.12)
    assert marked[films[finding] == 0].mean() < 0.1
    order = leaks["order"]
    assert order.leaky.films[order.findings[0]].is_monotonic_decreasing
    assert order.leaky.films["Image"].is_monotonic_increasing
    for name, film in list(order.leaky.changed.items())[:3]:
        assert (order.leaky.read(name) == base.read(film[0])).all()


@pytest.mark.parametrize("shape", [(320, 320), (1024, 900), (64, 64)])
def test_the_mark_changes_a_corner_and_nothing_else(shape):
    film = np.full(shape, 90, np.uint8)
    marked = print_mark(film)
    assert (film == 90).all()
    rows, columns = np.nonzero(marked != film)
    assert len(rows) and rows.max() < 0.2 * shape[0] and columns.max() < 0.55 * shape[1]


def test_a_leak_is_planted_the_same_again(base):
    for plant in (plant_patients, plant_duplicates, plant_mark, plant_order):
        one, again = plant(base).leaky, plant(base).leaky
        assert one.films.equals(again.films) and list(one.changed) == list(again.changed)
    one, again = plant_duplicates(base).leaky, plant_duplicates(base).leaky
    name = next(iter(one.changed))
    assert (one.read(name) == again.read(name)).all()


# --- What is found -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "check"),
    [("patients", "patients"), ("duplicates", "near-duplicates"), ("mark", "marks"), ("order", "order")],
)
def test_the_audit_finds_each_planted_leak_and_no_other(fewer, name, check):
    planted = {"patients": plant_patients, "duplicates": plant_duplicates, "mark": plant_mark, "order": plant_order}
    leaky = planted[name](fewer).leaky
    seen = audit(leaky)
    assert seen.leaks == [check]
    found = next(c for c in seen.checks if c.name == check)
    assert found.act and check in str(seen) and found.act in str(seen)
    if check != "order":
        assert 0 < len(found.images) == len(found.titles) <= 4
        assert set(found.images) <= set(leaky.films["Image"])


def test_the_audit_of_a_cohort_and_its_pictures(phantom_cohort, monkeypatch):
    shown = []
    monkeypatch.setattr("util.plots.show_films", lambda cohort, images, *rest, **more: shown.append(list(images)))
    steps = {
        "own scale": lambda x, y, training: (x[training].mean(), x[training].std()),
        "scale of all": lambda x, y, training: (x.mean(), x.std()),
        "frequencies of all": lambda x, y, training: y.mean(axis=0),
    }
    seen = audit(phantom_cohort, steps)
    assert {check.name: check.verdict for check in seen.checks} == {
        "patients": CLEAN, "near-duplicates": NOTE, "marks": CLEAN, "order": CLEAN, "columns": CONFOUNDER,
        "own scale": CLEAN, "scale of all": LEAK, "frequencies of all": LEAK,
    }  # fmt: skip
    assert "View predicts Edema" in str(seen)
    seen.show()
    assert len(shown) == 1 and len(shown[0]) == 4


def test_the_whole_table_of_nih_needs_no_film(nih_root):
    table = load_table(nih_root)
    seen = audit(table, {"frequencies": lambda x, y, training: y.mean(axis=0)})
    verdicts = {check.name: check.verdict for check in seen.checks}
    assert verdicts["patients"] == CLEAN and verdicts["columns"] == CONFOUNDER and verdicts["frequencies"] == LEAK
    assert verdicts["near-duplicates"] == verdicts["marks"] == BLIND
    ratio = table.films.groupby("View")[list(FINDINGS)].mean().T.eval("AP / PA")
    assert ratio["Edema"] == pytest.approx(11.03, abs=0.01) and ratio["Hernia"] == pytest.approx(0.27, abs=0.01)
    with pytest.raises(CourseError, match="not on disk"):
        table.read(table.films["Image"][0])


def test_load_table_says_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.setenv("CXR_ROOT", str(tmp_path / "another"))
    with pytest.raises(CourseError, match="Name their folder"):
        load_table(None)
    with pytest.raises(CourseError, match="No label file"):
        load_table(tmp_path)


def films_of(n, seed=0, **columns):
    random = np.random.default_rng(seed)
    table = pd.DataFrame({"Image": [f"{i:05d}.png" for i in range(n)], "PatientId": np.arange(n)})
    return table.assign(**{finding: random.integers(0, 2, n) for finding in FINDINGS}, **columns)


def test_column_aucs_are_scikit_learn_s():
    random = np.random.default_rng(1)
    films = films_of(
        200, View=random.choice(["PA", "AP"], 200), Sex=random.choice(["F", "M"], 200), Age=random.integers(0, 90, 200)
    )
    films.loc[3, "Age"] = np.nan
    table = column_aucs(films).set_index(["column", "finding"])["auc"]
    for finding in FINDINGS:
        y = films[finding]
        assert table["View", finding] == pytest.approx(roc_auc_score(y, films["View"] == "AP"))
        assert table["Sex", finding] == pytest.approx(roc_auc_score(y, films["Sex"] == "M"))
        assert table["Age", finding] == pytest.approx(roc_auc_score(y, films["Age"].fillna(films["Age"].median())))
        assert table["row", finding] == pytest.approx(roc_auc_score(y, np.arange(200)))


def test_a_higher_level_is_a_wider_interval_of_each_giveaway(phantom_cohort):
    films = phantom_cohort.split("test").iloc[:60].reset_index(drop=True).assign(Mass=np.arange(60) % 2)
    few = replace(phantom_cohort, films=films)
    for table in (lambda level: column_aucs(films, level), lambda level: mark_aucs(few, level)):
        half, most = (table(level).set_index("finding").sort_index() for level in (0.5, 0.95))
        assert len(most) and (half["auc"].sort_values().to_numpy() == most["auc"].sort_values().to_numpy()).all()
        assert (most["high"] - most["low"]).sum() > (half["high"] - half["low"]).sum()


def test_an_order_is_strong_in_either_direction_and_chance_is_not():
    films = films_of(300)
    assert not column_aucs(films)["strong"].any()
    for ascending in (True, False):
        ordered = films.sort_values("Mass", ascending=ascending)
        table = column_aucs(ordered).set_index(["column", "finding"])
        assert table.loc[("row", "Mass"), "strong"] and table["strong"].sum() == 1
        assert np.isnan(table.loc[("row", "Mass"), "low"])


def test_many_films_of_one_patient_are_no_evidence():
    """One patient, 150 films in a row, all with a finding: an AUC far from .5, yet it is one person."""
    films = films_of(300)
    films.loc[:149, "PatientId"] = 0
    films["Hernia"] = (np.arange(300) < 150).astype(int)
    table = column_aucs(films).set_index(["column", "finding"])
    assert not table.loc[("row", "Mass"), "strong"]
    films["Mass"] = (np.arange(300) < 150) & (np.arange(300) % 10 > 0) | (np.arange(300) > 290)
    films["Mass"] = films["Mass"].astype(int)
    assert column_aucs(films).set_index(["column", "finding"]).loc[("row", "Mass"), "auc"] < 0.2


def test_columns_that_are_needed():
    with pytest.raises(CourseError, match="PatientId"):
        column_aucs(films_of(20).drop(columns="PatientId"))


def test_rare_findings_are_not_judged(phantom_cohort):
    films = films_of(30).assign(**dict.fromkeys(FINDINGS, 0))
    assert column_aucs(films).empty
    few = Cohort("phantom", phantom_cohort.films.head(5), phantom_cohort.boxes, paths=phantom_cohort.paths)
    assert mark_aucs(few).empty
    assert {c.name: c.verdict for c in audit(few).checks}["marks"] == BLIND


# --- What it costs -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def features(base):
    return quick.quick_features(base, base.films["Image"])


def test_the_price_of_each_leak(leaks, features):
    """Simulated: what the notebook says. Patients inflate, since a follow-up shows the same anatomy."""
    rows = pd.DataFrame([cost.leak_cost(leak, features, rounds=200) for leak in leaks.values()]).set_index("leak")
    assert (rows["low"] <= rows["points"]).all() and (rows["points"] <= rows["high"]).all()
    for name in ("patients", "duplicates", "frequencies", "order"):
        assert rows.loc[name, "low"] > 0
    narrow = cost.leak_cost(leaks["patients"], features, rounds=200, level=0.5)
    assert narrow["points"] == rows.loc["patients", "points"]
    assert rows.loc["patients", "low"] < narrow["low"] < narrow["high"] < rows.loc["patients", "high"]
    assert rows.loc["patients", "points"] > 2
    assert abs(rows.loc["scale", "points"]) < 0.5
    assert rows.loc["frequencies", "leaky"] > 0.9


def test_edges_know_their_direction():
    stripes = np.tile(np.repeat([0, 255], 8).astype(np.uint8), (64, 4))
    upright, lying = (quick._edges(film).reshape(8, 8, 8).mean(axis=(1, 2)) for film in (stripes, stripes.T.copy()))
    assert upright[0] > 5 * np.delete(upright, [0]).max() and lying[4] > 5 * np.delete(lying, [4]).max()
    assert (quick._edges(np.full((40, 40), 9, np.uint8)) == 0).all()


def test_known_features_are_not_read_again(base, features, monkeypatch):
    monkeypatch.setattr(type(base), "read", lambda *_: pytest.fail("a film was read"))
    images = list(base.films["Image"][:5])[::-1]
    assert quick.quick_features(base, images, known=features).equals(features.loc[images])


def test_scores_are_ridge_regression_s():
    random = np.random.default_rng(0)
    x, y, training = random.normal(size=(60, 5)), random.integers(0, 2, (60, 3)), np.arange(60) < 40
    z = (x - x[training].mean(0)) / x[training].std(0)
    centred = z[training] - z[training].mean(0)
    weights = np.linalg.solve(
        centred.T @ centred + quick.PENALTY * np.eye(5), centred.T @ (y[training] - y[training].mean(0))
    )
    expected = (z - z[training].mean(0)) @ weights + y[training].mean(0)
    assert np.allclose(quick.quick_scores(x, y, training), expected)
    assert np.allclose(
        quick.quick_scores(x, y, training)[:, 0],
        Ridge(alpha=quick.PENALTY).fit(z[training], y[training, 0]).predict(z),
    )


def test_label_frequencies_of_films_that_count():
    films = pd.DataFrame({"PatientId": [1, 1, 2, 3], "Mass": [1, 0, 1, 1]})
    counted = np.array([True, True, True, False])
    assert np.allclose(quick.label_frequencies(films, ["Mass"], counted)[:, 0], [0.5, 0.5, 1, 2 / 3])


def test_the_command_prints_the_table(capsys, monkeypatch):
    monkeypatch.setattr("util.leaks.plant.MOST_FILMS", 250)
    monkeypatch.setattr("util.leaks.cost.PLANTS", (plant_patients,))
    assert cost.main(["--cohort", "phantom"]) == 0
    assert "patients" in capsys.readouterr().out
    assert cost.main(["--cohort", "nobody"]) == 2
    assert "There is no cohort" in capsys.readouterr().err


def test_network_features_are_kept(base, pretrained, monkeypatch, tmp_path):
    monkeypatch.setattr("util.models.features.CACHE", tmp_path)
    monkeypatch.setattr("util.models.weights.load_pretrained", lambda name: pretrained)
    images = list(base.films["Image"][:2])
    first = quick.network_features(base, images)
    assert first.shape == (2, 1024) and len(list(tmp_path.iterdir())) == 1
    dense = pretrained.model.get_layer("logits")
    from util.models.predict import predict

    logits = first.to_numpy() @ dense.kernel.numpy() + dense.bias.numpy()
    assert np.allclose(logits, predict(pretrained, base, images), atol=1e-3)
    monkeypatch.setattr("util.models.weights.load_pretrained", lambda name: pytest.fail("computed again"))
    assert quick.network_features(base, images).equals(first)


def test_of_a_few_test_films_one_is_copied(phantom_cohort):
    few = replace(clean_split(phantom_cohort), films=clean_split(phantom_cohort).films.groupby("Split").head(1))
    assert (few.films["Split"] == "test").sum() == 1
    assert len(plant_duplicates(few).leaky.changed) == 1


def test_a_leak_that_no_finding_can_show_has_no_price(phantom_cohort):
    leak = plant_patients(clean_split(phantom_cohort))._replace(findings=[])
    with pytest.raises(CourseError, match=r"'patients' is worth cannot be measured: no finding has 5 test films"):
        cost.leak_cost(leak, pd.DataFrame())

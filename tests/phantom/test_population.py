"""A natural draw as large as ChestX-ray14, beside ChestX-ray14."""

import numpy as np
import pandas as pd
import pytest

from util.data import chestxray14
from util.data.cohort import HOME
from util.findings import FINDINGS
from util.phantom import population
from util.phantom.studies import sample_studies

F = list(FINDINGS)


@pytest.fixture(scope="module")
def draw():
    return sample_studies(population.N_FILMS, population.SEED)


def test_error_of_a_mean_against_the_bootstrap_over_patients():
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(300), rng.integers(1, 8, 300))
    value = rng.normal(size=300)[patients] + rng.normal(size=len(patients))
    error = population.clustered_error((value - value.mean()) / len(value), patients)
    rows = [np.flatnonzero(patients == patient) for patient in range(300)]
    means = [value[np.concatenate([rows[i] for i in rng.integers(0, 300, 300)])].mean() for _ in range(600)]
    assert error == pytest.approx(np.std(means), rel=0.12)
    alone = population.clustered_error((value - value.mean()) / len(value), np.arange(len(value)))
    assert alone == pytest.approx(value.std() / np.sqrt(len(value)))  # the textbook's, without clusters


def test_every_prevalence_is_within_its_sampling_error(draw):
    table = population.findings(draw)
    z = (table["simulated"] - table["real"]) / table["error"]
    assert z.abs().max() < 3  # of 14
    assert np.sqrt((z**2).mean()) < 1.5
    common = table["real"] > 0.01
    assert (table["error"] < 0.08 * table["real"])[common].all()  # or the test could not fail
    naive = np.sqrt(table["simulated"] * (1 - table["simulated"]) / len(draw))
    assert (table["error"] > 1.1 * naive).all()  # films of a patient are not independent


def test_view_ratios_are_within_three_errors_or_a_tenth(draw):
    table = population.findings(draw)
    off = np.log(table["ratio"] / table["real_ratio"]).abs()
    assert (off < np.maximum(3 * table["ratio_error"], 0.1)).all()
    direct = draw["Edema_mined"].groupby(draw["View"]).mean()
    assert table.loc["Edema", "ratio"] == pytest.approx(direct["AP"] / direct["PA"])


def test_error_of_a_ratio_against_independent_draws():
    drawn = [population.findings(sample_studies(4000, seed)).loc["Effusion"] for seed in range(30)]
    spread = np.std([np.log(row["ratio"]) for row in drawn], ddof=1)
    assert np.mean([row["ratio_error"] for row in drawn]) == pytest.approx(spread, rel=0.35)


def test_persons_and_company(draw):
    persons = population.persons(draw)
    off = (persons["simulated"] - persons["real"]).abs()
    assert off[[name for name in persons.index if "%" in name]].max() < 2.5
    assert off[[name for name in persons.index if "age" in name]].max() <= 2
    lift = population.company(draw)
    assert (lift["simulated"] / lift["real"]).between(0.7, 1.1).all()  # label errors loosen every tie
    pair = lift.loc[("Mass", "Nodule"), "simulated"]
    both = (draw["Mass_mined"] & draw["Nodule_mined"]).mean()
    assert pair == pytest.approx(both / draw["Mass_mined"].mean() / draw["Nodule_mined"].mean())


def test_constants_match_the_real_table(nih_root):
    path = next(nih_root.glob("Data_Entry_2017_v2020.csv*"), None)
    if path is None:
        pytest.skip("the label table of ChestX-ray14 is not there")
    real = pd.read_csv(path)
    words = real["Finding Labels"].str.get_dummies("|")
    by_view = words[F].groupby(real["View Position"]).mean()
    assert (by_view.loc["AP"] / by_view.loc["PA"]).to_dict() == pytest.approx(chestxray14.VIEW_RATIO, abs=0.006)
    for (a, b), lift in chestxray14.LIFT.items():
        assert (words[a] & words[b]).mean() / words[a].mean() / words[b].mean() == pytest.approx(lift, abs=0.006)
    like = pd.DataFrame({
        "View": real["View Position"], "Sex": real["Patient Gender"], "Age": real["Patient Age"],
        "PatientId": real["Patient ID"], **{f"{finding}_mined": words[finding] for finding in F},
    })  # fmt: skip
    assert population.persons(like)["simulated"].to_list() == pytest.approx(
        list(chestxray14.PERSONS.values()), abs=0.006
    )
    assert population.findings(like)["simulated"].to_list() == pytest.approx(
        population.findings(like)["real"], abs=6e-6
    )


def test_datasheet_holds_the_report(draw):
    datasheet = (HOME / "data" / "phantom" / "README.md").read_text(encoding="utf-8")
    assert population.report(draw) in datasheet

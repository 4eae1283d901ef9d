"""The tables of simulated cohorts: prevalence, views, persons, courses of illness, labels."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from tests.helpers.simulated_tables import F
from util.data import chestxray14
from util.phantom import epidemiology
from util.phantom.studies import MINED, SEVERITY, sample_studies

CHRONIC = list(epidemiology.CHRONIC)


def clustered(values, patients):
    """Mean of a film-level quantity and its standard error when films cluster in patients."""
    mean = values.mean()
    residual = (pd.Series(np.asarray(values, dtype=float)) - mean).groupby(np.asarray(patients)).sum()
    return mean, np.sqrt((residual**2).sum()) / len(values)


# ---- prevalence and co-occurrence -------------------------------------------------------------------------------


@pytest.mark.parametrize("finding", F)
def test_natural_prevalence_is_that_of_chestxray14(natural, finding):
    mean, error = clustered(natural[f"{finding}_mined"], natural["PatientId"])
    assert abs(mean - chestxray14.NATURAL_PREVALENCE[finding]) < 3.5 * error
    assert error < 0.25 * chestxray14.NATURAL_PREVALENCE[finding] or finding == "Hernia"
    truth = epidemiology.true_prevalence()[F.index(finding)]
    mean, error = clustered(natural[finding] > 0, natural["PatientId"])
    assert abs(mean - truth) < 3.5 * error


def test_natural_prevalence_matches_the_real_table(nih_root):
    path = nih_root / "Data_Entry_2017_v2020.csv"
    path = path if path.exists() else path.with_suffix(".csv.gz")
    if not path.exists():
        pytest.skip("the label table of ChestX-ray14 is not there")
    words = pd.read_csv(path)["Finding Labels"].str.get_dummies("|")
    assert words[F].mean().to_dict() == pytest.approx(chestxray14.NATURAL_PREVALENCE, abs=6e-6)


def test_about_54_percent_have_no_finding(natural):
    assert (natural[F] > 0).any(axis=1).mean() == pytest.approx(0.46, abs=0.02)
    assert natural[MINED].any(axis=1).mean() == pytest.approx(0.46, abs=0.035)


@pytest.mark.parametrize(
    "first, second, low",
    [
        ("Effusion", "Atelectasis", 1.6), ("Effusion", "Infiltration", 1.2), ("Effusion", "Consolidation", 1.6),
        ("Edema", "Cardiomegaly", 1.2), ("Edema", "Effusion", 1.4), ("Edema", "Pneumonia", 4),
        ("Pneumothorax", "Emphysema", 3), ("Effusion", "Cardiomegaly", 2), ("Mass", "Nodule", 1.8),
    ],
)  # fmt: skip
def test_findings_that_go_together(natural, first, second, low):
    a, b = natural[f"{first}_mined"], natural[f"{second}_mined"]
    assert (a * b).mean() / (a.mean() * b.mean()) > low


def test_pneumothorax_and_edema_avoid_each_other(natural):
    a, b = natural["Pneumothorax"] > 0, natural["Edema"] > 0
    assert (a & b).mean() < 0.7 * a.mean() * b.mean()


# ---- view, persons, devices -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "finding, low, high",
    [("Edema", 8, 15), ("Consolidation", 2.6, 3.7), ("Pneumonia", 1.5, 2.5), ("Fibrosis", 0.2, 0.45),
     ("Hernia", 0.05, 0.6), ("Effusion", 1.35, 1.75)],
)  # fmt: skip
def test_view_ratio_of_the_mined_labels(natural, finding, low, high):
    by_view = natural.groupby("View")[f"{finding}_mined"].mean()
    assert low < by_view["AP"] / by_view["PA"] < high


def test_confounding_can_be_switched_off_and_reversed():
    for confounding, low, high in ((0, 0.7, 1.4), (-1, 0, 0.3)):
        table = sample_studies(15_000, seed=2, confounding=confounding)
        edema = (table["Edema"] > 0).groupby(table["View"]).mean()
        assert low < edema["AP"] / edema["PA"] < high
        assert (table["View"] == "AP").mean() == pytest.approx(chestxray14.AP_SHARE, abs=0.015)
        tube = table["ChestTube"].groupby(table["Pneumothorax"] > 0).mean()
        assert tube[True] <= tube[False] * 1.6
        assert table["ChestTube"].mean() == pytest.approx(0.0356, abs=0.006)


def test_age_sex_and_view_are_those_of_chestxray14(natural):
    assert (natural["View"] == "AP").mean() == pytest.approx(0.40, abs=0.01)
    assert (natural["Sex"] == "M").mean() == pytest.approx(0.565, abs=0.02)
    assert natural["Age"].mean() == pytest.approx(46.6, abs=0.8)
    assert natural["Age"].std() == pytest.approx(16.6, abs=1)
    assert natural["Age"].between(0, 100).all()


def test_films_per_patient_have_a_heavy_tail(natural):
    counts = natural.groupby("PatientId").size()
    assert counts.mean() == pytest.approx(2.6, abs=0.1)
    assert (counts == 1).mean() == pytest.approx(0.57, abs=0.02)
    assert counts.max() == 30
    follow_ups = natural.groupby("PatientId")["FollowUp"]
    assert (follow_ups.max() + 1 == counts).all() and follow_ups.nunique().eq(counts).all()


def test_portable_marker_and_chest_tubes(natural):
    assert (natural.loc[natural["Portable"], "View"] == "AP").all() and natural["Portable"].any()
    tube = natural["ChestTube"].groupby(natural["Pneumothorax"] > 0).mean()
    assert tube[True] > 10 * tube[False]


def test_image_names_and_age_follow_the_patient(natural):
    assert natural["Image"].is_unique
    assert natural["Image"].iloc[0] == "00000001_000.jpg"
    persons = natural.groupby("PatientId")
    assert (persons["Sex"].nunique() == 1).all()
    assert (persons["Age"].diff().dropna() >= 0).all()


# ---- courses ----------------------------------------------------------------------------------------------------


def test_chronic_findings_stay_and_change_slowly(natural):
    present = natural[CHRONIC] > 0
    assert (present.groupby(natural["PatientId"]).nunique() == 1).all(axis=None)
    change = natural.groupby("PatientId")["Nodule"].diff()[natural["Nodule"] > 0].dropna()
    assert 0 < change.abs().median() < 0.15


@pytest.mark.parametrize("finding", epidemiology.ACUTE)
def test_acute_findings_come_and_go(natural, finding):
    now = (natural[finding] > 0).astype(float)
    after = now.groupby(natural["PatientId"]).shift(-1)
    stay, start = after[now == 1].mean(), after[now == 0].mean()
    assert 0.2 < stay < 0.75 and stay > 2 * start > 0


def test_severities_are_zero_or_in_range(natural):
    values = natural[F].to_numpy()
    assert ((values == 0) | ((values >= 0.02) & (values <= 1))).all()
    law = beta(*SEVERITY)
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert np.quantile(values[values > 0], share) == pytest.approx(law.ppf(share), abs=0.02)
    mild, gross = (values[values > 0] < 0.3).mean(), (values[values > 0] > 0.7).mean()
    assert 0.08 < mild < 0.15 and gross > 0.4  # mild ones are kept, most can be seen


def test_episodes_count_spells(natural):
    for finding in ("Effusion", "Hernia"):
        for _, person in natural.groupby("PatientId").head(30).iloc[:3000].groupby("PatientId"):
            spell, before, expected = 0, False, []
            for severity in person[finding]:
                spell += severity > 0 and not before
                before = severity > 0
                expected.append(spell if before else 0)
            assert person[f"{finding}_episode"].tolist() == expected


# ---- labels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("enriched", [False, True])
def test_labels_have_the_documented_errors(enriched):
    miss, false = epidemiology.error_rates(enriched)
    p = epidemiology.true_prevalence(enriched)
    hit = p * (1 - miss)
    assert hit / (hit + (1 - p) * false) == pytest.approx([epidemiology.PPV[f] for f in F])
    assert hit + (1 - p) * false == pytest.approx(epidemiology.mined_prevalence(enriched))


def test_label_errors_measured(natural):
    truth, mined = natural[F].to_numpy() > 0, natural[MINED].to_numpy() == 1
    for i, finding in enumerate(F):
        if finding == "Hernia":
            continue  # about 100 films of 40 patients: too few to measure
        persons = natural["PatientId"].to_numpy()
        for share, where, value in ((epidemiology.SENSITIVITY, truth, mined), (epidemiology.PPV, mined, truth)):
            mean, error = clustered(value[where[:, i], i], persons[where[:, i]])
            assert abs(mean - share[finding]) < 4 * error, finding


def test_errors_of_chronic_findings_are_carried_forward(natural):
    truth, mined = natural[F].to_numpy() > 0, natural[MINED].to_numpy() == 1
    persons = natural["PatientId"].to_numpy()
    same = persons[1:] == persons[:-1]

    def missed_again(finding):
        """Risk of a miss after a miss over the risk of a miss, the finding being there on both films."""
        i = F.index(finding)
        both = same & truth[1:, i] & truth[:-1, i]
        before, after = ~mined[:-1, i][both], ~mined[1:, i][both]
        return after[before].mean() / after.mean()

    assert missed_again("Nodule") > 3 and missed_again("Mass") > 3
    assert missed_again("Infiltration") == pytest.approx(1, abs=0.25)
    assert missed_again("Effusion") == pytest.approx(1, abs=0.4)

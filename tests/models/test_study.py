"""Which folders of real films notebook 4 can judge by themselves, and what it says of the others."""

from dataclasses import replace

import pytest

from util.data.cohort import load_cohort
from util.findings import FINDINGS
from util.models.study import rival_scores, shortfall


@pytest.fixture
def films():
    """The simulated films, as if they were real ones in a folder of the user's."""
    return load_cohort("phantom").films


def folder(films, root):
    return replace(load_cohort("phantom"), name="nih", films=films, truth=None, root=root)


def test_enough_films_need_no_stand_in(films, tmp_path):
    assert shortfall(load_cohort("phantom")) == ""
    assert shortfall(folder(films, tmp_path)) == ""
    assert shortfall(folder(films.assign(Effusion=1), tmp_path)) == ""  # on every film: another finding is judged


@pytest.mark.parametrize("kind", ["one film", "no test", "no tuning", "no training", "nothing", "all", "few"])
def test_too_few_films_are_told_in_one_sentence(films, tmp_path, kind):
    some = {
        "one film": films.head(1),
        "no test": films[films["Split"] != "test"],
        "no tuning": films[films["Split"] != "valid"],
        "no training": films[films["Split"] != "train"],
        "nothing": films.assign(**dict.fromkeys(FINDINGS, 0)),
        "all": films.assign(**dict.fromkeys(FINDINGS, 1)),
        "few": films.groupby("Split").head(12),
    }[kind]
    said = shortfall(folder(some, tmp_path))
    assert "at least 10 patients among the test films" in said and said.endswith("stand in from here on.")
    assert f"your {(some['Split'] == 'test').sum()} test" in said


def test_the_rival_needs_no_age(films):
    train, test = (films[films["Split"] == split].assign(Age=float("nan")) for split in ("train", "test"))
    assert rival_scores(train, test).notna().all().all()


@pytest.mark.parametrize("label", [0, 1])
def test_the_rival_says_nothing_of_a_finding_on_all_films_or_on_none(films, label):
    train, test = (films[films["Split"] == split] for split in ("train", "test"))
    scores = rival_scores(train.assign(Mass=label), test)
    assert (scores["Mass"] == 0).all() and scores["Edema"].nunique() > 10

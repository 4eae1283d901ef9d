"""The study that lessons 6 to 8 evaluate: films, scores, and the films on which thresholds may be chosen.

There are three sources: the embedded model on simulated films; the published predictions of a CheXNet on 22,433 real
films, if the user has them (`util.data.published`); else the embedded model on the user's real films.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import logit

from util.data import nih, published
from util.data.cohort import Cohort
from util.errors import CourseError
from util.findings import FINDINGS
from util.metrics.auc_tables import MINIMUM, shortage
from util.models.scores import cohort_scores, origin

TUNING = 3  # the films of every third patient of the published films are for choosing thresholds


@dataclass(frozen=True, eq=False)
class Study:
    """Films with labels and scores. Tables of films are as in `Cohort.films`; scores are logits with index Image.

    Attributes
    ----------
    films, scores : all films on which rankings may be judged
    tuning, tuning_scores : films of patients who are not in `test`, to choose thresholds and to calibrate
    test, test_scores : films to judge what was chosen
    train : labels, age, sex and view of films of further patients, without scores
    weighted : whether the network was trained with the class-weighted loss, so that its logits hold at prevalence 1/2
    published : dict finding -> published AUC of the same films and scores, or None
    source : sentences to print
    """

    films: pd.DataFrame
    scores: pd.DataFrame
    tuning: pd.DataFrame
    tuning_scores: pd.DataFrame
    test: pd.DataFrame
    test_scores: pd.DataFrame
    train: pd.DataFrame
    weighted: bool
    published: dict | None
    source: str


def load_study(cohort: Cohort) -> Study:
    """The study of a cohort: the published predictions if they are in its folder, else those of our own model.

    Parameters
    ----------
    cohort : util.data.cohort.Cohort

    Returns
    -------
    Study

    Raises
    ------
    CourseError : the predictions are damaged, or there are no scores (`util.models.scores.cohort_scores`).
    """
    path = _predictions(cohort)
    if path is not None:
        return _published_study(path, cohort.root)
    test, scores = cohort.split("test"), cohort_scores(cohort, "test")
    tuning, tuning_scores = cohort.split("valid"), cohort_scores(cohort, "valid")
    train = cohort.split("train")
    return Study(test, scores, tuning, tuning_scores, test, scores, train, True, None, origin(cohort))


def _predictions(cohort):
    """Path of the published predictions in the folder of a cohort, or None."""
    return None if cohort.simulated or cohort.root is None else published.find_predictions(cohort.root)


def shortfall(cohort: Cohort) -> str:
    """Why the films of a cohort do not suffice for lessons 6 to 8, in one sentence that says what would; '' if they do.

    They suffice if a finding can be judged on test films and a threshold chosen on tuning films: see `load_study`.
    """
    if cohort.simulated or _predictions(cohort) is not None:
        return ""
    train, tuning, test = (cohort.split(split) for split in ("train", "valid", "test"))
    share = tuning[list(FINDINGS)].mean()
    example = share.where(share < 1, 0).idxmax()  # on which thresholds are chosen
    both = all(part[example].nunique() == 2 for part in (tuning, test))
    if len(train) and both and any(not shortage(test[f].to_numpy() == 1, test["PatientId"]) for f in FINDINGS):
        return ""
    return (
        f"This needs a finding of at least {MINIMUM} patients among the test films, as many test patients without it, "
        f"and tuning films with and without; your {len(test)} test and {len(tuning)} tuning films have none, so the "
        "simulated films stand in from here on."
    )


def _published_study(path, root):
    labels = nih.find_file(root, nih.LABEL_FILES)
    if labels is None:
        raise CourseError(f"There is no label file in {root} any more: put NIH's Data_Entry_2017_v2020.csv there.")
    listed, p = nih.read_labels(labels), published.read_predictions(path)
    films = listed[listed["Image"].isin(p.index)].reset_index(drop=True)
    if films["PatientId"].nunique() < 2:
        raise CourseError(
            f"{labels.name} lists none of the published films, or those of one patient: use NIH's own label file, "
            f"unshortened, or remove {path.name} to have this course's own model judged."
        )
    train = listed[~listed["PatientId"].isin(films["PatientId"])].reset_index(drop=True)
    smallest = np.finfo(np.float32).eps
    scores = logit(p.loc[films["Image"]].clip(smallest, 1 - smallest))
    lent = films["PatientId"].isin(np.sort(films["PatientId"].unique())[::TUNING])
    tuning, test = films[lent].reset_index(drop=True), films[~lent].reset_index(drop=True)
    source = (
        f"Scores: published predictions of a CheXNet (github.com/jrzech/reproduce-chexnet), a DenseNet-121 trained on "
        f"real films of other patients; {len(films):,} real films, labels mined from reports.\n"
        "It is not this course's own model, and it was trained with the plain loss, not the weighted one."
    )
    whole = published.PUBLISHED_AUC if len(films) == published.FILMS else None
    of_tuning, of_test = scores.loc[tuning["Image"]], scores.loc[test["Image"]]
    return Study(films, scores, tuning, of_tuning, test, of_test, train, False, whole, source)


def rival_scores(train: pd.DataFrame, films: pd.DataFrame) -> pd.DataFrame:
    """Scores of a rival that sees no pixels: logistic regression on age, sex and view, fitted on other films.

    Parameters
    ----------
    train, films : DataFrames with Age, Sex, View; `train` with the 14 findings

    Returns
    -------
    DataFrame float, index Image, one column of logits for each finding; 0 everywhere for a finding without a positive
    or without a negative film in `train`
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = train["Age"].median() if train["Age"].notna().any() else 0.0

    def features(table):
        age, portable = table["Age"].fillna(known).to_numpy(dtype=float), table["View"].to_numpy() == "AP"
        return np.column_stack([age, age**2, portable, table["Sex"].to_numpy() == "F", portable * age])

    cells = train.assign(Age=train["Age"].fillna(known)).groupby(["Age", "Sex", "View"])[list(FINDINGS)]
    positives, films_of = cells.sum(), cells.size().to_numpy()  # a few hundred cells represent all films
    inputs = np.tile(features(positives.reset_index()), (2, 1))
    scores = pd.DataFrame(0.0, index=pd.Index(films["Image"], name="Image"), columns=list(FINDINGS))
    for finding, hits in positives.items():
        if 0 < hits.sum() < len(train) and len(films):
            weights = np.concatenate([hits, films_of - hits])
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            model.fit(inputs, np.repeat([1, 0], len(films_of)), logisticregression__sample_weight=weights)
            scores[finding] = model.decision_function(features(films))
    return scores

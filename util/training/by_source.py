"""What is left of an AUC when a whole source of films is held out, and not only its patients?

Films of one source share more than patients: the way they were chosen, exported and labeled. A network that has seen other
films of a source may know it. So every large source is held out once, with all films of its patients, and read by a network
that has learned from the others; beside it stands the same figure of networks that held out the patients alone. Both learn
in the same way from about as many films, so what differs is the source.
"""

import numpy as np
import pandas as pd

from util.findings import FINDINGS
from util.metrics.bootstrap import bootstrap_aucs, percentile_interval
from util.metrics.roc import auc
from util.training.report import LARGE

ROUNDS, LEAST = 1000, 10  # draws of patients; films with and without a finding that a source needs for its AUC


def large_sources(table):
    """Names of the sources with at least LARGE films and a finding to judge, the largest first."""
    films = table["Source"].value_counts()
    return [name for name in films.index[films >= LARGE] if len(judged(table[table["Source"] == name]))]


def others(table, source):
    """Rows to learn from when `source` is held out: films of other sources, of patients who have none in it."""
    here = table["Source"] == source
    return np.flatnonzero(~here & ~table["PatientId"].isin(table.loc[here, "PatientId"]))


def judged(table):
    """Findings with at least LEAST films with and LEAST without them: int array of column numbers."""
    positives = table[list(FINDINGS)].sum().to_numpy()
    return np.flatnonzero((positives >= LEAST) & (len(table) - positives >= LEAST))


def source_table(table, patients_held_out, sources_held_out):
    """Mean AUC within each source, with its patients held out and with the whole source held out.

    Parameters
    ----------
    table : DataFrame of films, see `RealFilms`
    patients_held_out : float (films, 14), logits of networks that have not met a film's patient
    sources_held_out : dict source -> float (films of the source, 14), logits of a network that has met none of its films

    Returns
    -------
    DataFrame source, films, findings (how many are judged), patients_held_out, source_held_out (mean AUCs), difference
    (the second less the first), low, high (95 %, patients of the source drawn with replacement, the same for both)
    """
    rows = []
    for source, theirs in sources_held_out.items():
        here = (table["Source"] == source).to_numpy()
        films, chosen = table[here], judged(table[here])
        y, patients = films[list(FINDINGS)].to_numpy(int)[:, chosen], films["PatientId"].to_numpy()
        both = [scores[:, chosen] for scores in (patients_held_out[here], theirs)]
        means = [np.mean([auc(y[:, k], scores[:, k]) for k in range(len(chosen))]) for scores in both]
        drawn = [np.nanmean(bootstrap_aucs(y, scores, patients, ROUNDS), axis=1, keepdims=True) for scores in both]
        ((low, high),) = percentile_interval(drawn[1] - drawn[0])
        numbers = [round(float(number), 4) for number in (*means, means[1] - means[0], low, high)]
        rows.append((source, len(films), len(chosen), *numbers))
    columns = ["source", "films", "findings", "patients_held_out", "source_held_out", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=columns)

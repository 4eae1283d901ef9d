"""Is a large simulated draw like ChestX-ray14? The tables of the datasheet: python -m util population

What was measured on the label table of ChestX-ray14 (``Data_Entry_2017_v2020``, 112,120 films of 30,805 patients;
Wang et al. 2017, arXiv 1705.02315) stands here as aggregates; no row of that table is kept.
"""

import numpy as np
import pandas as pd

from util.command import argument_parser, command
from util.data.chestxray14 import LIFT, NATURAL_PREVALENCE, PERSONS, VIEW_RATIO
from util.findings import FINDINGS
from util.phantom.studies import MINED, sample_studies

N_FILMS, SEED = 112_120, 14  # of the datasheet's draw


def clustered_error(influence, patients):
    """Standard error of a mean-like statistic of films that cluster in patients.

    ``influence`` float (films,) or (films, k): what each film adds to the statistic's deviation (for a mean,
    (value - mean) / films). The films of a patient add up before they are squared, patients are independent
    (the linearised variance of cluster sampling, Binder 1983, doi 10.2307/1402588). Returns float or (k,).
    """
    sums = pd.DataFrame(influence).groupby(np.asarray(patients)).sum().to_numpy()
    error = np.sqrt(np.square(sums).sum(axis=0))
    return error if np.ndim(influence) > 1 else float(error[0])


def findings(table):
    """Mined labels of a natural draw beside ChestX-ray14, DataFrame by finding.

    Columns: real, simulated, error (prevalences and the simulated one's standard error, as shares); real_ratio, ratio
    (AP over PA) and ratio_error (standard error of the logarithm of ``ratio``).
    """
    mined, films, patients = table[MINED].to_numpy(float), len(table), table["PatientId"]
    share = mined.mean(axis=0)
    ratio, spread = 1.0, 0.0
    for view, power in (("AP", 1), ("PA", -1)):
        on = (table["View"] == view).to_numpy()[:, None]
        here = mined[on[:, 0]].mean(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):  # nan where no film of a view has the finding
            ratio = ratio * here**power
            spread = spread + power * on * (mined - here) / here / on.sum()
    return pd.DataFrame({
        "real": [NATURAL_PREVALENCE[finding] for finding in FINDINGS],
        "simulated": share,
        "error": clustered_error((mined - share) / films, patients),
        "real_ratio": [VIEW_RATIO[finding] for finding in FINDINGS],
        "ratio": ratio,
        "ratio_error": clustered_error(spread, patients),
    }, index=list(FINDINGS))  # fmt: skip


def company(table):
    """Lift of the pairs of LIFT in a natural draw, DataFrame by pair: real, simulated."""
    mined = table[MINED].set_axis(list(FINDINGS), axis=1).astype(float)
    lift = {(a, b): (mined[a] * mined[b]).mean() / mined[a].mean() / mined[b].mean() for a, b in LIFT}
    return pd.DataFrame({"real": LIFT, "simulated": lift})


def persons(table):
    """Views, persons and films per patient of a natural draw, DataFrame: real, simulated."""
    ages, labels = table["Age"], table[MINED].sum(axis=1)
    films_of = table["PatientId"].value_counts()
    quantiles = [ages.quantile(q) for q in (0.05, 0.25, 0.5, 0.75, 0.95)]
    simulated = [
        100 * (table["View"] == "AP").mean(), 100 * (table["Sex"] == "M").mean(), *quantiles, ages.std(),
        100 * (labels == 0).mean(), 100 * (labels > 1).mean(), films_of.mean(), 100 * (films_of == 1).mean(),
    ]  # fmt: skip
    return pd.DataFrame({"real": list(PERSONS.values()), "simulated": simulated}, index=list(PERSONS))


def report(table):
    """The three tables as Markdown."""
    lines = ["| finding | ChestX-ray14, % | simulated, % (SE) | AP/PA | simulated (SE) |", "|---|---|---|---|---|"]
    for name, row in findings(table).iterrows():
        share = f"{100 * row['real']:.2f} | {100 * row['simulated']:.2f} ({100 * row['error']:.2f})"
        ratio = f"{row['real_ratio']:.2f} | {row['ratio']:.2f} ({row['ratio'] * row['ratio_error']:.2f})"
        lines.append(f"| {name} | {share} | {ratio} |")
    lines += ["", "| together, times chance | ChestX-ray14 | simulated |", "|---|---|---|"]
    lines += [f"| {a}, {b} | {row['real']:.2f} | {row['simulated']:.2f} |" for (a, b), row in company(table).iterrows()]
    lines += ["", "| films and persons | ChestX-ray14 | simulated |", "|---|---|---|"]
    lines += [f"| {name} | {row['real']:.4g} | {row['simulated']:.4g} |" for name, row in persons(table).iterrows()]
    return "\n".join(lines)


@command()
def main(arguments=None):
    """Print the three tables; returns the exit code."""
    argument_parser("population", __doc__).parse_args(arguments)
    print(report(sample_studies(N_FILMS, SEED)))

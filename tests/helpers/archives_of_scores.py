"""Archives of scores for tests, written without a network and without films."""

import numpy as np
import pandas as pd

from util.archive.parts import GRAYS, HASHES, LOGITS, PROBS, arrow, schema
from util.archive.writing import open_archive
from util.findings import FINDINGS

IDENTITY = {
    "weights": "stub",
    "sha256": "0" * 64,
    "preprocessing": {"size": 32},
    "calibration": None,
    "features": False,
}


def write_archive(folder, table, films=50, features=None, **identity):
    """An archive with the rows of a DataFrame, so many films a part; columns that are missing are null."""
    width = 0 if features is None else features.shape[1]
    identity = IDENTITY | {"features": bool(width)} | identity
    columns = schema(width)
    rows = [{k: None if v is None or v != v else v for k, v in row.items()} for row in table.to_dict("records")]
    for number, row in enumerate(rows):
        row["key"] = number.to_bytes(16, "big")
        if width:
            row["features"] = features[number]
    with open_archive(folder, identity) as archive:
        for start in range(0, len(rows), films):
            archive.add(arrow().Table.from_pylist(rows[start : start + films], schema=columns))
        archive.finish({})
    return folder


def simulated_rows(films=400, patients=150, seed=0, shift=0.0):
    """Rows of an archive with films of patients that are alike: logits, gray levels, views, hashes."""
    rng = np.random.default_rng(seed)
    who = rng.integers(0, patients, films)
    of_patient = rng.normal(size=(patients, len(LOGITS) + len(GRAYS)))
    values = of_patient[who] + rng.normal(size=(films, of_patient.shape[1])) + shift
    table = pd.DataFrame(values, columns=[*LOGITS, *GRAYS])
    for logit, prob in zip(LOGITS, PROBS, strict=True):
        table[prob] = 1 / (1 + np.exp(-table[logit]))
    for word in HASHES:
        table[word] = rng.integers(0, 2**63, films, dtype=np.int64)
    table.insert(0, "name", [f"{seed}-{k:06}.png" for k in range(films)])
    table["patient"] = [f"patient {seed} {k}" for k in who]
    table["view"] = np.where(rng.random(patients)[who] < 0.6, "PA", "AP")
    table["gate"] = "familiar"
    return table


def labels_of(table, seed=0):
    """Labels for the films of `simulated_rows`: Image, PatientId and the findings, which go with the logits."""
    rng = np.random.default_rng(seed)
    labels = {f: (table[f"logit_{f}"] + rng.normal(size=len(table)) > 1.5).astype(int) for f in FINDINGS}
    return pd.DataFrame({"Image": table["name"], "PatientId": table["patient"]} | labels)

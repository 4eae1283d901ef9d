"""A hospital's tables as bytes, the same on every system, and the fingerprint that they give. Lesson 15."""

import io
import zipfile

import numpy as np
import pandas as pd

from util.hospital.folder import TABLES, fingerprint_of
from util.hospital.plan import Plan


def contents_of(plan: Plan) -> dict[str, bytes]:
    """The bytes of the tables that the fingerprint is of: dict file name -> bytes.

    See Also
    --------
    fingerprint : of these

    Examples
    --------
    >>> from util.hospital.plan import plan_hospital
    >>> from util.hospital.seal import OPEN
    >>> list(contents_of(plan_hospital("anna", OPEN)))
    ['films.csv', 'scores.csv', 'reread.csv', 'claims.csv']

    Taught in lesson 15, section 1.
    """
    names = [name for name in plan.scores if name != "Image"]
    scores = plan.scores.assign(**{name: plan.scores[name].map("{:.4f}".format) for name in names})
    claims = plan.claims.assign(claimed=plan.claims["claimed"].map("{:.4f}".format))
    tables = dict(zip(TABLES, (plan.films, scores, plan.reread, claims), strict=True))
    return {name: csv_bytes(table) for name, table in tables.items()}


def fingerprint(plan: Plan) -> str:
    """The fingerprint of a planned hospital, as hospital.json and a report have it.

    See Also
    --------
    util.hospital.folder.fingerprint_of : how it is computed

    Examples
    --------
    >>> from util.hospital.plan import plan_hospital
    >>> from util.hospital.seal import OPEN
    >>> len(fingerprint(plan_hospital("anna", OPEN)))
    64

    Taught in lesson 15, section 1.
    """
    return fingerprint_of(contents_of(plan))


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A table as CSV in UTF-8 with Unix line ends.

    See Also
    --------
    npz_bytes : the same for arrays

    Examples
    --------
    >>> csv_bytes(pd.DataFrame({"a": [1, 2]}))
    b'a\\n1\\n2\\n'
    """
    return table.to_csv(index=False, lineterminator="\n").encode()


def npz_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    """Arrays as a file for `numpy.load`, without the time and the system, which `numpy.savez` leaves to the zip library.

    See Also
    --------
    csv_bytes : the same for a table

    Examples
    --------
    >>> npz_bytes({"a": np.arange(2)}) == npz_bytes({"a": np.arange(2)})
    True
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            stored, entry = io.BytesIO(), zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            np.lib.format.write_array(stored, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
            entry.create_system = 3  # Unix, wherever it is written
            archive.writestr(entry, stored.getvalue())
    return buffer.getvalue()

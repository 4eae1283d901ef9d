"""Features of an archive as embeddings.npz, for a linear probe: written part by part, however many films there are."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

from util.archive.parts import read_manifest, read_parts
from util.errors import CourseError
from util.files import whole


def write_embeddings(folder: Path | str, out: Path | str) -> int:
    """Write names and features of all scored films; returns how many films these are.

    Parameters
    ----------
    folder : Path of an archive that was scored with --features
    out : Path of the file, such as embeddings.npz, which `util.models.embeddings.read_embeddings` reads

    Raises
    ------
    CourseError : the archive has no features or no films, or the file cannot be written.

    The file holds `names` (films), `vectors` float32 (films, features) and `model`. Here only one part is in memory; a
    probe reads them all, 8 kB a film.

    See Also
    --------
    util.models.embeddings.read_embeddings : reads the file

    Examples
    --------
    Not run by the tests, since it needs an archive.

    >>> write_embeddings("archive", "embeddings.npz")  # doctest: +SKIP
    """
    identity = read_manifest(folder)["identity"]
    if not identity.get("features"):
        raise CourseError(f"{folder} holds no features: score the films with --features, into a new folder.")
    films = longest = width = 0
    for table in read_parts(folder, ["name"]):
        films, longest = films + table.num_rows, max(longest, *map(len, table["name"].to_pylist()))
    if not films:
        raise CourseError(f"No film of {folder} is scored, so there are no features.")
    width = next(read_parts(folder, ["features"])).schema.field("features").type.list_size
    with whole(out) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as file:
        names = (np.array(t["name"].to_pylist(), f"U{longest}") for t in read_parts(folder, ["name"]))
        _array(file, "names", np.dtype(f"U{longest}"), (films,), names)
        vectors = (_vectors(table, width) for table in read_parts(folder, ["features"]))
        _array(file, "vectors", np.dtype("float32"), (films, width), vectors)
        model = np.array(f"{identity['weights']} ({identity['sha256'][:12]})")
        _array(file, "model", model.dtype, (), [model])
    return films


def _vectors(table, width):
    return table["features"].combine_chunks().flatten().to_numpy().reshape(-1, width)


def _array(file, name, dtype, shape, parts):
    """Write one array of an .npz from its parts, in order."""
    header = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, described)
    with file.open(f"{name}.npy", "w", force_zip64=True) as stream:
        stream.write(header.getvalue())
        for part in parts:
            stream.write(np.ascontiguousarray(part, dtype).tobytes())

"""Weights of other people's DenseNet-121, in three formats, read without running anything that lies in them.

Each reader gives the same thing, a `Foreign`; `util.models.formats.into_densenet` puts it into a model of ours. What a file may
cost, in bytes, steps and time, stands in `util.models.formats.limits`.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

from util.errors import CourseError
from util.models.formats.limits import Unreadable, contents, regular

SMALLEST = 1000  # bytes; whatever is smaller is a pointer to weights, not weights
HDF5, TORCH, CHECKPOINT, SAFETENSORS = "Keras 2 HDF5", "PyTorch", "TensorFlow checkpoint", "safetensors"
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch.save before 1.6 begins with a pickle of this number
TABLE_END = (0xDB4775248B80FB57).to_bytes(8, "little")  # last bytes of the index of a TensorFlow checkpoint
ENTRIES = 20_000  # in a zip; a PyTorch file of DenseNet-121 has 730, with an optimiser's state 2,000


@dataclass(frozen=True, eq=False)
class Foreign:
    """Weights of a DenseNet-121 in the order of Keras' layers.

    Attributes
    ----------
    layers : list of (name in the file, tuple of float32 arrays): kernel (h, w, in, out) of a convolution;
        gamma, beta, mean, variance (c,) of a batch norm; kernel (1024, k) and bias (k,) of the last, dense layer
    final_relu : bool, whether the network has a ReLU between its last batch norm and the global average
    epsilon : float, what its batch norms add to the variance
    named : bool, whether the names are those of Keras' layers, to be compared
    """

    layers: list
    final_relu: bool
    epsilon: float
    named: bool = False


def look_inside(path):
    """What a file of weights is, by its content: HDF5, TORCH, CHECKPOINT or SAFETENSORS, and the path to read.

    Parameters
    ----------
    path : str or Path; of a checkpoint its prefix, or one of its files

    Returns
    -------
    (str, Path)

    Raises
    ------
    CourseError : no such file, a pipe or a device, too large, or nothing that can be read here.
    """
    path = Path(path).expanduser()
    if _exists(f"{path}.index") and not _exists(path):
        return CHECKPOINT, path
    path, size = regular(path)
    try:
        with path.open("rb") as file:
            head = file.read(512)
            file.seek(max(0, size - 8))
            tail = file.read(8)
    except OSError as error:
        raise CourseError(f"{path} cannot be read ({error.strerror}): check its rights, or get it again.") from None
    prefix = Path(str(path).split(".data-")[0].removesuffix(".index"))
    if tail == TABLE_END or (prefix != path and _exists(f"{prefix}.index")):
        return CHECKPOINT, prefix
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return HDF5, path
    if head.startswith(LEGACY) or (head.startswith(b"PK\x03\x04") and _is_torch_zip(path)):
        return TORCH, path
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < size:
        return SAFETENSORS, path
    text = all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head)
    if text or size < SMALLEST:
        raise CourseError(
            f"{path} ({size} bytes) is an LFS pointer, a link or a web page, no weights: get the file itself."
        )
    raise CourseError(
        f"{path} is no file of weights that can be read here: Keras 2 HDF5, PyTorch, TensorFlow checkpoint."
    )


def open_zip(data):
    """A zip file's archive, once its table is known to be short and to name nothing twice.

    Parameters
    ----------
    data : bytes of the whole file
    """
    if data.count(b"PK\x01\x02") > ENTRIES:  # each entry of the table begins so; reading them costs half a kB each
        raise Unreadable(f"a zip of more than {ENTRIES:,} files")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise Unreadable(f"a damaged zip: {error}") from None
    names = archive.namelist()
    if len(set(names)) < len(names):
        raise Unreadable("a zip that names a file twice")
    return archive


def _is_torch_zip(path):
    try:
        return any(name.endswith("data.pkl") for name in open_zip(contents(path)).namelist())
    except Unreadable:
        return False


def _exists(path):
    """Whether there is something of that name; a path that no system takes is none."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False

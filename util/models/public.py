"""Public weights of DenseNet-121 on chest films. Each file has a record, so that it always gets its own preprocessing.

    python -m util public-weights                              the records
    python -m util public-weights --record-hash NAME FILE ...  what to add to a record after a manual download

The records were taken from the repositories and commits that they name. The machines on which this was written could
not download the files, so readers and records are tested on files of the same structure.
"""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from util.command import argument_parser, command
from util.data.download import Remote, download, git_sha1, raw, source
from util.errors import CourseError
from util.findings import FINDINGS
from util.models.formats.kinds import CHECKPOINT, HDF5, TORCH, look_inside
from util.models.formats.limits import LARGEST, contents, regular
from util.models.passport import SIZES, Passport
from util.models.preprocessing import Preprocessing

if TYPE_CHECKING:
    import keras

XRV_RELEASE = "https://github.com/mlmed/torchxrayvision/releases/download/v1"
XRV_LABELS = (
    "Atelectasis", "Consolidation", "Infiltration", "Pneumothorax", "Edema", "Emphysema", "Fibrosis", "Effusion",
    "Pneumonia", "Pleural_Thickening", "Cardiomegaly", "Nodule", "Mass", "Hernia",
)  # fmt: skip
XRV_INPUT = Preprocessing(224, 127.5, 255 / 2048, "crop")  # (2 x / 255 - 1) * 1024
WANG_LABELS = (
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax",
    "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia",
)  # fmt: skip
CHEXNET_TF2 = "tmarkmann/chexnet-tf2", "c93cf47620a956a2ad25f952250ea0ecd7b90e4e"


@dataclass(frozen=True)
class Record:
    """All that is known about one public file of weights.

    Attributes
    ----------
    name : str
    files : tuple of util.data.download.Remote; a hash that is not recorded is None
    format : HDF5, TORCH or CHECKPOINT of util.models.formats.kinds
    labels : names of the outputs in the file's order, empty if the file's owner has to give them; those that the course
        does not have are dropped
    preprocessing : util.models.preprocessing.Preprocessing, or None if the file's owner has to give it
    channels : int, of the films that the network was trained on; one channel is read as three equal ones
    final_relu : bool, whether there is a ReLU between the last batch norm and the average
    origin, training, output, licence : str, for the passport
    """

    name: str
    files: tuple
    format: str
    labels: tuple
    preprocessing: Preprocessing | None
    channels: int
    final_relu: bool
    origin: str
    training: str
    output: str
    licence: str

    @property
    def recorded(self) -> bool:
        """Whether every file has a SHA-256, without which nothing is downloaded."""
        return bool(self.files) and all(file.sha256 for file in self.files)


RECORDS = {
    record.name: record
    for record in (
        Record(
            "xrv-all",
            (
                Remote(
                    f"{XRV_RELEASE}/nih-pc-chex-mimic_ch-google-openi-kaggle-densenet121-d121-tw-lr001-rot45-tr15-sc15-"
                    "seed0-best.pt",
                    "xrv-all.pt",
                    28_382_008,
                    "56524913dd16a906422e8d8b66a7a5c46be1d82eb7ac012d8103776f1aa68899",
                ),
            ),
            TORCH,
            (*XRV_LABELS, "Lung Lesion", "Fracture", "Lung Opacity", "Enlarged Cardiomediastinum"),
            XRV_INPUT,
            1,
            True,
            "torchxrayvision's densenet121-res224-all (github.com/mlmed/torchxrayvision, release v1)",
            "seven data sets, NIH's ChestX-ray14 among them; which of its films is not recorded here",
            "logits, without torchxrayvision's own rescaling, which moves its threshold to .5; not calibrated",
            "Apache-2.0",
        ),
        Record(
            "xrv-nih",
            (Remote(f"{XRV_RELEASE}/nih-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt", "xrv-nih.pt"),),
            TORCH,
            (*XRV_LABELS, "", "", "", ""),
            XRV_INPUT,
            1,
            True,
            "torchxrayvision's densenet121-res224-nih (github.com/mlmed/torchxrayvision, release v1)",
            "films of NIH's ChestX-ray14; which of them is not recorded here",
            "logits, without torchxrayvision's own rescaling; not calibrated",
            "Apache-2.0",
        ),
        Record(
            "chexnet-tf2",
            (
                Remote(
                    raw(*CHEXNET_TF2, "checkpoint/chexnet/best/cp.ckpt.index"),
                    "cp.ckpt.index",
                    sha256="6527978f76ee71f630a8176968fbb887d9a5450751fe88f3fb922c64e761f8d9",
                ),
                Remote(
                    raw(*CHEXNET_TF2, "checkpoint/chexnet/best/cp.ckpt.data-00000-of-00001"),
                    "cp.ckpt.data-00000-of-00001",
                    git="e2caf9b8f32c4b815c9a3890617589b3bf5758b2",
                ),
            ),
            CHECKPOINT,
            WANG_LABELS,
            Preprocessing(224, 0.0, 255.0),
            3,
            True,
            f"chexnet-tf2 (github.com/tmarkmann/chexnet-tf2, commit {CHEXNET_TF2[1][:12]}), AUC unpublished",
            "films of NIH's ChestX-ray14; which of them is not recorded here",
            "logits; not calibrated",
            "MIT",
        ),
        Record(
            "keras2",
            (),
            HDF5,
            (),
            None,
            3,
            True,
            f"a file of your own ({HDF5})",
            "what its owner knows of it: the file does not say",
            "logits; what their sigmoid means depends on the loss it was trained with",
            "what its owner says",
        ),
    )
}


def find_record(name: str) -> Record:
    """The record of that name."""
    if name not in RECORDS:
        raise CourseError(f"There is no record {name!r} of public weights: there are {', '.join(RECORDS)}.")
    return RECORDS[name]


def fetch_weights(record: Record) -> Path:
    """Path of public weights in this user's cache, downloaded if absent, and verified in either case.

    Raises
    ------
    CourseError : no hash of them is recorded, or the download fails; the message says what to do by hand.
    """
    how = f'load_pretrained("{record.name}", path=...)'
    if not record.recorded:
        addresses = " and ".join(file.url for file in record.files) or "your own source"
        raise CourseError(
            f"The weights {record.name} are known, but nobody has recorded the SHA-256 of all their files, so they are "
            f"not downloaded: get them by hand from {addresses}, then {how}."
        )
    import pooch

    folder = Path(pooch.os_cache("chest-xray-course"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [download(file, folder, replace=True) for file in record.files]  # a cache of the course's own
        return paths[0]
    except CourseError as error:
        raise CourseError(f"{error} From anywhere else: {how}.") from None
    except OSError as error:
        raise CourseError(
            f"{folder} cannot be written ({error.strerror}): get {source(record.files[0].url)}, then {how}."
        ) from None


def load_foreign(
    name: str | None = None,
    path: Path | str | None = None,
    findings: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
) -> tuple[keras.Model, Preprocessing, dict[str, Any]]:
    """A DenseNet-121 with public weights or those of a user's file; the kind of file is recognized by its content.

    Parameters
    ----------
    name : str, of a record; without it, the record is found by the hash of the file or, failing that, by its kind
    path : str or Path of a file (for a checkpoint, its prefix or one of its files), or None to download the record's
    findings : for a file of your own: the names of its outputs in their order, which no format records; they must
        include the course's 14
    preprocessing : for a file of your own: its util.models.preprocessing.Preprocessing

    Returns
    -------
    (keras.Model, Preprocessing, passport), with the outputs in the course's order

    Raises
    ------
    CourseError : the file is not the one of the record, has a different architecture, or its preprocessing is unknown.
    """
    from util.models.densenet import build_densenet
    from util.models.formats.into_densenet import put, read_foreign

    record = find_record(name) if name else None
    kind, file = look_inside(path or fetch_weights(record))
    prints = fingerprints(_parts(kind, file))
    record = _matching(record, kind, prints["hashes"], file)
    given = findings is not None or preprocessing is not None
    if record.name in RECORDS and record.preprocessing is not None and given:
        raise CourseError(
            f"Findings and preprocessing of {record.name} are on record: leave findings= and preprocessing= out."
        )
    preprocessing = record.preprocessing if preprocessing is None else preprocessing
    labels = _labels(file, record.labels if findings is None else findings)
    _check_preprocessing(file, preprocessing)
    foreign = read_foreign(kind, file, record.final_relu)
    model = build_densenet(preprocessing.size, foreign.final_relu)
    put(foreign, model, labels, FINDINGS, file)
    return model, preprocessing, _passport(record, prints, labels, preprocessing)


def _parts(kind, file):
    """The files that the weights consist of; a CourseError if they are too large together."""
    parts = [file]
    if kind == CHECKPOINT:
        parts = [Path(f"{file}.index"), *sorted(file.parent.glob(f"{glob.escape(file.name)}.data-*"))]
    if sum(regular(part)[1] for part in parts) > LARGEST:
        raise CourseError(f"{file} has more than {LARGEST // 10**6} MB: no DenseNet-121 needs so many.")
    return parts


def fingerprints(parts: Iterable[Path]) -> dict[str, Any]:
    """What identifies files, a dict: `hashes` (SHA-256 and git's SHA-1 of each), `sha256` of all together, `bytes`."""
    whole, hashes, size = hashlib.sha256(), set(), 0
    for part in parts:
        data = contents(part)
        whole.update(data)
        size += len(data)
        hashes |= {hashlib.sha256(data).hexdigest(), git_sha1(data)}
    return {"hashes": hashes, "sha256": whole.hexdigest(), "bytes": size}


def _labels(file, labels):
    """The names of a file's outputs, each of the course's findings once."""
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
        raise CourseError(f"findings= is a list of names, one for each output of {file}, in their order.")
    labels = tuple(labels)
    absent = [finding for finding in FINDINGS if labels.count(finding) != 1]
    if absent:
        raise CourseError(
            f"{absent[0]} is not once among the labels of {file}: the file does not say which output is which, so give "
            "findings= in the order of its outputs (util.findings.FINDINGS where that is the course's)."
        )
    return labels


def _check_preprocessing(file, preprocessing):
    if preprocessing is None:
        raise CourseError(
            f"{file} does not say how its films were prepared, and a guess would be a silent error: give "
            "preprocessing=Preprocessing(size, mean, std) with the gray levels of its training films."
        )
    if not isinstance(preprocessing, Preprocessing) or preprocessing.size not in SIZES:
        raise CourseError(
            f"preprocessing= of {file} is a util.models.preprocessing.Preprocessing for films of {SIZES[0]} to "
            f"{SIZES[-1]} pixels."
        )


def _matching(record, kind, hashes, file):
    """The record of these bytes, or of this kind of file; refuses bytes that contradict the record asked for."""
    if record is None:
        known = [r for r in RECORDS.values() if {h for f in r.files for h in (f.sha256, f.git) if h} & hashes]
        own = Record(
            "your own", (), kind, (), None, 3, True, f"a file of your own ({kind})", RECORDS["keras2"].training,
            RECORDS["keras2"].output, RECORDS["keras2"].licence,
        )  # fmt: skip
        return known[0] if known else own
    if kind != record.format:
        raise CourseError(f"{file} is a file of {kind}, and {record.name} is one of {record.format}.")
    strangers = [f.name for f in record.files if (f.sha256 or f.git) and not {f.sha256, f.git} & hashes]
    if strangers:
        raise CourseError(
            f"{file} is not {record.name}: its hash is another. For weights of your own leave the name out and give "
            "findings= and preprocessing=."
        )
    return record


def _passport(record, prints, labels, preprocessing):
    unproved = "" if record.recorded else "; no SHA-256 of it is on record, so nothing proves which file it is"
    return Passport(
        name=record.name,
        sha256=prints["sha256"],
        bytes=prints["bytes"],
        origin=record.origin + unproved,
        films="real",
        training=record.training,
        labels=tuple(labels),
        preprocessing=preprocessing,
        output=record.output,
        licence=record.licence,
    ).entries()


@command()
def main(arguments: Sequence[str] | None = None) -> int | None:
    """Run the command; returns the exit code."""
    parser = argument_parser("public-weights", __doc__)
    parser.add_argument(
        "--record-hash", nargs="+", metavar="NAME FILE", help="print size and hashes of a record's files"
    )
    options = parser.parse_args(arguments)
    if options.record_hash:
        record_hash(*options.record_hash)
    for record in () if options.record_hash else RECORDS.values():
        state = "loads by name" if record.recorded else "from a path only"
        print(f"{record.name:12} {record.format:22} {record.licence:20} {state:17} {record.origin}")


def record_hash(name: str, *paths: Path | str) -> None:
    """Print what belongs in a record, after checking that the files are a DenseNet-121 of that record's structure."""
    record = find_record(name)
    if len(paths) != max(1, len(record.files)):
        raise CourseError(f"{name} has {max(1, len(record.files))} files, and {len(paths)} are named.")
    load_foreign(name, paths[0])
    for path, file in zip(paths, record.files, strict=True):
        data = contents(path)
        hashes = f'"{hashlib.sha256(data).hexdigest()}", "{git_sha1(data)}"'
        print(f'Remote("{file.url}", "{file.name}", {len(data)}, {hashes})')

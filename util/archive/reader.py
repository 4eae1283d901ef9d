"""One film after another, read in a process of its own: a film that hangs, crashes or takes too much memory costs only itself.

    python -m util.archive.reader      what `util.archive.readers` starts

The process gets references on standard input and answers on standard output. It has no network in it and no TensorFlow.
What it answers holds no path and no text of a header: views and hashes alone.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import pickle
import re
import struct
import sys
import threading
import time
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image

from util.data.film_hash import hash_if_any
from util.data.formats.dicom_header import looks_like_dicom, read_header
from util.data.formats.png_jpeg import BYTES, Refused, check_bytes, read_bytes
from util.data.own_film import gray_of_film
from util.errors import CourseError

if TYPE_CHECKING:
    from util.archive.sources import FilmRef

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)  # of the gray levels of a film
NIH_NAME = re.compile(r"(?:.*/)?(\d{8})_\d{3}\.\w+")
PLACES = {"Modality": 0x00080060, "SOPClassUID": 0x00080016, "ViewPosition": 0x00185101, "PatientID": 0x00100020,
          "StudyInstanceUID": 0x0020000D}  # fmt: skip
FRONTAL, SIDE = ("PA", "AP"), ("LL", "RL", "LATERAL", "LAT", "LPO", "RPO", "LAO", "RAO", "OBLIQUE", "LLO", "RLO")
DAMAGED = (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError)  # what a member of a zip raises
LOCKED = ("is locked by a password in the zip", "unlock it")
NOT_SENT = "the store did not send it"  # the reason of a film that is there, when its store does not answer
FILMS = ("CR", "DX", "DR", "RG", "PX", "RF", "OT", "SC", "")  # modalities that may be films; others are not chest films


class NotSent(Exception):
    """A store did not send a film that it lists; the message is the kind of its error.

    See Also
    --------
    util.archive.run.score_archive : tries such films again, and ends where a store sends none

    Examples
    --------
    >>> str(NotSent("ConnectionError"))
    'ConnectionError'
    """


@dataclass(frozen=True)
class Setting:
    """What a reader does with every film.

    Attributes
    ----------
    preprocessing : util.models.preprocessing.Preprocessing
    gate : util.models.input_gate.Gate or None
    salt : bytes that names are hashed with, or None
    memory : int, bytes beyond what the process has at its start (Linux)

    See Also
    --------
    read_ref : takes it

    Examples
    --------
    >>> Setting(preprocessing=None).memory
    3000000000
    """

    preprocessing: object
    gate: object = None
    salt: bytes | None = None
    memory: int = 3_000_000_000


def hashed(text: str, salt: bytes) -> str:
    """What stands for a name: 32 hexadecimal digits that only the holder of the salt can make of it (HMAC-SHA-256).

    See Also
    --------
    util.archive.parts.shown_name : where it is used

    Examples
    --------
    >>> len(hashed("Doe_Jane.dcm", b"salt")), hashed("a", b"salt") == hashed("a", b"another salt")
    (32, False)
    """
    return hmac.new(salt, text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()[:32]


def read_ref(ref: FilmRef, setting: Setting) -> tuple[dict, np.ndarray | None]:
    """Facts of one film, and the input of a network, float32 (size, size, 1 or 3).

    Returns
    -------
    (dict, array); where the film is refused, `refused` in the dict has the reason, and the array is None

    See Also
    --------
    util.archive.readers.Readers : reads many films

    Examples
    --------
    Not run by the tests, since it needs a film.

    >>> facts, film = read_ref(ref, setting)  # doctest: +SKIP
    """
    facts = {}
    try:
        return facts, _film(ref, setting, facts)
    except Refused as refused:
        reason = f"it {refused.reason}: {refused.advice or 'export the film again'}"
    except FileNotFoundError:
        reason = "there is no such file"
    except OSError as error:
        reason = f"it cannot be read: {(error.strerror or type(error).__name__).lower()}"
    except MemoryError:
        reason = f"reading it takes more than {setting.memory / 1e9:g} GB of memory"
    except CourseError as error:
        reason = str(error)
    except NotSent as error:
        reason = f"{NOT_SENT} ({error})"
    except Exception as error:  # a bad film never costs the others; a message might repeat text of the file
        reason = f"it cannot be read: {type(error).__name__}"
    return facts | {"refused": reason}, None


def _film(ref, setting, facts):
    data = _fetch(ref)
    check_bytes(len(data))
    digest = hashlib.sha256(data).hexdigest()
    facts["sha256"] = hashed(digest, setting.salt) if setting.salt else digest
    dicom = bool(data) and looks_like_dicom(data)
    if dicom:
        facts |= _of_header(data, setting)
    elif found := NIH_NAME.fullmatch(ref.name):
        facts["patient"] = hashed(found[1], setting.salt) if setting.salt else found[1]
    film = gray_of_film(data)
    facts |= measures(film)
    if setting.gate is not None and min(film.shape) >= 16:
        verdict = setting.gate(film)
        facts["gate"] = "familiar" if verdict.familiar else "unfamiliar" if verdict.frontal else "not frontal"
    if dicom and facts.get("view") is None and facts.get("gate") == "not frontal":
        raise Refused("does not look like an upright frontal chest film, and its header names no view", "look at it")
    ready = setting.preprocessing(film)
    one = np.ndim(setting.preprocessing.mean) == np.ndim(setting.preprocessing.std) == 0
    return np.ascontiguousarray(ready[..., :1] if one else ready)


def _of_header(data, setting):
    """View of a DICOM file, and salted hashes of patient and study; refuses what its header calls no frontal film."""
    header = read_header(memoryview(data), PLACES)
    facts, view, modality = {}, header.text("ViewPosition"), header.text("Modality")
    if modality not in FILMS:
        raise Refused("is not a radiograph by the modality in its header", "leave it out")
    if view in SIDE:
        raise Refused("is not a frontal film by the view in its header", "leave it out")
    if view in FRONTAL:
        facts["view"] = view
    if setting.salt:
        for fact, keyword in (("patient", "PatientID"), ("study", "StudyInstanceUID")):
            if text := header.text(keyword):
                facts[fact] = hashed(f"{keyword} {text}", setting.salt)
    return facts


def measures(film: np.ndarray) -> dict:
    """Size, gray levels and perceptual hash of a film, uint8 (h, w): a dict of numbers.

    See Also
    --------
    util.data.film_hash.film_hash : the perceptual hash

    Examples
    --------
    >>> found = measures(np.full((20, 30), 7, np.uint8))
    >>> found["height"], found["gray_mean"], found["gray_50"], "hash_0" in found
    (20, 7.0, 7.0, False)
    """
    counts = np.array(Image.fromarray(film).histogram())  # several times faster than NumPy's bincount
    levels, total = np.arange(256), film.size
    mean = float(counts @ levels / total)
    spread = float(np.sqrt(max(0.0, counts @ np.square(levels - mean) / total)))
    below = np.cumsum(counts)
    facts = {"height": film.shape[0], "width": film.shape[1], "gray_mean": mean, "gray_sd": spread}
    for percent in PERCENTILES:  # the lowest level with at least so many percent of the pixels at or below it
        facts[f"gray_{percent}"] = float(np.searchsorted(below, percent / 100 * total))
    words = hash_if_any(film)
    return facts if words is None else facts | {f"hash_{k}": int(word) for k, word in enumerate(words)}


# --- Bytes -----------------------------------------------------------------------------------------


def _fetch(ref: FilmRef) -> bytes:
    """The bytes of a film wherever it is, at most one more than a film may have."""
    if ref.data is not None:
        return ref.data
    check_bytes(ref.size)
    if ref.kind == "folder":
        os.listdir(ref.place)  # says why
        raise Refused("is a folder that could not be listed a moment ago", "start the command again with --again")
    if ref.kind == "deep":
        raise Refused("is a folder within too many folders", "move its films up")
    if ref.kind == "file":
        return read_bytes(Path(ref.place))
    if ref.kind == "zip":
        try:
            with _zip(ref.place, os.stat(ref.place).st_mtime_ns).open(ref.member) as file:
                return file.read(BYTES + 1)
        except DAMAGED:  # before RuntimeError: a method of packing that Python lacks is a NotImplementedError
            raise Refused("is damaged in the zip", "pack it again") from None
        except RuntimeError:
            raise Refused(*LOCKED) from None
    if ref.kind == "tar":
        return _from_tar(ref)
    return _from_store(ref)


def _from_store(ref):
    import fsspec

    try:
        system, _ = fsspec.core.url_to_fs(ref.place)
        with system.open(ref.member, "rb") as file:
            return file.read(BYTES + 1)
    except (FileNotFoundError, PermissionError, zlib.error, *DAMAGED):
        raise  # of this film alone: the store did answer
    except Exception as error:  # every store has errors of its own
        if isinstance(error, RuntimeError) and "password" in str(error):  # the film is in a zip within the store
            raise Refused(*LOCKED) from None
        raise NotSent(type(error).__name__) from None


def _from_tar(ref):
    if ref.size < 0:  # of a damaged header; to read so many bytes would be to read all of the tar
        raise Refused("is damaged in the tar", "pack it again")
    with open(ref.place, "rb") as file:
        file.seek(ref.offset)
        data = file.read(ref.size)
    if len(data) != ref.size:
        raise Refused("is cut short in the tar", "pack it again")
    return data


@lru_cache(maxsize=1)
def _zip(place, _changed):
    return zipfile.ZipFile(place)


# --- The process -----------------------------------------------------------------------------------


def send(stream: BinaryIO, data: bytes) -> None:
    """Write bytes to a stream, with their number before them.

    See Also
    --------
    receive : the other end

    Examples
    --------
    >>> import io
    >>> stream = io.BytesIO()
    >>> send(stream, b"film")
    >>> len(stream.getvalue())
    12
    """
    stream.write(struct.pack("<Q", len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: BinaryIO) -> bytes:
    """The next bytes from a stream; EOFError where it has ended.

    See Also
    --------
    send : the other end

    Examples
    --------
    >>> import io
    >>> receive(io.BytesIO(b"\\x04" + bytes(7) + b"film"))
    b'film'
    """
    head = stream.read(8)
    data = stream.read(struct.unpack("<Q", head)[0]) if len(head) == 8 else b""
    if len(head) < 8 or len(data) < struct.unpack("<Q", head)[0]:
        raise EOFError
    return data


def _pack(facts: dict, film: np.ndarray | None) -> bytes:
    """An answer as bytes: JSON and numbers. A file that takes over its reader cannot make the command run anything."""
    text = json.dumps([facts, None if film is None else film.shape]).encode()
    return struct.pack("<Q", len(text)) + text + (b"" if film is None else film.tobytes())


def unpack(data: bytes) -> tuple[dict, np.ndarray | None]:
    """Facts and film, float32, of an answer.

    See Also
    --------
    receive : the bytes of an answer

    Examples
    --------
    >>> unpack(_pack({"height": 2}, np.ones((2, 1, 1), np.float32)))[1].shape
    (2, 1, 1)
    """
    (length,) = struct.unpack_from("<Q", data)
    facts, shape = json.loads(data[8 : 8 + length])
    return facts, None if shape is None else np.frombuffer(data, np.float32, offset=8 + length).reshape(shape)


def _limit(memory):
    """Limit the memory of this process (Linux); no core is dumped, for a core holds pixels and headers."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {"RLIMIT_CORE": 0}
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limits["RLIMIT_AS"] = pages * resource.getpagesize() + memory
    for name, most in limits.items():
        _, hard = resource.getrlimit(number := getattr(resource, name))
        resource.setrlimit(number, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _end_with(parent):
    """End this process when the one that started it has ended, even while a film hangs."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def main() -> int:
    """Answer until standard input ends; returns the exit code.

    See Also
    --------
    util.archive.readers.Readers : starts it

    Examples
    --------
    Not run by the tests, since it reads standard input.

    >>> main()  # doctest: +SKIP
    """
    answers, questions = os.fdopen(os.dup(1), "wb"), sys.stdin.buffer
    os.dup2(2, 1)  # what a library prints is no answer
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        setting = pickle.loads(receive(questions))  # of the command that started this process
        _limit(setting.memory)
        send(answers, b"ready")
        while True:
            send(answers, _pack(*read_ref(pickle.loads(receive(questions)), setting)))
    except (EOFError, BrokenPipeError):
        return 0


if __name__ == "__main__":
    from util.archive import reader  # so that what is pickled has the same names on both sides

    sys.exit(reader.main())

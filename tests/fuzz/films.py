"""Films to try the readers with: valid ones in many encodings, each with the gray levels that are right, and broken ones.

The encoders and the gray pipeline here share no code with `util`: they work forwards, from values to bytes, as
PS3.3 C.7.6.3, C.11.1 and C.11.2 and the PNG specification define them.

    python -m tests.fuzz films --cases 10000
"""

import struct
import time
import zlib
from io import BytesIO

import numpy as np
from PIL import Image

from tests.fuzz import dicom_writer
from tests.fuzz.mutate import broken

SLOWEST, LONGEST = 5.0, 400  # seconds for a film, characters of a sentence
EXIF = {  # EXIF orientation -> how an upright film is stored
    1: lambda film: film,
    2: lambda film: film[:, ::-1],
    3: lambda film: film[::-1, ::-1],
    4: lambda film: film[::-1],
    5: lambda film: film.T,
    6: lambda film: np.rot90(film),
    7: lambda film: np.rot90(film, 2).T,
    8: lambda film: np.rot90(film, -1),
}


def a_film(rng):
    """A picture with dark and bright fields and fine noise: float (h, w), 0 to 1, both ends reached."""
    height, width = rng.integers(18, 48, 2)
    coarse = Image.fromarray(rng.random((4, 5), np.float32)).resize((int(width), int(height)), Image.Resampling.BICUBIC)
    film = np.asarray(coarse, float) + rng.normal(0, 0.02, (height, width))
    return (film - film.min()) / (film.max() - film.min())


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def exif(orientation, order):
    """The least EXIF data that states an orientation."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(f"{order}IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def a_png(rng):
    """(bytes, right gray levels, how far off they may be, name)."""
    orientation, depth = int(rng.choice([1, 1, *EXIF])), int(rng.choice([8, 16, 16]))
    bits = int(rng.integers(8, 17)) if depth == 16 else 8
    colour = int(rng.choice([0, 2, 4, 6] if depth == 16 else [0, 2, 3, 4, 6]))
    film = np.rint(a_film(rng) * (2**bits - 1)).astype(int)
    right = film * 255.0 / (2**bits - 1)
    stored = EXIF[orientation](film)
    height, width = stored.shape
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    samples = np.repeat(stored[..., None], channels, axis=-1)
    if colour in (4, 6):
        samples[..., -1] = 2**depth - 1
    palette = b""
    if colour == 3:  # a palette that runs backwards
        samples = 255 - samples
        palette = png_chunk(b"PLTE", bytes(np.repeat(255 - np.arange(256), 3).astype(np.uint8)))
    rows = samples.astype(">u2" if depth == 16 else "u1").reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    extra = png_chunk(b"eXIf", exif(orientation, rng.choice(["<", ">"]))) if orientation > 1 else b""
    late = bool(rng.integers(2))
    data = b"".join([
        b"\x89PNG\r\n\x1a\n", png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)),
        png_chunk(b"tEXt", b"Comment\0" + rng.bytes(9)), palette, b"" if late else extra,
        png_chunk(b"IDAT", zlib.compress(raw)), extra if late else b"", png_chunk(b"IEND", b""),
    ])  # fmt: skip
    return data, right, 1.01, f"PNG, {bits} bits in {depth}, colour type {colour}, orientation {orientation}"


def a_jpeg(rng):
    orientation, mode = int(rng.choice([1, 1, *EXIF])), str(rng.choice(["L", "RGB", "CMYK"]))
    film = np.rint(a_film(rng) * 255).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(EXIF[orientation](film))).convert(mode)
    tags = image.getexif()
    tags[0x0112] = orientation
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=99, exif=tags, progressive=bool(rng.integers(2)), comment=rng.bytes(5))
    return buffer.getvalue(), film.astype(float), 8, f"JPEG, {mode}, orientation {orientation}"


def a_dicom(rng):
    return dicom_writer.a_dicom(a_film(rng), rng)


def cases(seed, count, valid=1 / 3):
    """Yield (bytes, right gray levels or None, how far off they may be, name) of `count` films."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        data, right, within, name = [a_png, a_jpeg, a_dicom, a_dicom][rng.integers(4)](rng)
        if rng.random() < valid:
            yield data, right, within, name
        else:
            data, how = broken(data, rng)
            yield data, None, 0, f"{name}: {how}"


def verdict(read, data, right, within, error):
    """How a reader does with one film: ('refused', 'read', 'traceback' or 'wrong', what was seen)."""
    try:
        film = read(data)
    except error as refused:
        sentence = str(refused)
        if right is not None or "\n" in sentence or len(sentence) > LONGEST or not sentence.isprintable():
            return "wrong", sentence
        return "refused", sentence
    except Exception as traceback:
        return "traceback", f"{type(traceback).__name__}: {traceback}"
    if film.dtype != np.uint8 or film.ndim != 2 or film.size == 0:
        return "wrong", f"{film.dtype} {film.shape}"
    if right is None:
        return "read", ""
    if film.shape != right.shape:
        return "wrong", f"{film.shape}, not {right.shape}"
    off = np.abs(film - np.clip(right, 0, 255)).max()
    return ("read", "") if off <= within else ("wrong", f"off by {off:.1f} gray levels")


def run(count, seed=0, valid=1 / 3):
    """Read `count` films of one's own, and those without DICOM as films of a cohort too.

    Returns
    -------
    dict, a row of the table of `python -m tests.fuzz`: tried, refused, read_right, tracebacks, wrong, slowest_s, and
    `told`, a list of what went wrong
    """
    from util.data.own_film import read_own_film
    from util.errors import CourseError

    row = {"tried": 0, "refused": 0, "read_right": 0, "tracebacks": 0, "wrong": 0, "slowest_s": 0.0, "told": []}
    column = {"refused": "refused", "read": "read_right", "traceback": "tracebacks", "wrong": "wrong"}
    for data, right, within, name in cases(seed, count, valid):
        started = time.perf_counter()
        kind, seen = verdict(read_own_film, data, right, within, CourseError)
        row["slowest_s"] = max(row["slowest_s"], time.perf_counter() - started)
        row["tried"] += 1
        row[column[kind]] += 1
        if kind in ("traceback", "wrong"):
            row["told"].append(f"{name}: {seen}")
    return row

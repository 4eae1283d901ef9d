"""Valid films in DICOM, written byte by byte, each with the gray levels that a viewer shows."""

import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import Image

LONG = (b"OB", b"OW", b"SQ", b"UN", b"UT")
IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED, RLE, JPEG, JPEG_2000 = (
    EXPLICIT + ".99",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.90",
)


class Writer:
    """Elements of a data set, in one byte order and with or without stated VRs."""

    def __init__(self, explicit=True, order="<"):
        self.explicit, self.order, self.elements = explicit, order, {}

    def put(self, group, number, vr, value):
        self.elements[group, number] = vr, value

    def short(self, number, *values, group=0x28, vr="US"):
        kind = "H" if vr == "US" else "h"
        self.put(group, number, vr, struct.pack(f"{self.order}{len(values)}{kind}", *values))

    def text(self, number, text, group=0x28, vr="DS"):
        text = text.encode()
        self.put(group, number, vr, text + b" " * (len(text) % 2))

    def sequence(self, number, item, open_ended, group=0x28):
        body = item.bytes()
        if open_ended:
            value = self.mark(0xE000, 0xFFFFFFFF) + body + self.mark(0xE00D, 0) + self.mark(0xE0DD, 0)
        else:
            value = self.mark(0xE000, len(body)) + body
        self.put(group, number, "SQ", (value, open_ended))

    def mark(self, number, length):
        return struct.pack(f"{self.order}HHI", 0xFFFE, number, length)

    def element(self, tag, vr, value):
        open_ended = isinstance(value, tuple) and value[1]
        value = value[0] if isinstance(value, tuple) else value
        length, tag = 0xFFFFFFFF if open_ended else len(value), struct.pack(f"{self.order}HH", *tag)
        if not self.explicit:
            return tag + struct.pack(f"{self.order}I", length) + value
        vr = vr.encode()
        if vr in LONG:
            return tag + vr + b"\0\0" + struct.pack(f"{self.order}I", length) + value
        return tag + vr + struct.pack(f"{self.order}H", length) + value

    def bytes(self):
        return b"".join(self.element(tag, *self.elements[tag]) for tag in sorted(self.elements))


def look_up(values, first, entries):
    return entries[np.clip(values - first, 0, len(entries) - 1).astype(int)]


def a_dicom(film, rng):
    """(bytes, right gray levels, how far off they may be, name) of a film, float (h, w) from 0 to 1."""
    syntax = str(rng.choice([IMPLICIT, EXPLICIT, EXPLICIT, BIG, DEFLATED, RLE, JPEG, JPEG_2000]))
    out = Writer(syntax != IMPLICIT, ">" if syntax == BIG else "<")
    kind = "plain" if syntax in (JPEG, JPEG_2000) else str(rng.choice(["plain"] * 5 + ["palette", "RGB", "YBR"]))
    out.short(0x10, film.shape[0])
    out.short(0x11, film.shape[1])
    _people_and_sequences(out, rng)
    make = {"plain": _plain, "palette": _palette}.get(kind, _colour)
    codes, right, within, words = make(out, film, rng, syntax, kind)
    _pixels(out, codes, syntax, rng)
    if rng.random() < 0.2:
        out.put(0xFFFC, 0xFFFC, "OB", b"\0" * int(rng.integers(0, 40)) * 2)
    return _file(out, syntax, rng), right, within, f"DICOM {syntax}, {words}"


def _people_and_sequences(out, rng):
    out.text(0x10, "Doe^Jane", group=0x10, vr="PN")
    out.text(0x05, "ISO_IR 100", group=0x08, vr="CS")
    if rng.random() < 0.3:
        icon = Writer(out.explicit, out.order)
        icon.short(0x10, 2)
        icon.short(0x11, 2)
        icon.put(0x7FE0, 0x10, "OB", b"\1\2\3\4")
        out.sequence(0x0200, icon, bool(rng.integers(2)), group=0x88)
    if rng.random() < 0.3:
        inner, outer = Writer(out.explicit, out.order), Writer(out.explicit, out.order)
        inner.text(0x0104, "a view", group=0x08, vr="LO")
        outer.sequence(0x0220, inner, bool(rng.integers(2)), group=0x54)
        out.sequence(0x0220, outer, bool(rng.integers(2)), group=0x54)


def _depth(out, allocated, bits, high, signed):
    out.short(0x100, allocated)
    out.short(0x101, bits)
    if high != bits - 1 or bits % 2:
        out.short(0x102, high)
    out.short(0x103, int(signed))


def _plain(out, film, rng, syntax, _):
    """MONOCHROME1 or 2 through the whole pipeline: stored values, modality, window or table, padding."""
    if syntax == JPEG:
        allocated = bits = 8
    else:
        allocated = int(rng.choice([8, 16, 16, 16, 32])) if syntax != JPEG_2000 else 16
        bits = 16 if syntax == JPEG_2000 else int(rng.integers(8, min(allocated, 24) + 1))
    signed = bool(rng.random() < 0.25) and syntax not in (JPEG, JPEG_2000)
    shift = int(rng.integers(0, allocated - bits + 1)) if rng.random() < 0.4 else 0
    lowest = -(2 ** (bits - 1)) if signed else 0
    values = np.rint(film * rng.uniform(0.6, 1) * (2**bits - 1)).astype(np.int64) + lowest
    if syntax == JPEG:
        values = _jpeg_round(values)
    _depth(out, allocated, bits, bits - 1 + shift, signed)
    inverted = bool(rng.integers(2))
    out.text(0x04, "MONOCHROME1" if inverted else "MONOCHROME2", vr="CS")
    if rng.random() < 0.7:
        out.short(0x02, 1)
    padded = np.zeros(film.shape, bool)
    if rng.random() < 0.25 and bits <= 16 and syntax != JPEG:
        padded[: int(rng.integers(1, 4)), : int(rng.integers(1, 9))] = True
        pad = int(rng.choice([lowest, lowest + 2**bits - 1]))
        values = np.clip(values, lowest + 1, lowest + 2**bits - 2)
        values[padded] = pad
        out.short(0x120, pad, vr="SS" if signed else "US")
    grays, words = _modality(out, values, rng, signed)
    shown, how = _voi(out, grays, grays[~padded], rng)
    shown = np.clip(1 - shown if inverted else shown, 0, 1)
    shown[padded] = 0
    mask = (1 << bits) - 1
    codes = (values & mask) << shift
    if shift == 0 and bits < allocated and syntax != JPEG_2000 and rng.random() < 0.2:  # an overlay in the unused bits
        codes |= rng.integers(0, 2, codes.shape) << (allocated - 1)
    codes = codes.astype(f"u{allocated // 8}")
    name = f"{bits} bits of {allocated} from bit {shift}{', signed' * signed}, {words}, {how}{', inverted' * inverted}"
    return codes, shown * 255, 1.01, name + ", padded" * bool(padded.any())


def _jpeg_round(values):
    """What a JPEG decoder gives: the film is encoded first, and the decoded values are taken for the film."""
    buffer = BytesIO()
    Image.fromarray(values.astype(np.uint8)).save(buffer, "JPEG", quality=95)
    values = np.asarray(Image.open(BytesIO(buffer.getvalue()))).astype(np.int64)
    _jpeg_round.last = buffer.getvalue()
    return values


def _modality(out, values, rng, signed):
    pick = rng.integers(5)
    if pick == 1:
        out.text(0x1053, "")
        out.text(0x1052, "")
        return values.astype(float), "empty rescale"
    if pick == 2:
        slope, intercept = float(rng.choice([-10, -1, 0.5, 2, 1000])), float(rng.integers(-1024, 3000))
        out.text(0x1053, f"{slope:g}")
        out.text(0x1052, f"{intercept:g}")
        return values * slope + intercept, f"slope {slope:g}, intercept {intercept:g}"
    if pick == 3 and values.max() - values.min() < 5000 and values.min() > -30000 and values.max() < 60000:
        first, count = int(values.min()), int(values.max() - values.min()) + 1
        entries = np.sort(rng.integers(0, 4096, count))
        entries[-1] = 4095
        item = Writer(out.explicit, out.order)
        item.put(0x28, 0x3002, "US", struct.pack(f"{out.order}HHH", count, first & 0xFFFF, 12))
        item.put(0x28, 0x3006, "OW", entries.astype(f"{out.order}u2").tobytes())
        out.sequence(0x3000, item, bool(rng.integers(2)))
        return look_up(values, first, entries).astype(float), "modality table"
    return values.astype(float), "no rescale"


def _voi(out, grays, film, rng):
    """Shares of white of values, and what the header says of them. `film`: the values that are no padding."""
    low, high = film.min(), film.max()
    full = (grays - low) / (high - low)
    pick = rng.integers(8)
    if pick == 0:
        out.text(0x1050, f"{(low + high) / 2:.8g}")
        return full, "half a window"
    if pick == 1:
        out.text(0x1050, "")
        out.text(0x1051, "")
        return full, "an empty window"
    if pick in (2, 3, 4, 5):
        centre = np.float64(f"{low + rng.uniform(0.3, 0.7) * (high - low):.8g}")
        width = np.float64(f"{max(rng.uniform(0.4, 1.2) * (high - low), 2):.8g}")
        several = bool(rng.integers(2))
        out.text(0x1050, f"{centre:.8g}" + "\\7" * several)
        out.text(0x1051, f"{width:.8g}" + "\\9" * several)
        kind = str(rng.choice(["", "", "LINEAR", "LINEAR_EXACT", "SIGMOID"]))
        if kind or rng.integers(2):
            out.text(0x1056, kind, vr="CS")
        if kind == "SIGMOID":
            return 1 / (1 + np.exp(-4 * (grays - centre) / width)), f"window {kind}"
        if kind == "LINEAR_EXACT":
            return np.clip((grays - centre) / width + 0.5, 0, 1), f"window {kind}"
        bottom, top = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
        return np.clip((grays - bottom) / (top - bottom), 0, 1), "window LINEAR"
    if pick == 6 and high - low < 5000 and low > -30000 and high < 60000 and (grays == np.rint(grays)).all():
        bits, declared = [(8, 8), (10, 10), (12, 12), (16, 16), (12, 16), (8, 16), (12, 10)][rng.integers(7)]
        first, count = int(low), int(high - low) + 1
        entries = np.rint(np.linspace(0, 1, count) ** 2 * (2**bits - 1)).astype(int)
        item = Writer(out.explicit, out.order)
        item.put(0x28, 0x3002, "US", struct.pack(f"{out.order}HHH", count, first & 0xFFFF, declared))
        item.put(0x28, 0x3006, "OW", entries.astype(f"{out.order}u2").tobytes())
        out.sequence(0x3010, item, bool(rng.integers(2)))
        return look_up(grays, first, entries) / (2**bits - 1), f"table of {bits} bits called {declared}"
    return full, "no window"


def _palette(out, film, rng, *_):
    """Indices of a palette of grays in any order."""
    indices = np.rint(film * 255).astype(np.uint8)
    words = bool(rng.integers(2))
    grays = rng.permutation(256) if words else 255 - np.arange(256)
    data = (grays * 257).astype(f"{out.order}u2").tobytes() if words else bytes(grays.astype(np.uint8))
    for colour in range(3):
        out.put(0x28, 0x1101 + colour, "US", struct.pack(f"{out.order}HHH", 256, 0, 16 if words else 8))
        out.put(0x28, 0x1201 + colour, "OW", data)
    out.short(0x02, 1)
    out.text(0x04, "PALETTE COLOR", vr="CS")
    _depth(out, 8, 8, 7, False)
    return indices, grays[indices].astype(float), 1.01, f"palette of {16 if words else 8} bits"


def _colour(out, film, rng, syntax, kind):
    """A secondary capture in three equal channels."""
    gray = np.rint(film * 255).astype(np.uint8)
    planes = [gray, gray, gray] if kind == "RGB" else [gray, np.full_like(gray, 128), np.full_like(gray, 128)]
    apart = bool(rng.integers(2))
    codes = np.stack(planes) if apart else np.stack(planes, axis=-1)
    out.short(0x02, 3)
    out.text(0x04, "RGB" if kind == "RGB" else "YBR_FULL", vr="CS")
    out.short(0x06, int(apart))
    _depth(out, 8, 8, 7, False)
    if syntax == RLE:
        codes = np.stack(planes)
    return codes, gray.astype(float), 1.01, f"{kind}, planes {'apart' if apart else 'together'}"


def packbits(plane):
    """Run lengths of bytes, runs and literals of any length up to 128."""
    out, position = bytearray(), 0
    while position < len(plane):
        run = 1
        while run < 128 and position + run < len(plane) and plane[position + run] == plane[position]:
            run += 1
        if run > 1:
            out += bytes([257 - run, plane[position]])
            position += run
            continue
        end = position + 1
        while end < len(plane) and end - position < 128 and (end + 1 == len(plane) or plane[end] != plane[end + 1]):
            end += 1
        out += bytes([end - position - 1]) + plane[position:end]
        position = end
    return bytes(out + b"\0" * (len(out) % 2))


def _pixels(out, codes, syntax, rng):
    if syntax in (RLE, JPEG, JPEG_2000):
        frame = {RLE: _rle, JPEG: lambda _: _jpeg_round.last, JPEG_2000: _jpeg_2000}[syntax](codes)
        frame += b"\0" * (len(frame) % 2)
        cut = len(frame) // 4 * 2 if syntax != RLE and rng.random() < 0.3 else len(frame)
        pieces = [b"", frame[:cut], *([frame[cut:]] if cut < len(frame) else [])]
        value = b"".join(out.mark(0xE000, len(piece)) + piece for piece in pieces) + out.mark(0xE0DD, 0)
        out.put(0x7FE0, 0x10, "OB", (value, True))
        return
    data = codes.astype(codes.dtype.newbyteorder(out.order)).tobytes()
    data += b"\0" * (len(data) % 2)
    if syntax == BIG and codes.itemsize == 1:  # OW: swapped pairs
        data = np.frombuffer(data, "<u2").astype(">u2").tobytes()
    out.put(0x7FE0, 0x10, "OW", data)


def _rle(codes):
    planes = codes if codes.ndim == 3 else codes[None]
    segments = []
    for plane in planes:
        cells = plane.astype(f">u{plane.itemsize}").reshape(-1, 1).view(np.uint8)
        segments += [packbits(cells[:, byte].tobytes()) for byte in range(plane.itemsize)]
    offsets = np.cumsum([64, *map(len, segments)])[: len(segments)]
    return struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(segments))) + b"".join(segments)


def _jpeg_2000(codes):
    buffer = BytesIO()
    Image.fromarray(codes).save(buffer, "JPEG2000", no_jp2=True)
    return buffer.getvalue()


def _file(out, syntax, rng):
    meta = Writer()
    meta.put(2, 0x10, "UI", syntax.encode() + b"\0" * (len(syntax) % 2))
    meta.put(2, 1, "OB", b"\0\1")
    body = out.bytes()
    if syntax == DEFLATED:
        machine = zlib.compressobj(wbits=-15)
        body = machine.compress(body) + machine.flush()
    bare = syntax in (IMPLICIT, EXPLICIT, BIG) and rng.random() < 0.15
    preamble = b"" if rng.random() < 0.15 else b"\0" * 128 + b"DICM"
    return preamble + (b"" if bare else meta.bytes()) + body

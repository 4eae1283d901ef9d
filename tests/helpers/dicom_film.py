"""A small valid film in DICOM that a test spoils in one place, and how films are compared."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.fuzz.dicom_writer import BIG, DEFLATED, EXPLICIT, IMPLICIT, Writer
from util.data.formats.dicom import gray_of_dicom
from util.data.formats.png_jpeg import Refused


class Film:
    """A valid film in DICOM to be spoiled in one place: `header` is written before the pixels, `pixels` as they are."""

    def __init__(self, codes, syntax=EXPLICIT, photometric="MONOCHROME2", **whole):
        self.syntax, self.header = syntax, Writer(syntax != IMPLICIT, ">" if syntax == BIG else "<")
        bits = 8 * codes.itemsize
        numbers = {
            0x02: 1,
            0x10: codes.shape[0],
            0x11: codes.shape[1],
            0x100: bits,
            0x101: bits,
            0x102: bits - 1,
            0x103: 0,
        }
        for number, value in (numbers | {int(key[1:], 16): value for key, value in whole.items()}).items():
            self.header.short(number, value)
        if photometric is not None:
            self.header.text(0x04, photometric, vr="CS")
        self.pixels = codes.astype(codes.dtype.newbyteorder(self.header.order)).tobytes()

    def fragments(self, *pieces):
        mark = self.header.mark
        value = b"".join(mark(0xE000, len(piece)) + piece for piece in (b"", *pieces)) + mark(0xE0DD, 0)
        self.pixels = value, True
        return self

    def text(self, number, text, vr="DS"):
        self.header.text(number, text, vr=vr)
        return self

    def table(self, number, first, entries, bits, open_ended=False, count=None, kind="<u2"):
        item = Writer(self.header.explicit, self.header.order)
        item.put(
            0x28, 0x3002, "US", struct.pack("<HHH", len(entries) if count is None else count, first & 0xFFFF, bits)
        )
        item.put(0x28, 0x3006, "OW", np.asarray(entries).astype(kind).tobytes())
        self.header.sequence(number, item, open_ended)
        return self

    def bytes(self, before=b"", syntax=None):
        self.header.put(0x7FE0, 0x10, "OB" if isinstance(self.pixels, tuple) else "OW", self.pixels)
        meta, name = Writer(), (self.syntax if syntax is None else syntax).encode()
        meta.put(2, 0x10, "UI", name + b"\0" * (len(name) % 2))
        body = before + self.header.bytes()
        if self.syntax == DEFLATED:
            machine = zlib.compressobj(wbits=-15)
            body = machine.compress(body) + machine.flush()
        return b"\0" * 128 + b"DICM" + (meta.bytes() if name else b"") + body

    def read(self, **options):
        return gray_of_dicom(self.bytes(**options))


def refused(film, words, advice=None, **options):
    with pytest.raises(Refused, match=words) as raised:
        film.read(**options) if isinstance(film, Film) else gray_of_dicom(film)
    assert advice is None or raised.value.advice == advice


def packed(gray, kind, **options):
    buffer = BytesIO()
    Image.fromarray(gray).save(buffer, kind, **options)
    return buffer.getvalue() + b"\0" * (len(buffer.getvalue()) % 2)


def full(values):
    values = values.astype(float)
    return np.rint((values - values.min()) / (values.max() - values.min()) * 255)


def near(film, right, within=1):
    assert film.dtype == np.uint8 and film.shape == right.shape
    assert np.abs(film - right).max() <= within

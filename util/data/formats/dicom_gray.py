"""Stored values of a DICOM film -> modality (rescale slope or table) -> window or table of gray levels -> 8 bits.

As PS3.3, C.7.6.3, C.11.1 and C.11.2 define them; and pictures in a palette or three channels that show no colour. All is
computed some rows at a time, so that a large film takes little more memory than its file.
"""

from dataclasses import dataclass

import numpy as np

from util.data.formats.dicom_header import contradiction
from util.data.formats.png_jpeg import Refused, blocks

COLOURED = Refused("is no single gray film but a picture in colours", "export the film itself")
GRAY_WITHIN = 6  # gray levels of 255 between channels that loss in packing may make of equal ones


def one_of_three(pixels, layout):
    """A picture of three channels without colour, as uint8 (h, w): red, green and blue alike, or luma and no chroma."""
    full = 2**layout.bits - 1
    for rows in blocks(pixels):
        first, *rest = np.moveaxis(rows.astype(np.int64), -1, 0)
        off = [max(np.abs(channel - gray).max() for channel in rest) for gray in (first, (full + 1) // 2)]
        if min(off) * 255 > GRAY_WITHIN * full:
            raise COLOURED
    return _levels(pixels[..., 0], lambda values: values / full)


def through_palette(pixels, header, layout):
    """Indices of a palette whose colours are grays, as uint8 (h, w)."""
    tables = []
    for colour in ("Red", "Green", "Blue"):
        words = f"{colour}PaletteColorLookupTable"
        tables.append(_table(header, layout.signed, f"{words}Descriptor", f"{words}Data"))
    if any(not np.array_equal(table.entries, tables[0].entries) for table in tables[1:]):
        raise COLOURED
    table = tables[0]
    return _levels(pixels, lambda values: table(values) / (2**table.bits - 1))


@dataclass(frozen=True)
class Table:
    """A table of gray levels: the entry of `first`, of the next number and so on; what lies outside gets the end's."""

    first: int
    entries: np.ndarray
    bits: int

    def __call__(self, values):
        return self.entries[np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1).astype(np.int64)]


def _table(header, signed, descriptor="LUTDescriptor", data="LUTData"):
    words, raw = header.words(descriptor, 3), header.raw(data)
    if len(words) != 3:
        raise contradiction(descriptor)
    count, first, bits = words[0] or 65536, words[1], words[2]
    if bits <= 8 and count <= len(raw) <= count + 1:
        entries = np.frombuffer(raw, np.uint8, count)
    elif len(raw) == 2 * count:
        entries = np.frombuffer(raw, f"{header.order}u2")
    else:
        raise contradiction(data)
    used = int(entries.max()).bit_length()
    if not 0 < bits <= 16 or used > bits or used < bits - 1:  # the entries decide where the descriptor is far off
        bits = max(used, 1)
    return Table(first - 65536 if signed and first > 32767 else first, entries.astype(np.float64), bits)


def as_displayed(stored, header, layout):
    """Stored values -> uint8 as a viewer shows them, bone bright."""
    slope, intercept = header.decimal("RescaleSlope", 1.0), header.decimal("RescaleIntercept", 0.0)
    item = header.first_item("ModalityLUTSequence")
    table = _table(item, layout.signed) if item and "LUTData" in item else None
    padding = _padding(header, layout)

    def modality(codes):
        return table(codes) if table else codes * slope + intercept

    low, high = _range(stored, padding, modality)
    if not high > low:
        raise Refused("shows nothing: all its pixels are the same", "export another film")
    below_zero = table is None and (layout.signed or intercept < 0 or slope < 0)
    shown = _window(header, below_zero) or (lambda values: (values - low) / (high - low))
    inverted = layout.photometric == "MONOCHROME1"

    def level(codes):
        share = shown(modality(codes))  # below 0 or above 1 outside of the window; `_levels` cuts both off
        share = 1 - share if inverted else share
        return np.where(_within(codes, padding), 0, share) if padding else share

    film = _levels(stored, level)
    if film.min() == film.max():
        raise Refused(
            "shows nothing in the window of its header: all its pixels become one gray", "export it with another window"
        )
    return film


def _levels(pixels, level):
    """uint8 of a function of the pixels' values that gives shares of white, some rows at a time."""
    return np.concatenate(
        [np.rint(np.clip(level(rows.astype(np.float64)), 0, 1) * 255).astype(np.uint8) for rows in blocks(pixels)]
    )


def _range(stored, padding, modality):
    """Least and greatest value of a film, its padding left out; (nan, nan) where it is nothing but padding."""
    least, greatest = [], []
    for rows in blocks(stored):
        codes = rows.astype(np.float64)
        codes = codes[~_within(codes, padding)] if padding else codes
        if codes.size:
            values = modality(codes)
            least.append(values.min())
            greatest.append(values.max())
    return (min(least), max(greatest)) if least else (np.nan, np.nan)


def _padding(header, layout):
    """(lowest, highest) stored value that marks where no film is, or None (PS3.3, C.7.5.1.1.2)."""
    ends = [header.whole(keyword) for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if ends[0] is None:
        return None
    ends = [end - 65536 if layout.signed and end > 32767 else end for end in ends if end is not None]
    return min(ends), max(ends)


def _within(codes, padding):
    return (codes >= padding[0]) & (codes <= padding[1])


def _window(header, below_zero):
    """Function of values that gives shares of white, or None where the header states no window and no table."""
    item = header.first_item("VOILUTSequence")
    if item and "LUTData" in item:
        table = _table(item, below_zero)
        return lambda values: table(values) / (2**table.bits - 1)
    centre, width = header.decimal("WindowCenter"), header.decimal("WindowWidth")
    if centre is None or width is None:
        return None
    kind = header.text("VOILUTFunction") or "LINEAR"
    if kind not in ("LINEAR", "LINEAR_EXACT", "SIGMOID") or width <= 0 or (kind == "LINEAR" and width < 1):
        raise Refused("is a DICOM file whose window or table is damaged", "export it with another window")
    if kind == "SIGMOID":
        return lambda values: 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700)))
    if kind == "LINEAR_EXACT":
        return lambda values: (values - centre) / width + 0.5
    if width == 1:
        return lambda values: values > centre - 0.5
    return lambda values: (values - (centre - 0.5)) / (width - 1) + 0.5

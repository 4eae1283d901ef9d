"""The few elements of a DICOM file that its picture needs, found by a walk that is bounded in bytes, elements and depth.

pydicom's own reader follows whatever a file says: sequences without end, a megabyte of numbers in one element, packed
data of any size. Of a file of unknown origin this module takes 26 elements by their tags, as the types that the standard
gives them, and looks at nothing else, least of all at names.
"""

import re
import struct
import zlib

from util.data.formats.png_jpeg import BYTES, PARTS, Refused, check_bytes

DAMAGED = "is a DICOM file without a readable picture, damaged or cut short"
DEPTH = 64  # of sequences without a stated length; real files have three or four
UNKNOWN = 0xFFFFFFFF  # a length that is not stated
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
LONGEST = 1024  # bytes of a number or a name

DEFLATED = "1.2.840.10008.1.2.1.99"
PIXELS = 0x7FE00010
TAGS = {
    "TransferSyntaxUID": 0x00020010,
    "SamplesPerPixel": 0x00280002,
    "PhotometricInterpretation": 0x00280004,
    "PlanarConfiguration": 0x00280006,
    "NumberOfFrames": 0x00280008,
    "Rows": 0x00280010,
    "Columns": 0x00280011,
    "BitsAllocated": 0x00280100,
    "BitsStored": 0x00280101,
    "HighBit": 0x00280102,
    "PixelRepresentation": 0x00280103,
    "PixelPaddingValue": 0x00280120,
    "PixelPaddingRangeLimit": 0x00280121,
    "WindowCenter": 0x00281050,
    "WindowWidth": 0x00281051,
    "RescaleIntercept": 0x00281052,
    "RescaleSlope": 0x00281053,
    "VOILUTFunction": 0x00281056,
    "ModalityLUTSequence": 0x00283000,
    "LUTDescriptor": 0x00283002,
    "LUTData": 0x00283006,
    "VOILUTSequence": 0x00283010,
    **{f"{colour}PaletteColorLookupTableDescriptor": 0x00281101 + k for k, colour in enumerate(("Red", "Green", "Blue"))},
    **{f"{colour}PaletteColorLookupTableData": 0x00281201 + k for k, colour in enumerate(("Red", "Green", "Blue"))},
    "PixelData": PIXELS,
}  # fmt: skip
WANTED = frozenset(TAGS.values())


def looks_like_dicom(data):
    """Whether bytes begin as a DICOM file does, or as its data set without preamble and mark (older X-ray machines)."""
    return data[128:132] == b"DICM" or data[:2] in (b"\x02\0", b"\x08\0") or data[:2] == b"\0\x08"


class Header:
    """Elements of one data set, by keyword, as the types that the standard gives them.

    Parameters
    ----------
    elements : dict tag -> (VR or b'', bytes); little : bool, least significant byte first; explicit : bool, VRs are stated;
        tags : dict keyword -> tag
    """

    def __init__(self, elements, little, explicit, tags=TAGS):
        self.elements, self.order, self.explicit, self.tags = elements, "<" if little else ">", explicit, tags

    def __contains__(self, keyword):
        return len(self.raw(keyword)) > 0

    def raw(self, keyword):
        """Bytes of an element, none where it is absent or empty."""
        return self.elements.get(self.tags[keyword], (b"", b""))[1]

    def vr(self, keyword):
        """Its type as the file states it, b'' where none is."""
        return self.elements.get(self.tags[keyword], (b"", b""))[0]

    def whole(self, keyword, default=None):
        """The whole number of an element of binary numbers, the first of several; `default` where it is absent or empty."""
        raw = self.raw(keyword)
        if not raw:
            return default
        if len(raw) not in (2, 4):
            raise contradiction(keyword)
        return struct.unpack(self.order + ("H" if len(raw) == 2 else "I"), raw)[0]

    def words(self, keyword, most):
        """Whole numbers of 16 bits: tuple of at most `most`."""
        raw = self.raw(keyword)
        if len(raw) % 2 or len(raw) > 2 * most:
            raise contradiction(keyword)
        return struct.unpack(f"{self.order}{len(raw) // 2}H", raw)

    def text(self, keyword):
        """The text of an element, the first of several, in capitals; '' where it is absent or empty."""
        raw = self.raw(keyword)
        if len(raw) > LONGEST:
            raise contradiction(keyword)
        return bytes(raw).decode("ascii", "replace").split("\\")[0].strip(" \0").upper()

    def decimal(self, keyword, default=None):
        """The number of an element of numbers written out, the first of several; `default` where it is absent or empty."""
        text = self.text(keyword)
        if not text:
            return default
        if not NUMBER.fullmatch(text) or abs(float(text)) > 1e30:
            raise contradiction(keyword)
        return float(text)

    def first_item(self, keyword):
        """The first data set of a sequence as a Header; None where the sequence is absent or empty."""
        raw = self.raw(keyword)
        if len(raw) < 8:
            return None
        group, number, length = struct.unpack_from(f"{self.order}HHI", raw)
        if group << 16 | number != ITEM:
            return None
        item = raw[8:] if length == UNKNOWN else raw[8 : 8 + length]
        return Header(_walk(item, 0, self.explicit, self.order)[0], self.order == "<", self.explicit)


def contradiction(keyword):
    """The refusal of an element that is not what the standard says. `keyword` is one of ours, never text of the file."""
    return Refused(f"is a DICOM file whose {keyword} cannot be understood", "export it again")


def read_header(data, tags=TAGS):
    """Header of a DICOM file, bytes, with or without preamble and file meta information; of it the elements in `tags`.

    How numbers are written (byte order, explicit VR) is told from the bytes, which cannot be wrong about it.

    Raises
    ------
    Refused
    """
    start = 132 if data[128:132] == b"DICM" else 0
    meta, start = _walk(data, start, *_writing(data, start), only_group=0x0002)
    syntax = Header(meta, True, True).text("TransferSyntaxUID")
    if syntax == DEFLATED:
        data, start = _inflate(data[start:]), 0
    explicit, order = _writing(data, start)
    elements, _ = _walk(data, start, explicit, order, wanted=frozenset(tags.values()))
    kept = {tag: value for tag, value in meta.items() if tag == TAGS["TransferSyntaxUID"]}
    return Header({**elements, **kept}, order == "<", explicit, tags)


def _writing(data, start):
    """(explicit VR, byte order) of the data set at `start`, told from its first element."""
    group = data[start : start + 2]
    order = "<" if int.from_bytes(group, "little") <= int.from_bytes(group, "big") else ">"
    return bytes(data[start + 4 : start + 6]) in SHORT | LONG, order


def _inflate(packed):
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = machine.decompress(packed, BYTES + 1)
    except zlib.error:
        raise Refused(DAMAGED) from None
    check_bytes(len(data))
    return data


def _walk(data, position, explicit, order, only_group=None, wanted=WANTED):
    """Elements that `wanted` names at the top level of a data set: (dict tag -> (VR, bytes), where the walk ended).

    Sequences without a stated length are walked through, all others are stepped over. The walk ends at the pixels, at
    the end of an item, or where another group than `only_group` begins.
    """
    found, nest = {}, _Nest()
    for _ in range(PARTS):
        if position + 8 > len(data) or only_group not in (None, struct.unpack_from(f"{order}H", data, position)[0]):
            return found, position
        tag, vr, length, content = _element(data, position, explicit, order)
        ends = tag in (ITEM_END, SEQUENCE_END)
        if ends and not nest.parts:
            return found, position
        if ends:
            explicit = nest.close(tag, explicit, data[:position], found)
            position = content
        elif tag == PIXELS and not nest.parts:
            found[tag] = vr, data[content:] if length == UNKNOWN else data[content : content + length]
            return found, len(data)
        elif length == UNKNOWN:
            explicit = nest.open(tag, vr, explicit, content)
            position = content
        else:
            position = content + length
            if position > len(data):
                raise Refused(DAMAGED)
            if tag in wanted and not nest.parts:
                found[tag] = vr, data[content:position]
    raise Refused(f"has more than {PARTS} elements, too many for a film")


class _Nest:
    """The sequences and items without a stated length that a walk is in."""

    def __init__(self):
        self.parts = []

    def open(self, tag, vr, explicit, content):
        """Go into one; returns how its elements are written."""
        if len(self.parts) == 2 * DEPTH:  # each a sequence and an item
            raise Refused(f"has sequences more than {DEPTH} deep, too many for a film")
        self.parts.append((tag, vr, explicit, content))
        return explicit and vr != b"UN"  # PS3.5, 6.2.2: what is inside is written implicitly

    def close(self, tag, explicit, before, found):
        """Leave one at its end mark, noting it in `found` if it is wanted; returns how the elements go on."""
        begun, vr, outside, content = self.parts[-1]
        if (begun == ITEM) != (tag == ITEM_END):
            raise Refused(DAMAGED)
        self.parts.pop()
        if begun in WANTED and not self.parts:
            found[begun] = vr, before[content:]
        return outside


def _element(data, position, explicit, order):
    """(tag, VR, length, where the content begins) of the element at `position`."""
    group, number, length = struct.unpack_from(f"{order}HHI", data, position)
    tag = group << 16 | number
    if group == 0xFFFE or not explicit:
        return tag, b"", length, position + 8
    vr = bytes(data[position + 4 : position + 6])
    if vr in SHORT:
        return tag, vr, struct.unpack_from(f"{order}H", data, position + 6)[0], position + 8
    if vr not in LONG or position + 12 > len(data):
        raise Refused(DAMAGED)
    return tag, vr, struct.unpack_from(f"{order}I", data, position + 8)[0], position + 12

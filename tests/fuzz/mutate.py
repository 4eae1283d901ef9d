"""Break a file: bytes changed anywhere, or the structure of a PNG, JPEG or DICOM file changed where it counts."""

import re
import struct
import zlib

NUMBERS = (0, 1, 2, 3, 7, 8, 12, 127, 128, 255, 256, 1000, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
TEXTS = (
    b"",
    b"0",
    b"-1",
    b"1e308",
    b"nan",
    b"inf",
    b"1\\2\\3",
    b"\\",
    b"<img src=x onerror=alert(1)>",
    b"0.0001",
    b"\xff\xfe",
    b"9" * 60,
)


def broken(data, rng):
    """(data with one to three changes, what was done)."""
    done = []
    for _ in range(int(rng.integers(1, 4))):
        structured = {b"\x89PNG": _png, b"\xff\xd8": _jpeg}.get(data[:4], {b"\xff\xd8": _jpeg}.get(data[:2], _dicom))
        change = structured if rng.random() < 0.6 else _anywhere
        data, how = change(data, rng)
        done.append(how)
    return data, ", ".join(done)


def _anywhere(data, rng):
    if not data:
        return bytes(rng.bytes(8)), "made of noise"
    at, changed = int(rng.integers(len(data))), bytearray(data)
    pick = rng.integers(6)
    if pick == 0:
        return data[:at], "cut short"
    if pick == 1:
        return data[:at] + rng.bytes(int(rng.integers(1, 40))) + data[at:], "bytes put in"
    if pick == 2:
        return data[:at] + data[at + int(rng.integers(1, 40)) :], "bytes taken out"
    if pick == 3:
        changed[at : at + 4] = struct.pack("<I", int(rng.choice([0, 0xFFFFFFFF, 0x7FFFFFFF, 2**24])))[: len(data) - at]
        return bytes(changed), "a length changed"
    if pick == 4:
        end = at + int(rng.integers(1, 200))
        return data[:end] + data[at:], "a part twice"
    for _ in range(int(rng.integers(1, 20))):
        changed[int(rng.integers(len(data)))] = int(rng.integers(256))
    return bytes(changed), "bytes changed"


def _png(data, rng):
    """Change a chunk and put its checksum right, so that the change is believed."""
    chunks, position = [], 8
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        chunks.append((kind, data[position + 8 : position + 8 + length]))
        position += 12 + length
    if not chunks:
        return _anywhere(data, rng)
    at = int(rng.integers(len(chunks)))
    kind, content = chunks[at]
    pick = rng.integers(4)
    if pick == 0:
        chunks.insert(int(rng.integers(len(chunks) + 1)), chunks[at])
        how = "a chunk twice"
    elif pick == 1:
        del chunks[at]
        how = "a chunk taken out"
    elif pick == 2:
        kind = bytes(rng.choice([b"IHDR", b"PLTE", b"IDAT", b"eXIf", b"tRNS", b"zTXt", b"iCCP", b"acTL"]))
        chunks[at] = kind, content
        how = "a chunk under another name"
    else:
        chunks[at] = kind, _anywhere(content, rng)[0]
        how = "a chunk changed"
    body = (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
    return data[:8] + b"".join(body), f"{how} ({kind.decode('latin-1')})"


def _jpeg(data, rng):
    marks = [match.start() for match in re.finditer(rb"\xff[\xc0-\xfe]", data)]
    if not marks:
        return _anywhere(data, rng)
    at, changed = int(rng.choice(marks)), bytearray(data)
    if rng.integers(2):
        changed[at + 1] = int(rng.integers(0xC0, 0xFF))
    else:
        place = at + int(rng.integers(2, 12))
        changed[place : place + 2] = struct.pack(">H", int(rng.choice(NUMBERS)))
    return bytes(changed), "a segment changed"


def _dicom(data, rng):
    """Change an element that the picture hangs on: its value, its type, its length; or take it out."""
    wanted = [(2, 0x10), *((0x28, number) for number in (2, 4, 6, 8, 0x10, 0x11, 0x100, 0x101, 0x102, 0x103, 0x120,
              0x1050, 0x1051, 0x1052, 0x1053, 0x1056, 0x1101, 0x1201, 0x3000, 0x3002, 0x3006, 0x3010)), (0x7FE0, 0x10)]  # fmt: skip
    group, number = wanted[int(rng.integers(len(wanted)))]
    order = str(rng.choice(["<", "<", "<", ">"]))
    at = data.find(struct.pack(f"{order}HH", group, number))
    if at < 0 or at + 8 > len(data):
        return _anywhere(data, rng)
    explicit = re.fullmatch(rb"[A-Z]{2}", data[at + 4 : at + 6]) is not None
    length = struct.unpack_from(f"{order}H" if explicit else f"{order}I", data, at + (6 if explicit else 4))[0]
    end, name = min(at + 8 + length, len(data)), f"({group:04x},{number:04x})"
    pick = rng.integers(5)
    if pick == 0:
        return data[:at] + data[end:], f"{name} taken out"
    if pick == 1 and explicit:
        vr = bytes(rng.choice([b"LO", b"US", b"DS", b"SQ", b"UN", b"OB", b"zz", b"FD"]))
        return data[: at + 4] + vr + data[at + 6 :], f"{name} of another type"
    if pick == 2:
        text = TEXTS[int(rng.integers(len(TEXTS)))]
        head = (
            data[at : at + 6] + struct.pack(f"{order}H", len(text))
            if explicit
            else data[at : at + 4] + struct.pack(f"{order}I", len(text))
        )
        return data[:at] + head + text + data[end:], f"{name} a text"
    if pick == 3:
        return data[:end] + data[at:], f"{name} twice"
    changed = bytearray(data)
    changed[at + 8 : at + 10] = struct.pack(f"{order}H", int(rng.choice(NUMBERS)))
    return bytes(changed[: len(data)]), f"{name} another number"

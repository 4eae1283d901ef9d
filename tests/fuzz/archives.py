"""Archives of a table: those that are read, those that are not, and damaged ones."""

import bz2
import gzip
import io
import lzma
import zipfile


def spoil(data, rng):
    """Change some bytes, anywhere."""
    place = int(rng.integers(len(data) + 1))
    match rng.integers(8):
        case 0:
            return data[:place]
        case 1:
            return data[:place] + bytes([int(rng.integers(256))]) + data[place + 1 :]
        case 2:
            return data[:place] + bytes(rng.choice(list(b'",;\n\r\0\t|\xe9 '), 2).tolist()) + data[place:]
        case 3:
            return data[:place] + b"\n" * 9 + data[place:]
        case 4:
            return data[:place] + data[place // 2 :]
        case 5:
            return b"<!DOCTYPE html>\n<html>" + data
        case 6:
            return data[:place] + b"9" * 200_000 + data[place:]
        case _:
            return b""


def in_zip(data, *others, method=zipfile.ZIP_DEFLATED):
    """A zip of a table, with other files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in [("Data_Entry_2017.csv", data), *others]:
            archive.writestr(name, content)
    return file.getvalue()


READ = [
    bytes,
    gzip.compress,
    bz2.compress,
    lzma.compress,
    in_zip,
    lambda data: in_zip(data, method=zipfile.ZIP_STORED),
    lambda data: in_zip(data, ("__MACOSX/._Data_Entry_2017.csv", b"\0\5\x16\7"), (".DS_Store", b"x")),
    lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:]),
]
NOT_READ = [
    lambda data: in_zip(data, ("other.csv", data)),
    lambda data: in_zip(in_zip(data)),
    lambda data: gzip.compress(gzip.compress(data)),
    lambda data: in_zip(data, method=zipfile.ZIP_LZMA),
    lambda data: in_zip(data, method=zipfile.ZIP_BZIP2),
    lambda data: gzip.compress(data + bytes(64 * 2**20), 1),
    lambda data: bz2.compress(data + bytes(64 * 2**20), 1),
    lambda data: lzma.compress(data + b"\n" * (64 * 2**20), preset=0),
    lambda data: in_zip(data + b"," * (64 * 2**20)),
    lambda data: gzip.compress(b"") * 3000 + gzip.compress(data),
    lambda data: in_zip(data, *[(f"{k}.txt", b"") for k in range(1500)]),
]


def packed(data, rng):
    """A table in an archive, and whether the archive is one that is read: True, False, or None where it is damaged."""
    if rng.random() < 0.05:
        return NOT_READ[rng.integers(len(NOT_READ))](data), False
    archive = READ[rng.integers(len(READ))](data)
    if archive != data and rng.random() < 0.5:
        return spoil(archive, rng), None
    return archive, True

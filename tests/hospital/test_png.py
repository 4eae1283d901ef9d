import hashlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from util.hospital.png import LONGEST, _short_lengths, encode_png


def decoded(content):
    return np.asarray(Image.open(io.BytesIO(content)))


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32 - 1), st.integers(1, 256))
def test_any_film_comes_back(height, width, seed, levels):
    film = np.random.default_rng(seed).integers(0, levels, (height, width)).astype(np.uint8)
    assert np.array_equal(decoded(encode_png(film)), film)


@pytest.mark.parametrize("level", [0, 7, 255])
def test_a_film_of_one_gray_comes_back(level):
    film = np.full((33, 65), level, np.uint8)
    assert np.array_equal(decoded(encode_png(film)), film)


def test_a_strict_reader_finds_one_block_and_right_checksums():
    content = encode_png(np.arange(200, dtype=np.uint8).reshape(10, 20))
    place, chunks = 8, {}
    while place < len(content):
        size, kind = struct.unpack(">I4s", content[place : place + 8])
        chunks[kind] = content[place + 8 : place + 8 + size]
        assert struct.unpack(">I", content[place + 8 + size : place + 12 + size])[0] == zlib.crc32(kind + chunks[kind])
        place += 12 + size
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    stream = zlib.decompressobj()
    assert len(stream.decompress(chunks[b"IDAT"])) == 10 * 21
    assert stream.eof
    assert stream.unused_data == b""


@pytest.mark.parametrize("ratio", [1.0, 1.3, 1.7, 2.0])
def test_codes_are_complete_and_never_too_long(ratio):
    """Kraft's sum is 1 for a complete code; counts that grow like these would give codes of up to 256 bits."""
    counts = np.array([int(min(ratio**n, 1e15)) for n in range(257)])
    lengths = _short_lengths(counts)
    assert 1 <= lengths.min() <= lengths.max() <= LONGEST
    assert (2.0**-lengths).sum() == 1


def test_codes_are_as_short_as_huffmans_can_be():
    """Within one bit of the entropy for each symbol (Cover and Thomas, Elements of Information Theory, theorem 5.4.1)."""
    counts = np.random.default_rng(3).geometric(0.02, 257) * 20
    share = counts / counts.sum()
    entropy = -(share * np.log2(share)).sum()
    assert entropy <= (share * _short_lengths(counts)).sum() < entropy + 0.1


def test_the_bytes_are_those_that_were_frozen():
    """SHA-256 of this picture's file when this was written: they are to be the same on any machine."""
    y, x = np.mgrid[:40, :50]
    film = ((x * x + 3 * y * x) // 7 % 256).astype(np.uint8)
    assert (
        hashlib.sha256(encode_png(film)).hexdigest()
        == "4016ac673bf618f9dbc3dcb1ef6b059cf74eeddb27b3d7f0c582fc80f137969c"
    )

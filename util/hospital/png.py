"""PNG files that are the same on every machine. Lesson 15.

Libraries of compression choose among many correct encodings, and other versions choose differently. Here there is one
choice: each pixel less its left neighbor, in the film's own Huffman code (Huffman 1952, doi 10.1109/JRPROC.1952.273898),
as a single block of the format DEFLATE (RFC 1951). Files are little larger than those of an ordinary PNG writer, since
the noise of a film leaves little to repeat.
"""

import heapq
import struct
import zlib

import numpy as np

END = 256  # the symbol that ends a block
LONGEST = 15  # bits of a symbol's code, the most that DEFLATE takes
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encode_png(pixels: np.ndarray) -> bytes:
    """A gray 8-bit PNG file.

    Parameters
    ----------
    pixels : uint8 (h, w)

    Returns
    -------
    bytes, without time, text or any other note

    See Also
    --------
    util.data.images.read_film : reads it

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> film = np.arange(12, dtype=np.uint8).reshape(3, 4)
    >>> bool((np.asarray(Image.open(io.BytesIO(encode_png(film)))) == film).all())
    True
    """
    height, width = pixels.shape
    lines = np.empty((height, width + 1), np.uint8)
    lines[:, 0] = 1  # the filter 'Sub'
    lines[:, 1] = pixels[:, 0]
    lines[:, 2:] = pixels[:, 1:] - pixels[:, :-1]  # modulo 256, as the format asks
    raw = lines.ravel()
    packed = b"\x78\x01" + _block(raw) + struct.pack(">I", zlib.adler32(raw.tobytes()))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _block(raw):
    """The last and only block of a DEFLATE stream, literals alone: bytes."""
    symbols = np.append(raw.astype(np.int64), END)
    table = _short_lengths(np.bincount(symbols, minlength=END + 1))
    codes, lengths = _canonical(table)[symbols], table[symbols]
    starts = np.cumsum(lengths) - lengths
    place = np.arange(lengths.sum()) - np.repeat(starts, lengths)  # of a bit in its code, from the code's first bit
    bits = (np.repeat(codes, lengths) >> (np.repeat(lengths, lengths) - 1 - place)) & 1
    return np.packbits(np.concatenate([_header(table), bits.astype(np.uint8)]), bitorder="little").tobytes()


def _short_lengths(counts: np.ndarray) -> np.ndarray:
    """Huffman code lengths of 1 to 15 bits for all symbols, from how often each occurs: int array.

    Rare symbols are counted as more frequent until no code is too long.
    """
    floor = 1
    while (lengths := _code_lengths(np.maximum(counts, floor).tolist())).max() > LONGEST:
        floor *= 2
    return lengths


def _code_lengths(weights):
    """Huffman's code lengths of whole-number weights: int array."""
    heap = [(weight, symbol, (symbol,)) for symbol, weight in enumerate(weights)]
    heapq.heapify(heap)
    lengths = np.zeros(len(weights), np.int64)
    while len(heap) > 1:
        (light, first, some), (heavy, _, others) = heapq.heappop(heap), heapq.heappop(heap)
        lengths[list(some + others)] += 1
        heapq.heappush(heap, (light + heavy, first, some + others))
    return lengths


def _canonical(lengths):
    """Codes of given lengths, in the order of RFC 1951, section 3.2.2: int array."""
    codes, code = np.zeros(len(lengths), np.int64), 0
    for bits in range(1, LONGEST + 1):
        for symbol in np.flatnonzero(lengths == bits):
            codes[symbol] = code
            code += 1
        code <<= 1
    return codes


def _header(lengths):
    """The bits before the data: the kind of block, the lengths of all codes, and one distance code that is never used."""
    bits = []

    def number(value, width):  # numbers begin with their least bit
        bits.extend(value >> i & 1 for i in range(width))

    number(1, 1), number(2, 2)  # the last block, of codes of its own
    number(0, 5), number(0, 5), number(15, 4)  # 257 symbols, 1 distance, 19 lengths of lengths
    for length in (0, 0, 0, *[4] * 16):  # 16 lengths from 0 to 15, each as 4 bits; the three shorthands are unused
        number(length, 3)
    for length in (*lengths, 1):
        bits.extend(int(length) >> i & 1 for i in (3, 2, 1, 0))  # codes begin with their first bit
    return np.array(bits, np.uint8)

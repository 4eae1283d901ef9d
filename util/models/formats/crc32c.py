"""The check sum CRC-32C (Castagnoli), with numpy: many stretches of the data side by side, then joined.

A check sum is linear in the bits (over two elements), so that of two stretches is that of the first, pushed on by as
many zero bytes as the second has, plus that of the second. RFC 3720, appendix B.4, has values to test by.
"""

from functools import lru_cache

import numpy as np

POLYNOMIAL = np.uint32(0x82F63B78)  # bits reversed


def _table():
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ POLYNOMIAL, table >> 1)
    return table


TABLE = _table()


def crc32c(data):
    """The check sum of bytes, an int below 2**32."""
    numbers = np.frombuffer(data, np.uint8)
    steps = 1 << max(3, len(numbers).bit_length() // 2 - 1)  # bytes of one stretch
    lanes = 1 << max(0, -(-len(numbers) // steps) - 1).bit_length()
    padded = np.zeros(lanes * steps, np.uint8)
    padded[len(padded) - len(numbers) :] = numbers  # zeros before the data change nothing
    state = np.zeros(lanes, np.uint32)
    for column in np.ascontiguousarray(padded.reshape(lanes, steps).T):
        state = TABLE[(state ^ column) & 255] ^ (state >> 8)
    while len(state) > 1:
        state, steps = _pushed(state[::2], steps) ^ state[1::2], 2 * steps
    start = _pushed(np.full(1, 0xFFFFFFFF, np.uint32), len(numbers)) if len(numbers) else np.uint32([0xFFFFFFFF])
    return int(state[0] ^ start[0] ^ np.uint32(0xFFFFFFFF))


def masked(crc):
    """As LevelDB and TensorFlow keep a check sum, so that check sums of check sums are none."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _pushed(state, count):
    """Check sums after so many zero bytes."""
    power = 0
    while count >> power:
        if count >> power & 1:
            state = _applied(_matrix(power), state)
        power += 1
    return state


def _applied(matrix, state):
    bits = (state[:, None] >> np.arange(32, dtype=np.uint32)) & 1
    return np.bitwise_xor.reduce(bits * matrix, axis=1)


@lru_cache(maxsize=64)
def _matrix(power):
    """What 2**power zero bytes make of each of the 32 bits."""
    if power:
        return _applied(_matrix(power - 1), _matrix(power - 1))
    single = np.uint32(1) << np.arange(32, dtype=np.uint32)
    return TABLE[single & 255] ^ (single >> 8)

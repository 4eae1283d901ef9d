"""Every kind of lie of a server, four times: each download ends right or in one sentence, and leaves nothing half."""

from tests.fuzz.server import CASES, run


def test_every_lie_is_told_in_a_sentence():
    found = run(3 * len(CASES))
    assert found["told"] == []
    assert found["tried"] == found["refused"] + found["read_right"] == 3 * len(CASES) > 300
    assert found["read_right"] >= 3 * sum(kind.startswith("right") for _, kind in CASES)
    assert found["refused"] > 250

"""A small room, drawn once, with an invented model that is right on most films."""

import numpy as np
import pytest

from util.reading.room import draw_room


@pytest.fixture(scope="session")
def drawn():
    """(Room, pixels) of 24 films of 64 pixels, with the scores of an invented model."""
    room, pixels = draw_room("test", films=24, size=64)
    scores = room.truth + np.random.default_rng(0).normal(scale=0.7, size=24)
    return room.with_scores(scores.round(3), 0.5), pixels


@pytest.fixture
def room(drawn):
    return drawn[0]

"""Only what is written past Python is lost, and only within the block."""

import os

import pytest

from util.quiet import quiet_start


def test_quiet_within_and_loud_after(capfd):
    os.write(2, b"before ")
    with quiet_start():
        os.write(2, b"within ")
    with pytest.raises(ZeroDivisionError), quiet_start():
        _ = 1 / 0
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"

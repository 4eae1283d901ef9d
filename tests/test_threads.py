"""Work among threads, and the same work where no thread can be started."""

from concurrent.futures import ThreadPoolExecutor
from threading import Thread, get_ident

import pytest

from util.threads import OneByOne, workers


@pytest.fixture
def without_threads(monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refuse)


def test_there_are_threads_here():
    with workers() as pool:
        assert isinstance(pool, ThreadPoolExecutor)
        assert get_ident() not in list(pool.map(lambda _: get_ident(), range(4)))


def test_without_threads_the_caller_does_the_work(without_threads):
    with workers() as pool:
        assert isinstance(pool, OneByOne)
        assert list(pool.map(lambda a, b: (a + b, get_ident()), [1, 2], [3, 4])) == [(4, get_ident()), (6, get_ident())]
        assert pool.submit(divmod, 7, 2).result() == (3, 1)
        failed = pool.submit(divmod, 7, 0)
    with pytest.raises(ZeroDivisionError):
        failed.result()
    assert next(iter(pool.map(lambda x: 1 // x, [1, 0]))) == 1  # the second is not computed before it is asked for

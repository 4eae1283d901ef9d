"""Work shared among threads where there are any: a browser has none (Pyodide)."""

import os
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from threading import Thread


class OneByOne(Executor):
    """An executor without threads: what is handed in is done at once, by the caller."""

    def submit(self, fn, /, *args, **kwargs):
        """A Future of fn(*args, **kwargs), which is done or has failed already."""
        done = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # the caller gets it from the Future, as it would from a thread
            done.set_exception(error)
        return done

    def map(self, fn, *iterables, **_):
        """Results in order, each computed when it is asked for."""
        return map(fn, *iterables)


def workers():
    """An executor with as many threads as there are cores, or `OneByOne` where no thread can be started.

    Returns
    -------
    concurrent.futures.Executor, to be used in a `with` statement

    Examples
    --------
    >>> with workers() as pool:
    ...     list(pool.map(abs, [-1, 2]))
    [1, 2]
    """
    try:
        trial = Thread(target=int)
        trial.start()
        trial.join()
    except RuntimeError:
        return OneByOne()
    return ThreadPoolExecutor(os.cpu_count())

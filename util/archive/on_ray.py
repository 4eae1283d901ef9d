"""The engine of a cluster: Ray Data spreads blocks among workers that each hold the network; the command writes the parts.

References go out in windows, so that neither a million names nor the films of a packed tar are held at a time; within a
window, Ray Data hands out blocks as workers are free. A worker or a machine that ends costs the blocks that it had: they
are handed out again among the workers that are left. Tables come back as bytes, block by block, and are what
`util.archive.block.score_block` made of them.

Ray is started without a dashboard, without its metrics and without statistics of its use. A process that reaches a port of Ray can run code in
it, so it is started with a token that is new each time and is written nowhere; Ray's own default would keep one in the
home of the user. With an address, the command joins a cluster that you started, and Ray's settings are yours to make.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import pickle
import secrets
import socket
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from util.archive.block import Recipe, score_block
from util.errors import CourseError
from util.notes import note

if TYPE_CHECKING:
    import pyarrow

    from util.archive.sources import FilmRef

HOME = (
    Path(__file__).resolve().parents[2]
)  # the folder that holds `util`, at the same path on every machine of a cluster
CORES = 2  # of one worker: one reads and decodes films while the other computes the network
WINDOW = 200  # blocks for each worker: loading the network again for the next window takes a hundredth of their time
WINDOW_BYTES = 1_000_000_000  # of films that come with their bytes
ATTEMPTS = 3  # rounds in a row that may end without a single block
STARTS = 3  # attempts to start Ray, which gives up on a busy machine after some seconds
THREADS = ("StreamingExecutor", "ray-data")  # names of the threads in which Ray Data hands out blocks
PATIENCE = 60  # seconds for one of them, which ends with the run
STORE = 300_000_000  # bytes of shared memory: blocks are small
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_enable_metrics_collection": "0",  # else each process counts for a page that nobody opens: a tenth of the time
}


def run_ray(blocks: Iterable[Sequence[FilmRef]], recipe: Recipe, address: str | None = None) -> Iterator[pyarrow.Table]:
    """Tables of blocks, in the order in which they are done, scored by the workers of a cluster.

    Parameters
    ----------
    blocks : iterable of lists of references, taken window by window
    recipe : util.archive.block.Recipe; its paths must be there on every machine
    address : of a running cluster, as `ray start --head` names it; None starts Ray on this machine

    Yields
    ------
    pyarrow.Table for each block (`util.archive.block.score_block`)

    Raises
    ------
    CourseError : Ray cannot be started or reached, or the workers end again and again.

    See Also
    --------
    util.archive.local.run_local : the engine of one machine

    Examples
    --------
    Not run by the tests, since it needs Ray.

    >>> next(run_ray([refs], Recipe("phantom"))).num_rows  # doctest: +SKIP
    """
    blocks = iter(blocks)
    if (first := next(blocks, None)) is None:
        return  # nothing is left, so nothing is started
    blocks = itertools.chain([first], blocks)
    with _cluster(address):
        for window in _windows(blocks, WINDOW * _room()[0]):
            yield from _scored(window, recipe)


# --- Ray -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _cluster(address):
    """Ray while the block runs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's notes on its own next versions
        mine = _started(address)
        import ray.data

        context = ray.data.DataContext.get_current()
        kept = context.enable_progress_bars, context.print_on_execution_start
        context.enable_progress_bars = context.print_on_execution_start = False
        logger = logging.getLogger("ray.data")
        level = logger.level
        logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(level)
            context.enable_progress_bars, context.print_on_execution_start = kept
            if mine:
                _wait_for_threads()
                ray.shutdown()


def _wait_for_threads():
    """Wait for threads of Ray Data: one that reaches Ray after its end takes this process with it, without a word."""
    for thread in threading.enumerate():
        if thread.name.startswith(THREADS):
            thread.join(PATIENCE)


def _started(address):
    """Start or join Ray, unless it runs in this process already; returns whether it has to be ended afterwards."""
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, [str(HOME), os.environ.get("PYTHONPATH")]))}
    if not address:
        environment |= QUIET | {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
        os.environ.update({name: value for name, value in environment.items() if name not in os.environ})
        os.environ["PYTHONPATH"] = environment["PYTHONPATH"]
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    before = "ray" in sys.modules
    import ray

    if ray.is_initialized():
        return False
    if address:
        _knock(address)
    quiet = {"log_to_driver": False, "logging_level": "CRITICAL"}
    if address:
        here = {"address": address, "runtime_env": {"env_vars": {"PYTHONPATH": environment["PYTHONPATH"]}}}
    else:
        here = {"address": "local", "include_dashboard": False, "object_store_memory": STORE}
        if before:
            _read_settings_again()
    for attempt in range(1, STARTS + 1):
        try:
            ray.init(**here, **quiet)
            return True
        except Exception as error:  # of many kinds
            ray.shutdown()
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            if address or attempt == STARTS:
                what = f"The cluster at {address} cannot be joined" if address else "Ray cannot be started"
                raise CourseError(f"{what} ({reason}): check it, or use --engine local.") from None


def _read_settings_again():
    """Ray reads the mode of its token when it is imported, which the caller has done before the token was made."""
    from ray._raylet import AuthenticationTokenLoader, Config

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def _room():
    """(workers, cores of each) for which the machines have room now; a worker is on one machine."""
    import ray

    cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    each = max(1, min(CORES, max(cores, default=1)))
    return max(1, sum(count // each for count in cores)), each


def _knock(address):
    """A CourseError where nobody answers at host:port, for which Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in address or not port.isdigit():
        return  # 'auto' or ray://..., which are Ray's to understand
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or "no answer"
        raise CourseError(
            f"No cluster of Ray answers at {address} ({reason}): start it with ray start --head, or name its address."
        ) from None


# --- Blocks ----------------------------------------------------------------------------------------


def _windows(blocks, most):
    """Lists of at most so many blocks, fewer where films come with their bytes."""
    window, size = [], 0
    for block in blocks:
        window.append(pickle.dumps(list(block), pickle.HIGHEST_PROTOCOL))
        size += len(window[-1])
        if len(window) == most or size >= WINDOW_BYTES:
            yield window
            window, size = [], 0
    if window:
        yield window


class _Scorer:
    """What a worker of Ray Data holds: a network, and the processes that read for it."""

    def __init__(self, recipe: bytes, cores: int) -> None:
        for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
            os.environ[name] = str(cores)
        recipe = pickle.loads(recipe)
        if recipe.readers is None:
            from dataclasses import replace

            recipe = replace(recipe, readers=cores)
        self.worker = recipe.worker().__enter__()

    def __call__(self, batch: dict) -> dict:
        """Tables of the blocks of a batch, as bytes; an error of ours comes back as a sentence."""
        tables, wrong = [], []
        for block in batch["block"]:
            try:
                tables.append(_bytes_of(score_block(pickle.loads(block), self.worker)))
                wrong.append("")
            except CourseError as error:
                tables.append(b"")
                wrong.append(str(error))
        return {"number": batch["number"], "table": tables, "wrong": wrong}


def _bytes_of(table):
    """A pyarrow.Table as bytes: nothing on the way takes its columns apart or puts two blocks together."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def _scored(window, recipe):
    """Tables of a window's blocks; those of workers that ended are handed out again."""
    import pyarrow as pa

    left, failures = dict(enumerate(window)), 0
    while left:
        before = len(left)
        try:
            for number, table, wrong in _round(left, recipe, *_room()):
                if left.pop(number, None) is None:  # handed out twice by Ray after a failure
                    continue
                if wrong:
                    raise CourseError(wrong)
                yield pa.ipc.open_stream(table).read_all()
        except CourseError:
            raise
        except Exception as error:  # of Ray, which has many: a worker, a machine or what it held is gone
            failures = 0 if len(left) < before else failures + 1
            if (sentence := _ours(error)) or failures == ATTEMPTS:
                raise CourseError(sentence or _theirs(error)) from None
            note(f"A worker ended before its films were scored; {len(left):,} blocks are handed out again.")


def _round(left, recipe, workers, cores):
    """(number, bytes, error) of each block that this round could score."""
    import ray
    from ray.data.block import BlockAccessor

    rows = [{"number": number, "block": block} for number, block in left.items()]
    dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray announces a change of the last two arguments in 2.64
        scored = dataset.map_batches(
            _Scorer,
            fn_constructor_args=(pickle.dumps(recipe), cores),
            batch_size=1,
            concurrency=min(workers, len(rows)),
            num_cpus=cores,
            max_restarts=0,  # Ray would wait for room on a machine that is gone
            max_task_retries=0,
        )
    for bundle in scored.iter_internal_ref_bundles():  # without the threads that fetch ahead, which nothing ends
        for entry in bundle.blocks:
            for row in BlockAccessor.for_block(ray.get(entry.ref)).to_arrow().to_pylist():
                yield row["number"], row["table"], row["wrong"]


def _ours(error):
    """The sentence of a mistake of ours that ended a worker at its start, such as weights that are not there, or None."""
    found = [line for line in str(error).splitlines() if "CourseError: " in line]
    return found[-1].split("CourseError: ", 1)[1].strip() if found else None


def _theirs(error):
    return (
        f"The workers of Ray ended {ATTEMPTS} times before any block was scored ({type(error).__name__}): look at "
        "their memory and at Ray's logs, or use --engine local. What is scored is kept."
    )

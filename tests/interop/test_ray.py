"""util.archive.on_ray on a cluster of two machines: whatever ends, nothing is lost, nothing twice, and no bit differs.

Skipped where Ray is missing. One cluster serves the whole file, for starting one takes the longest.
"""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'ray[data]'")
pytest.importorskip("pyarrow", reason="pyarrow is not installed")

from tests.helpers.ray_cluster import add_machine, running_cluster
from tests.helpers.stub_scorer import BrokenRecipe, StubRecipe, films, rows_of
from tests.helpers.traps import HANGS
from util.archive import on_ray, writing
from util.archive.run import score_archive
from util.data.cohort import HOME, PHANTOM
from util.errors import CourseError

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # Ray's own
    pytest.mark.skipif(sys.platform != "linux", reason="the cluster of this test is for Linux"),
]
FILMS, BLOCK, FEW = 40, 4, 10


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A head with two cores and a second machine with two, as processes of this one."""
    home = tmp_path_factory.mktemp("home")
    with running_cluster(home) as cluster:
        cluster.second = add_machine(cluster)
        yield cluster
    assert not (home / ".ray").exists()  # Ray wrote nothing into the home of the user


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    """A folder of films, and the rows that the engine of one machine makes of them."""
    folder = tmp_path_factory.mktemp("films")
    films(folder / "films", FILMS)
    score_archive(folder / "films", folder / "local", StubRecipe("stub", readers=1), films=BLOCK)
    return folder / "films", rows_of(folder / "local")


def engine(cluster):
    return lambda blocks, recipe, pretrained: on_ray.run_ray(blocks, recipe, cluster.address)


def test_the_numbers_are_those_of_one_machine(cluster, wanted, tmp_path):
    source, rows = wanted
    done = score_archive(source, tmp_path / "ray", StubRecipe("stub", readers=1), engine(cluster), films=BLOCK)
    assert done.scored == FILMS and rows_of(tmp_path / "ray") == rows
    again = score_archive(source, tmp_path / "ray", StubRecipe("stub", readers=1), engine(cluster), films=BLOCK)
    assert (again.scored, again.earlier) == (0, FILMS)


def test_a_film_that_hangs_its_decoder_costs_only_itself(cluster, tmp_path):
    source, recipe = films(tmp_path / "films", 8), StubRecipe("stub", readers=1, seconds=5)
    Image.fromarray(np.zeros((HANGS, 40), np.uint8)).save(source / "film-003.png")
    score_archive(source, tmp_path / "local", recipe, films=BLOCK)
    done = score_archive(source, tmp_path / "ray", recipe, engine(cluster), films=BLOCK)
    rows = rows_of(tmp_path / "ray")
    assert (done.scored, done.refused) == (7, 1) and rows == rows_of(tmp_path / "local")
    assert "takes more than 5 seconds" in rows["film-003.png"]["refused"]


def test_a_worker_that_ends_costs_no_film(cluster, wanted, tmp_path):
    """One worker ends without a word, and another runs out of memory."""
    source, rows = wanted
    for trap in ("exit", "memory"):
        (tmp_path / f"trap-{trap}").touch()
    recipe = StubRecipe("stub", readers=1, trap=str(tmp_path))
    score_archive(source, tmp_path / "ray", recipe, engine(cluster), films=BLOCK)
    assert {path.name for path in tmp_path.glob("*-*")} == {"sprung-exit", "sprung-memory"}
    assert rows_of(tmp_path / "ray") == rows


def test_a_full_disk_ends_the_run_and_the_same_command_goes_on(cluster, wanted, tmp_path, monkeypatch):
    source, rows = wanted
    recipe, sync, calls = StubRecipe("stub", readers=1), os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) == 7:
            raise OSError(28, "No space left on device")
        sync(handle)

    threads = set(threading.enumerate())
    with monkeypatch.context() as patch:
        patch.setattr(writing.os, "fsync", full)
        with pytest.raises(CourseError, match="No space left"):
            score_archive(source, tmp_path / "ray", recipe, engine(cluster), films=BLOCK)
    # One that reaches Ray after its end would take this process with it, without a word.
    assert {thread.name for thread in set(threading.enumerate()) - threads} <= {"tqdm_monitor"}
    before = len(rows_of(tmp_path / "ray"))
    done = score_archive(source, tmp_path / "ray", recipe, engine(cluster), films=BLOCK)
    assert 0 < before < FILMS and done.earlier == before and rows_of(tmp_path / "ray") == rows


def test_a_machine_that_is_gone_costs_no_film(cluster, wanted, tmp_path):
    source, rows = wanted
    out = tmp_path / "ray"

    def kill():
        while not list(out.glob("part-*")):
            time.sleep(0.05)
        cluster.remove_node(cluster.second, allow_graceful=False)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    score_archive(source, out, StubRecipe("stub", readers=1, slow=0.5), engine(cluster), films=BLOCK)
    killer.join()
    assert rows_of(out) == rows
    cluster.second = add_machine(cluster)


DRIVER = """
import ray  # before the engine asks for it, as a program of yours may
import sys
from tests.helpers.stub_scorer import StubRecipe
from util.archive.on_ray import run_ray
from util.archive.run import score_archive
source, out, address, slow = sys.argv[1:]
recipe = StubRecipe("stub", readers=1, slow=float(slow))
score_archive(source, out, recipe, lambda blocks, recipe, _: run_ray(blocks, recipe, address or None), films=4)
"""


def test_a_command_that_is_killed_goes_on_where_it_was(cluster, wanted, tmp_path):
    source, rows = wanted
    out = tmp_path / "ray"
    command = [sys.executable, "-c", DRIVER, str(source), str(out), cluster.address, "0.5"]
    with subprocess.Popen(command, cwd=HOME, stderr=subprocess.DEVNULL) as driver:
        while not list(out.glob("part-*")) and driver.poll() is None:
            time.sleep(0.05)
        driver.send_signal(signal.SIGKILL)
    before = len(rows_of(out))
    done = score_archive(source, out, StubRecipe("stub", readers=1), engine(cluster), films=BLOCK)
    assert 0 < before < FILMS and done.earlier == before and rows_of(out) == rows


def test_workers_that_cannot_start_end_in_one_sentence(cluster, wanted, tmp_path):
    with pytest.raises(CourseError, match="There is no weights file here"):
        score_archive(wanted[0], tmp_path / "ray", BrokenRecipe("stub", readers=1), engine(cluster), films=BLOCK)


def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(CourseError, match="No cluster of Ray answers"):
        next(iter(on_ray.run_ray([[]], StubRecipe("stub"), "127.0.0.1:1")))


def test_a_machine_alone_starts_ray_in_silence_and_leaves_nothing_at_home(wanted, tmp_path):
    source, rows = wanted
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(source), str(tmp_path / "ray"), "", "0"],
        cwd=HOME,
        env=kept | {"HOME": str(tmp_path), "PYTHONPATH": str(HOME), "COURSE_BATCH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert rows_of(tmp_path / "ray") == rows
    assert done.stdout + done.stderr == "" and not (tmp_path / ".ray").exists()


def test_the_command_gives_the_numbers_of_one_machine_to_the_last_bit(tmp_path):
    """With the embedded network and as people say it: `python -m util score --engine ray`."""
    films, names = tmp_path / "films", sorted(path.name for path in (PHANTOM / "films").iterdir())
    films.mkdir()
    for name in names[:FEW]:
        (films / name).symlink_to(PHANTOM / "films" / name)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    for engine_name in ("local", "ray"):
        command = [sys.executable, "-m", "util", "score", "--root", str(films), "--model", "phantom"]
        command += ["--engine", engine_name, "--out", str(tmp_path / engine_name)]
        done = subprocess.run(
            command, cwd=HOME, env=kept | {"COURSE_BATCH": "1"}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 and f"{FEW} films scored and 0 refused" in done.stdout, done.stdout + done.stderr
    assert rows_of(tmp_path / "ray") == rows_of(tmp_path / "local")

"""Files whole or not at all, whatever stops the writing; folders for one command at a time."""

import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from util import files
from util.data.cohort import HOME
from util.errors import CourseError
from util.files import alone, check_place, interruptible, sweep, whole


def test_a_new_file_and_one_in_place_of_another(tmp_path):
    path = tmp_path / "a.txt"
    for text in ("one", "two"):
        with whole(path) as part:
            assert part.parent == tmp_path and part.read_bytes() == b"" and files.PART.fullmatch(part.name)
            part.write_text(text)
        assert path.read_text() == text and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, MemoryError])
def test_whatever_stops_the_writing_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    for place in (path, tmp_path / "new.txt"):
        with pytest.raises(error), whole(place) as part:
            part.write_text("half")
            assert path.read_text() == "old"
            raise error
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_sentence_in_place_of_an_error_of_the_system(tmp_path):
    full = r"a\.txt cannot be written \(No space left on device\): make room there"
    with pytest.raises(CourseError, match=full), whole(tmp_path / "a.txt"):
        raise OSError(28, "No space left on device")
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match=r"There is no folder .*file: make it"):
        check_place(tmp_path / "file" / "a.txt")
    (tmp_path / "file").unlink()
    with pytest.raises(CourseError, match=r"cannot be written \(OSError\)"), whole(tmp_path / "a.txt"):
        raise OSError("no number")
    for call in (check_place, lambda path: whole(path).__enter__()):
        with pytest.raises(CourseError, match=r"There is no folder .*absent: make it, or name another place"):
            call(tmp_path / "absent" / "a.txt")
    assert list(tmp_path.iterdir()) == []


def test_a_sentence_of_the_course_passes_through(tmp_path):
    with pytest.raises(CourseError, match=r"^mine$"), whole(tmp_path / "a.txt"):
        raise CourseError("mine")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on Windows")
def test_only_files_are_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    kinds = {
        "folder": "a folder",
        "pipe": "a device, a pipe",
        "loop": "a device, a pipe",
        os.devnull: "a device, a pipe",
    }
    for name, kind in kinds.items():
        for call in (check_place, lambda path: whole(path).__enter__()):
            with pytest.raises(CourseError, match=f"{name} is {kind}.*: name a file"):
                call(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "loop", "pipe"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode) and stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "a.txt")
    for text in ("one", "two"):  # a link to nothing yet, then to a file
        with whole(tmp_path / "link") as part:
            part.write_text(text)
        assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "a.txt").read_text() == text


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_permissions_are_those_of_the_old_file_or_of_any_new_one(tmp_path):
    private, path, plain = tmp_path / "private", tmp_path / "a.txt", tmp_path / "plain"
    private.write_text("")
    private.chmod(0o600)
    plain.write_text("")
    for place in (private, path):
        with whole(place) as part:
            part.write_text("x")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600 and path.stat().st_mode == plain.stat().st_mode


def test_a_long_name(tmp_path):
    path = tmp_path / ("n" * 250)
    with whole(path) as part:
        part.write_text("x")
    assert path.read_text() == "x"


def test_check_place_leaves_everything_as_it_is(tmp_path):
    check_place(tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.txt").write_text("old")
    check_place(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_sweep_takes_half_written_files_only(tmp_path):
    kept = {"a.part", ".a.part", ".a-0123456789abcdef.part.csv", ".a-0123.part", "a-0123456789abcdef.part", ".hidden"}
    for name in (*kept, ".a-0123456789abcdef.part"):
        (tmp_path / name).write_text("")
    (tmp_path / ".b-0123456789abcdef.part").mkdir()
    sweep(tmp_path, r"b|aa")
    assert len(list(tmp_path.iterdir())) == len(kept) + 2
    sweep(tmp_path, "a")
    assert {path.name for path in tmp_path.iterdir()} == kept | {".b-0123456789abcdef.part"}


# ---- stopped from outside ---------------------------------------------------------------------------------------


def child(code, *arguments):
    """A Python in the course's folder that has printed 'ready'."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=HOME, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.readline().strip() == b"ready"
    return process


WRITER = """
import sys, time
from util.files import whole
with whole(sys.argv[1]) as part:
    part.write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_the_old_file_and_nothing_else(tmp_path, sent):
    path = tmp_path / "a.txt"
    path.write_text("old")
    process = child(WRITER, path)
    assert len(list(tmp_path.iterdir())) == 2
    process.send_signal(sent)
    _, errors = process.communicate(timeout=30)
    assert b"KeyboardInterrupt" in errors
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_what_nothing_can_clean_up_is_swept_later(tmp_path):
    process = child(WRITER, tmp_path / "a.txt")
    process.kill()
    process.communicate(timeout=30)
    assert len(list(tmp_path.iterdir())) == 1
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_signals_are_given_back():
    before = signal.getsignal(signal.SIGTERM)
    assert before is signal.SIG_DFL
    with pytest.raises(ZeroDivisionError), interruptible():
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
        with interruptible():
            pass
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
        1 / 0  # noqa: B018
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_handler_of_somebody_elses_is_left_alone():
    def mine(*_):
        pass

    before = signal.signal(signal.SIGTERM, mine)
    try:
        with interruptible():
            assert signal.getsignal(signal.SIGTERM) is mine
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_write_too(tmp_path):
    def write():
        with whole(tmp_path / "a.txt") as part:
            part.write_text("x")

    thread = threading.Thread(target=write)
    thread.start()
    thread.join(30)
    assert (tmp_path / "a.txt").read_text() == "x"


# ---- one command at a time --------------------------------------------------------------------------------------

HOLDER = """
import sys, time
from util.files import alone
with alone(sys.argv[1]):
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_folder_is_kept_to_one_command(tmp_path):
    process = child(HOLDER, tmp_path)
    try:
        with pytest.raises(CourseError, match=r"at work in .*: wait until it has ended"), alone(tmp_path):
            pass
        (tmp_path / "other").mkdir()
        with alone(tmp_path / "other"):
            pass
    finally:
        process.kill()
        process.communicate(timeout=30)
    for _ in range(2):  # free again, as soon as the other is no more
        with alone(tmp_path):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_the_folder_is_given_back_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), alone(tmp_path):
        1 / 0  # noqa: B018
    with alone(tmp_path), pytest.raises(CourseError, match="at work"), alone(tmp_path):
        pass


def test_where_there_are_no_locks_the_work_is_done_all_the_same(tmp_path, monkeypatch):
    def unsupported(folder):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(files, "_lock", unsupported)
    with alone(tmp_path), alone(tmp_path):
        pass


def test_the_lock_of_windows(tmp_path, monkeypatch):
    """Its file would vanish with the handle; here nothing but that is missing."""
    monkeypatch.setattr(os, "O_TEMPORARY", 0, raising=False)
    os.close(files._lock_by_file(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [".in-use"]
    with pytest.raises(BlockingIOError):
        files._lock_by_file(tmp_path)
    monkeypatch.setattr(files, "_lock", files._lock_by_file)
    with pytest.raises(CourseError, match="Another command is at work"), alone(tmp_path):
        pass

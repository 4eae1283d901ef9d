"""Keras 2's HDF5: files that take numbers from elsewhere or from nowhere, and the process that reads them."""

import signal
import subprocess
import sys
import tracemalloc

import h5py
import numpy as np
import pytest

from tests.fuzz import weights as files
from util.errors import CourseError
from util.models.formats import apart
from util.models.formats.apart import read_apart
from util.models.formats.hdf5 import read_keras2

FOUR = np.arange(4, dtype="<f4").tobytes()


def spoiled(path, change):
    """A good file with its first kernel replaced by what `change` puts there."""
    files.keras2(path)
    with h5py.File(path, "a") as file:
        del file["conv/conv/kernel:0"]
        change(file, "conv/conv/kernel:0")
    return path


def external(file, name):
    file.create_dataset(name, (4,), "f4", external=[("/etc/passwd", 0, 16)])


def virtual(file, name):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    file.create_virtual_dataset(name, layout)


def unallocated(file, name):
    file.create_dataset(name, (1000, 1000, 1000), "f4")


def set_link(link):
    return lambda file, name: file.__setitem__(name, link)


HDF5_HARM = {
    "external storage": external,
    "virtual": virtual,
    "3.8 GB that are not there": unallocated,
    "small, but not there": lambda file, name: file.create_dataset(name, (4,), "f4"),
    "chunks that are not there": lambda file, name: file.create_dataset(name, (10**9,), "f4", chunks=(1000,)),
    "packed": lambda file, name: file.create_dataset(name, data=np.zeros(10**6, "f4"), compression="gzip"),
    "external link": set_link(h5py.ExternalLink("/etc/passwd", "/x")),
    "soft link": set_link(h5py.SoftLink("/dense/dense/kernel:0")),
    "soft link to itself": set_link(h5py.SoftLink("/conv/conv/kernel:0")),
    "texts": lambda file, name: file.create_dataset(name, data=np.array([b"abc"])),
    "texts of any length": lambda file, name: file.create_dataset(name, data=["abc"]),
    "complex": lambda file, name: file.create_dataset(name, data=np.zeros(3, complex)),
    "nothing": lambda file, name: file.create_dataset(name, data=h5py.Empty("f4")),
    "a group": lambda file, name: file.create_group(name),
    "absent": lambda file, name: None,
}


@pytest.mark.parametrize("name", HDF5_HARM)
def test_hdf5_that_takes_numbers_from_elsewhere_or_from_nowhere(name, tmp_path):
    path = spoiled(tmp_path / "w.h5", HDF5_HARM[name])
    tracemalloc.start()
    with pytest.raises(CourseError, match=r"is not as Keras 2 writes its weights|is damaged"):
        read_keras2(path)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_hdf5_that_is_good_is_read_here_and_apart(tmp_path):
    path = files.keras2(tmp_path / "w.h5")
    for found in (read_keras2(path), read_apart(path)):
        assert [name for name, _ in found.layers] == ["conv", "dense"] and found.final_relu and found.named
        np.testing.assert_array_equal(found.layers[0][1][0], files.ARRAYS["conv.weight"])
        np.testing.assert_array_equal(found.layers[1][1][1], [3, 4])
        assert found.epsilon == pytest.approx(1.001e-5)
    assert list(tmp_path.iterdir()) == [path]


def test_one_array_named_many_times(tmp_path, monkeypatch):
    path = files.keras2(tmp_path / "w.h5", {"k": np.zeros(1000, "f4")})
    with h5py.File(path, "a") as file:
        file["dense"].attrs["weight_names"] = np.array([b"k"] * 10)
    monkeypatch.setattr("util.models.formats.hdf5.NUMBERS", 40_096)
    assert len(read_keras2(path).layers[1][1]) == 10
    monkeypatch.setattr("util.models.formats.hdf5.NUMBERS", 40_095)
    with pytest.raises(CourseError, match="more than 40,095 bytes of numbers"):
        read_keras2(path)


def test_names_of_layers_on_both_sides(tmp_path, monkeypatch):
    path = files.keras2(tmp_path / "w.h5")  # 3 layers and 3 arrays
    monkeypatch.setattr("util.models.formats.hdf5.LAYERS", 6)
    assert len(read_keras2(path).layers) == 2
    monkeypatch.setattr("util.models.formats.hdf5.LAYERS", 5)
    with pytest.raises(CourseError, match="more than 5 layers and arrays"):
        read_keras2(path)


@pytest.mark.parametrize(
    "names", [np.zeros(3), np.array([[b"conv"]]), np.array([b"x" * 201]), b"conv", np.array([b"conv", b"../x"])]
)
def test_layer_names_that_are_none(tmp_path, names):
    path = files.keras2(tmp_path / "w.h5")
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = names
    with pytest.raises(CourseError, match=r"is not as Keras 2 writes|is damaged"):
        read_keras2(path)


def test_names_of_any_length_are_read(tmp_path):
    path = files.keras2(tmp_path / "w.h5")
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = ["conv", "relu", "dense"]
    assert [name for name, _ in read_keras2(path).layers] == ["conv", "dense"]


def child(monkeypatch, code, seconds=apart.SECONDS):
    """Let `read_apart` start this code in place of the reader; it has the limits of the reader."""
    real = subprocess.run

    def run(command, **options):
        return real(
            [
                command[0],
                "-c",
                f"from util.models.formats import apart; apart.SECONDS = {seconds}; apart._limit()\n{code}",
                *command[3:],
            ],
            **options,
        )

    monkeypatch.setattr(apart.subprocess, "run", run)


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.abort()",
        f"import os, signal; os.kill(os.getpid(), {int(signal.SIGSEGV)})",
        "while True: pass",
        "x = bytearray(1_200_000_000)",
        "import sys; sys.exit(1)",
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="limits on memory are set on Linux")
def test_a_reader_that_crashes_loops_or_swells_is_one_sentence(code, monkeypatch, tmp_path):
    child(monkeypatch, code, seconds=0)  # the loop need not burn all four
    with pytest.raises(
        CourseError, match="took more than 4 seconds or 1 GB, or ended the process: the file is damaged"
    ):
        read_apart(files.keras2(tmp_path / "w.h5"))


def test_a_reader_that_waits_is_not_waited_for(monkeypatch, tmp_path):
    monkeypatch.setattr(apart, "PATIENCE", 1)
    child(monkeypatch, "import time; time.sleep(60)")
    with pytest.raises(CourseError, match=r"took more than 1 seconds"):
        read_apart(files.keras2(tmp_path / "w.h5"))


def test_limits_leave_room_for_what_a_file_may_hold(monkeypatch, tmp_path):
    child(monkeypatch, "x = bytearray(500_000_000); import sys; print('sentence'); sys.exit(3)")
    with pytest.raises(CourseError, match=r"^sentence$"):
        read_apart(files.keras2(tmp_path / "w.h5"))


def test_the_reader_limits_itself_before_it_opens_the_file(monkeypatch, tmp_path):
    steps = []

    def read(path):
        steps.append("read")
        return apart.Foreign([], True, 1e-5, named=True)

    monkeypatch.setattr(apart, "_limit", lambda: steps.append("limit"))
    monkeypatch.setattr("util.models.formats.hdf5.read_keras2", read)
    assert apart.main(["w.h5", str(tmp_path)]) == 0 and steps == ["limit", "read"]


@pytest.mark.skipif(sys.platform != "linux", reason="limits on memory are set on Linux")
def test_the_limits_are_those_that_are_promised():
    """Of memory beyond what the process has, of processor time, and no core file; SECURITY.md has the figures."""
    code = (
        "import re, resource as r; from util.models.formats import apart\n"
        "had = 1024 * int(re.search(r'VmSize:\\s+(\\d+)', open('/proc/self/status').read())[1]); apart._limit()\n"
        "print(had, *(r.getrlimit(k)[0] for k in (r.RLIMIT_AS, r.RLIMIT_CPU, r.RLIMIT_CORE)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=apart.HOME, capture_output=True, text=True, check=True)
    had, memory, seconds, core = map(int, done.stdout.split())
    assert abs(memory - had - apart.MEMORY) < 5_000_000 and core == 0
    assert apart.SECONDS + 1 <= seconds <= apart.SECONDS + 3  # whole seconds, after those of the imports
    assert (apart.MEMORY, apart.SECONDS, apart.PATIENCE) == (1_000_000_000, 4, 120)


def test_a_file_of_keras_3_is_named_as_such(tmp_path):
    with h5py.File(tmp_path / "w.weights.h5", "w") as file:
        file.create_group("layers")
    with pytest.raises(CourseError, match="without the layer names of Keras 2"):
        read_keras2(tmp_path / "w.weights.h5")


@pytest.mark.parametrize("kind", ["a group", "texts", "nothing", "packed", "external storage"])
def test_what_is_no_array_in_the_file_is_told_from_damage(kind, tmp_path):
    with pytest.raises(CourseError, match="is not as Keras 2 writes its weights"):
        read_keras2(spoiled(tmp_path / "w.h5", HDF5_HARM[kind]))


@pytest.mark.parametrize(("length", "read"), [(200, True), (201, False)])
def test_the_longest_name_of_a_layer(length, read, tmp_path):
    """Names of one length, and of any length, which the attribute's own size does not bound."""
    path, long = files.keras2(tmp_path / "w.h5"), "x" * length
    with h5py.File(path, "a") as file:
        file.move("conv", long)
        file.move("dense", long[:-1])
        for names in ([long, "relu", long[:-1]], np.array([long, "relu", long[:-1]], "S")):
            file.attrs["layer_names"] = names
            file.flush()
            if read:
                assert [name for name, _ in read_keras2(path).layers] == [long, long[:-1]]
            else:
                with pytest.raises(CourseError, match=r"a name of more than 200 letters|are no names"):
                    read_keras2(path)


def test_an_array_may_end_with_the_file(tmp_path):
    path = files.keras2(tmp_path / "w.h5")
    with h5py.File(path) as file:
        ends = {
            name: file[name].id.get_offset() + file[name].nbytes
            for name in ("conv/conv/kernel:0", "dense/dense/bias:0")
        }
    last = max(ends, key=ends.get)
    data = path.read_bytes()
    assert len(data) >= ends[last]
    if len(data) == ends[last]:
        assert read_keras2(path).layers
    path.write_bytes(data[: ends[last] - 1])
    with pytest.raises(CourseError, match=r"is damaged|not in the file"):
        read_keras2(path)


def test_an_array_in_the_place_of_a_layer(tmp_path):
    def flat(file, name):
        del file["conv/conv"]
        file.create_dataset("conv/conv", data=np.zeros(4, "f4"))

    with pytest.raises(CourseError, match=r"is not as Keras 2 writes its weights \(conv/kernel:0 is no group\)"):
        read_keras2(spoiled(tmp_path / "w.h5", flat))


@pytest.mark.parametrize("kind", ["f2", "f8", "i8", "u1"])
def test_numbers_of_other_precisions_become_single(tmp_path, kind):
    numbers = np.arange(8).reshape(1, 2, 2, 2).astype(kind)
    path = spoiled(tmp_path / "w.h5", lambda file, name: file.create_dataset(name, data=numbers))
    kernel = read_keras2(path).layers[0][1][0]
    assert kernel.dtype == np.float32
    np.testing.assert_array_equal(kernel, numbers)

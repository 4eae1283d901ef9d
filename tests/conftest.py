"""What several test files share: cohorts, a folder in NIH's formats, the embedded model."""

import gzip
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from util.cohort import HOME, load_cohort
from util.findings import FINDINGS

os.environ["COURSE_BATCH"] = "1"  # no progress bars; set before any module can ask
for name in ("COHORT", "CXR_ROOT"):  # the tests choose the cohort themselves
    os.environ.pop(name, None)

settings.register_profile("course", deadline=None, derandomize=True)  # the same examples on every, even a slow, machine
settings.load_profile("course")

HEAD_2020 = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
HEAD_BOXES = "Image Index,Finding Label,Bbox [x,y,w,h],,,"  # nine fields count the commas inside the brackets


class NihFolder:
    """A folder with files byte for byte in the formats in which NIH distributes them."""

    def __init__(self, root):
        self.root = root

    def labels(self, *rows, version=2020, packing=""):
        """Write a label file; a row is (image, labels, follow-up, patient, age, sex, view) or part of it."""
        lines, end = [HEAD_2020], "\n"
        for row in rows:
            row = (*row, *("x.png", "No Finding", 0, 1, 50, "F", "PA")[len(row) :])
            lines.append(",".join(map(str, row)) + ",2500,2048,0.168,0.168")
        if version == 2017:
            lines[0], end = lines[0] + ",", "\r\n"
            lines[1:] = [line + "," for line in lines[1:]]
        name = "Data_Entry_2017_v2020.csv" if version == 2020 else "Data_Entry_2017.csv"
        return self.pack(name, "".join(line + end for line in lines), packing)

    def boxes(self, *rows, packing=""):
        """Write a box list; a row is (image, finding, x, y, w, h) in films of 1024 x 1024 pixels."""
        lines = [HEAD_BOXES, *(",".join(map(str, row)) for row in rows)]
        return self.pack("BBox_List_2017.csv", "".join(line + "\n" for line in lines), packing)

    def pack(self, name, text, packing):
        """Write a text plain, as .gz or as .zip; the path."""
        path = self.root / f"{name}{packing}"
        if packing == ".gz":
            path.write_bytes(gzip.compress(text.encode()))
        elif packing == ".zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(name, text)
        else:
            path.write_bytes(text.encode())
        return path

    def film(self, name, shape=(64, 64), mode="L", folder="images"):
        """Write a film of random gray levels, shape (h, w); returns its pixels, uint8 (h, w)."""
        pixels = np.random.default_rng(list(name.encode())).integers(0, 256, shape, dtype=np.uint8)
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(pixels)
        if mode == "RGBA":
            image = Image.merge("RGBA", [image, image, image, Image.new("L", image.size, 255)])
        image.save(self.root / folder / name)
        return pixels

    def load(self):
        """The cohort in this folder."""
        return load_cohort("nih", self.root)


@pytest.fixture
def nih_files(tmp_path):
    """An empty NihFolder."""
    (tmp_path / "nih").mkdir()
    return NihFolder(tmp_path / "nih")


@pytest.fixture
def write(tmp_path):
    """Write bytes to a file; returns its path."""

    def write(data, name="w"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


@pytest.fixture(scope="session")
def nih_root():
    """Folder of real films: the environment variable CXR_TEST_ROOT, else ../shared/nih of the course."""
    folder = Path(os.environ.get("CXR_TEST_ROOT") or HOME.parent / "shared" / "nih")
    if not folder.is_dir():
        pytest.skip(f"no real films here ({folder} is absent): name their folder in CXR_TEST_ROOT")
    return folder


@pytest.fixture(scope="session")
def nih_cohort(nih_root):
    """The real cohort."""
    return load_cohort("nih", nih_root)


@pytest.fixture(scope="session")
def phantom_cohort():
    """The embedded cohort."""
    return load_cohort("phantom")


@pytest.fixture(scope="session", params=["phantom", "nih"])
def cohort(request):
    """Both cohorts, one after the other."""
    return request.getfixturevalue(f"{request.param}_cohort")


@pytest.fixture(scope="session")
def pretrained():
    """The embedded model, proven on its known film; built once for all tests, so change nothing in it."""
    from util.weights import WEIGHTS, load_pretrained

    if not (WEIGHTS / "phantom.safetensors").is_file():
        pytest.skip("data/weights/phantom.safetensors is not there yet")
    return load_pretrained()


def tiny_network(size=32, seed=0):
    """A stand-in for DenseNet-121 with the same ends, made in a moment: films (n, size, size, 3) -> logits (n, 14)."""
    import keras

    inputs = keras.Input((size, size, 3), name="films")
    noise = keras.initializers.HeNormal(seed)
    x = keras.layers.Conv2D(16, 16, 8, "same", use_bias=False, name="conv", kernel_initializer=noise)(inputs)
    x = keras.layers.ReLU(name="pool3_relu")(x)
    x = keras.layers.ReLU(name="pool4_relu")(keras.layers.AveragePooling2D(2)(x))
    x = keras.layers.AveragePooling2D(2)(x)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    dense = keras.layers.Dense(len(FINDINGS), name="logits", kernel_initializer=keras.initializers.GlorotUniform(seed))
    return keras.Model(inputs, dense(x), name="tiny")


def release_tiny(folder, films, name="phantom"):
    """Weights and passport of a tiny network, as `util.train` writes them; `films` is the folder of its known film."""
    import json

    from util.images import Preprocessing, read_film
    from util.model import predict_films
    from util.weights import save_weights

    image = sorted(path.name for path in films.iterdir())[0]
    network, file = tiny_network(), folder / f"{name}.safetensors"
    sha256 = save_weights(network, file)
    for variable in network.variables:  # the known film is recorded with the rounded weights
        if len(variable.shape) == 4:
            variable.assign(variable.numpy().astype(np.float16).astype(np.float32))
    film = Preprocessing(32, 120.0, 60.0)(read_film(films / image))
    passport = {
        "name": name,
        "sha256": sha256,
        "bytes": file.stat().st_size,
        "origin": "a tiny network of the tests",
        "films": "simulated",
        "training": "no film at all",
        "findings": list(FINDINGS),
        "preprocessing": {"size": 32, "mean": 120.0, "std": 60.0},
        "output": "logits",
        "licence": "MIT",
        "known_film": {"image": image, "logits": predict_films(network, film[None])[0].tolist()},
    }
    file.with_suffix(".json").write_text(json.dumps(passport))
    return file


@pytest.fixture
def tiny_release(tmp_path, monkeypatch):
    """Path of tiny weights that stand where the embedded ones do, with a tiny DenseNet to take them."""
    weights, films = tmp_path / "weights", tmp_path / "phantom" / "films"
    weights.mkdir()
    films.mkdir(parents=True)
    pixels = np.random.default_rng(5).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(pixels).save(films / "known.png")
    monkeypatch.setattr("util.model.build_densenet", tiny_network)
    monkeypatch.setattr("util.weights.PHANTOM", films.parent)
    monkeypatch.setattr("util.weights.WEIGHTS", weights)
    return release_tiny(weights, films)

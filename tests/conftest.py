"""What several test files share: cohorts, a folder in NIH's formats, the embedded model."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from tests.helpers.networks import tiny_network
from tests.helpers.nih_folder import NihFolder
from util.data.cohort import HOME, load_cohort
from util.findings import FINDINGS

os.environ["COURSE_BATCH"] = "1"  # no progress bars; set before any module can ask
for name in ("COHORT", "CXR_ROOT"):  # the tests choose the cohort themselves
    os.environ.pop(name, None)

settings.register_profile("course", deadline=None, derandomize=True)  # the same examples on every, even a slow, machine
settings.load_profile("course")


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
    from util.models.weights import WEIGHTS, load_pretrained

    if not (WEIGHTS / "phantom.safetensors").is_file():
        pytest.skip("data/weights/phantom.safetensors is not there yet")
    return load_pretrained()


def release_tiny(folder, films, name="phantom"):
    """Weights and passport of a tiny network, as `util.training.simulated` writes them; `films` is the folder of its known film."""
    import json

    from util.data.images import read_film
    from util.models.predict import predict_films
    from util.models.preprocessing import Preprocessing
    from util.models.weights import save_weights

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
    monkeypatch.setattr("util.models.densenet.build_densenet", tiny_network)
    monkeypatch.setattr("util.models.weights.PHANTOM", films.parent)
    monkeypatch.setattr("util.models.weights.WEIGHTS", weights)
    return release_tiny(weights, films)

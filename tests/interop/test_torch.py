"""Files of torchvision's and torchxrayvision's own networks against their own answers: zip and stream, dictionary and module."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-interop brings it")

from tests.interop.conftest import RULES, ours, probabilities
from tests.interop.networks import of_torchvision, of_torchxrayvision, shuffled
from util.findings import FINDINGS
from util.models.formats.torch_pickle import read_torch
from util.models.public import RECORDS


def theirs(model, films, labels):
    """PyTorch's probabilities in the course's order."""
    with torch.no_grad():
        logits = model(torch.from_numpy(films.transpose(0, 3, 1, 2).copy())).numpy()
    return probabilities(logits[:, [labels.index(finding) for finding in FINDINGS]])


@pytest.fixture(scope="module")
def network():
    return shuffled(of_torchvision(), seed=1)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
@pytest.mark.parametrize("whole", [True, False], ids=["module", "dictionary"])
def test_every_tensor_of_every_kind_of_file(network, tmp_path, zipped, whole):
    content = network if whole else network.state_dict()
    torch.save(content, tmp_path / "w.bin", _use_new_zipfile_serialization=zipped)
    arrays = read_torch(tmp_path / "w.bin")
    state = network.state_dict()
    assert len(arrays) == 727 and set(arrays) == set(state)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, state[name].numpy())


@pytest.mark.parametrize("wrapped", [False, True])
def test_probabilities(network, films, tmp_path, wrapped, capsys, load):
    content = {"epoch": 3, "state_dict": {f"module.densenet121.{k}": v for k, v in network.state_dict().items()}}
    torch.save(content if wrapped else network, tmp_path / "w.pt")
    labels = sorted(FINDINGS)
    loaded = load(path=tmp_path / "w.pt", findings=labels, preprocessing=RULES)
    assert np.abs(ours(loaded, films) - theirs(network, films, labels)).max() <= 5e-6
    assert "a file of your own (PyTorch)" in capsys.readouterr().out


def test_one_channel_and_eighteen_outputs_as_torchxrayvision_has_them(tmp_path, load):
    network = shuffled(of_torchxrayvision(), seed=2, spread=500.0)
    torch.save(network, tmp_path / "w.pt", _use_new_zipfile_serialization=False)
    loaded = load("xrv-nih", path=tmp_path / "w.pt")
    film = np.random.default_rng(1).integers(0, 256, (300, 240), dtype=np.uint8)
    ready = loaded.preprocessing(film)[None]
    np.testing.assert_allclose(ready[0, ..., 0].mean(), (film[30:270].mean() / 255 * 2 - 1) * 1024, atol=3)
    there = theirs(network, ready[..., :1], list(RECORDS["xrv-nih"].labels))
    assert np.abs(ours(loaded, ready) - there).max() <= 5e-6


def test_tiny_variances_need_the_difference_of_the_epsilons(films, tmp_path, load):
    network = shuffled(of_torchvision(), seed=3, faint=1e-4)
    torch.save(network.state_dict(), tmp_path / "w.pt")
    loaded = load(path=tmp_path / "w.pt", findings=FINDINGS, preprocessing=RULES)
    norm = loaded.model.get_layer("conv1_bn")
    theirs_there = network.features.norm0.running_var.numpy().astype(np.float64) + 1e-5
    assert theirs_there.min() < 1.1e-5
    np.testing.assert_allclose(norm.moving_variance.numpy().astype(np.float64) + norm.epsilon, theirs_there, rtol=1e-6)
    assert np.abs(ours(loaded, films) - theirs(network, films, list(FINDINGS))).max() <= 5e-6

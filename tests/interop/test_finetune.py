"""DenseNet-121 in PyTorch is the one of Keras, and fine-tuning learns, repeats itself and leaves out what does not count."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-interop")

from tests.helpers.bright_squares import films
from util.models.weights import WEIGHTS
from util.training import finetune as finetune_module
from util.training.finetune import (
    Stage,
    Takes,
    _loss,
    _off_the_boxes,
    _parts,
    _weights,
    cells,
    finetune,
    learned_prevalence,
    taken,
)
from util.training.network import DenseNet, Tuned, load_arrays, read_maps, read_out, to_arrays
from util.training.real_films import Lessons


@pytest.fixture(scope="module")
def arrays():
    from safetensors.numpy import load_file

    return {name: a.astype(np.float32) for name, a in load_file(WEIGHTS / "phantom.safetensors").items()}


def test_arrays_come_back_as_they_went_in(arrays):
    back = to_arrays(load_arrays(DenseNet(), arrays))
    assert back.keys() == arrays.keys()
    assert all(np.array_equal(back[name], arrays[name]) for name in arrays)


def test_network_is_the_one_of_keras(arrays):
    """In float32, without bfloat16: the same logits from the same weights."""
    from util.models.densenet import build_densenet

    model = build_densenet(64)
    for variable in model.variables:
        variable.assign(arrays[variable.path])
    batch = np.random.default_rng(1).normal(size=(2, 64, 64, 3)).astype(np.float32)
    with torch.no_grad():
        logits, features, _ = load_arrays(DenseNet(), arrays).eval()(
            torch.from_numpy(batch.transpose(0, 3, 1, 2).copy())
        )
    assert features.shape == (2, 1024)
    assert np.allclose(np.asarray(model.predict_on_batch(batch)), logits.numpy(), atol=2e-4)


def test_mean_of_the_maps_and_bias_is_the_logit(arrays):
    pixels = films(4).pixels
    logits, _ = read_out(arrays, pixels)
    maps = read_maps(arrays, pixels)
    assert np.allclose(maps.mean(axis=(2, 3)) + arrays["logits/bias"], logits, atol=0.05)  # bfloat16 on the way


def test_fine_tuning_learns_and_repeats_itself(arrays):
    data, rows, losses = films(), np.arange(24), []
    stage = Stage(64, 96, batch=8)
    tuned = finetune(data, rows, stage, arrays, seed=1, note=lambda step, steps, loss: losses.append(loss))
    assert len(losses) == 12
    scores = read_out(tuned, data.pixels)[0][:, 0]
    assert scores[data.labels[:, 0] == 1].mean() > scores[data.labels[:, 0] == 0].mean() + 0.5
    again = finetune(data, rows, stage, arrays, seed=1)
    assert all(np.allclose(tuned[name], again[name], atol=1e-6) for name in tuned)
    other = finetune(data, rows, stage, arrays, seed=2)
    assert any(not np.allclose(tuned[name], other[name]) for name in tuned)


def test_from_scratch_starts_elsewhere(arrays):
    scratch = finetune(films(8), np.arange(8), Stage(64, 8, batch=8), None)
    assert scratch.keys() == arrays.keys()
    assert not np.allclose(scratch["conv1_conv/kernel"], arrays["conv1_conv/kernel"], atol=0.01)


def test_a_label_that_does_not_count_moves_nothing(arrays):
    model, batch = Tuned(arrays).eval(), torch.zeros((2, 3, 64, 64))
    counts = torch.ones((2, 14))
    counts[0, 3] = 0
    ones, further, no_box = torch.ones((2, 2, 14)), torch.zeros((2, 3)), torch.zeros((2, 14, 4))
    labels = torch.zeros((2, 14))
    changed = labels.clone()
    changed[0, 3] = 1
    with torch.no_grad():
        losses = [_loss(model, model.net, batch, y, counts, further, no_box, ones).item() for y in (labels, changed)]
        changed[1, 3] = 1
        losses.append(_loss(model, model.net, batch, changed, counts, further, no_box, ones).item())
    assert losses[0] == losses[1] != losses[2]


def test_places_of_boxes_at_the_last_map():
    places = np.zeros((8, 8, 14), bool)
    places[1:3, 4:8, 5] = True  # two rows of four pixels of the second cell of two rows of two
    np.testing.assert_allclose(cells(places, 64)[5], [0, 1, 0, 0])
    assert not cells(places, 64)[[0, 4, 6]].any() and not cells(None, 96).any()
    assert cells(None, 96).shape == (14, 9)
    places[3, 3, 5] = places[5, 4:8, 2] = True
    np.testing.assert_allclose(cells(places, 64)[[2, 5]], [[0, 0, 0, 1], [1 / 8, 1, 0, 0]])


def test_loss_of_boxes_is_the_evidence_outside_them():
    net, maps = DenseNet(), torch.zeros((2, 1024, 1, 4))
    with torch.no_grad():
        net.logits.weight.zero_()
        net.logits.weight[5, 7] = 1.0
        maps[1, 7, 0] = torch.tensor([0.0, np.log(3), 0.0, 0.0])  # of the evidence half lies in the second cell
    both = torch.zeros((2, 14, 4))
    assert _off_the_boxes(net, maps, both).item() == 0
    both[1, 5, 1] = 1
    assert _off_the_boxes(net, maps, both).item() == pytest.approx(np.log(2), abs=1e-3)
    both[0, 5, 1] = 1
    assert _off_the_boxes(net, maps, both).item() == pytest.approx((np.log(2) + np.log(4)) / 2, abs=1e-3)


def test_films_are_taken_as_often_as_their_chance_says():
    chance = np.array([1.0, 1, 2, 0.5, 0])
    rows = taken(chance, 1000, np.random.default_rng(0))
    counts = np.bincount(rows, minlength=5)
    assert np.abs(counts - 1000 * chance / chance.sum()).max() < 1
    assert not np.array_equal(rows, np.sort(rows))


def test_simulated_films_have_their_share_and_their_own_weights():
    data = films()
    real = data.lessons(np.arange(24))
    labels = np.zeros((10, 14), np.float32)
    labels[:5] = 1
    simulated = Lessons(
        data.pixels[:10], labels, np.ones((10, 14), np.float32), real.further[:10], [None] * 10, np.ones(10)
    )
    parts, chance = _parts(real, simulated, 0.25)
    assert chance[24:].sum() == pytest.approx(0.25) and chance.sum() == pytest.approx(1)
    np.testing.assert_allclose(_weights(simulated)[0], 1)
    takes = Takes(parts, np.array([0, 24, 33]), Stage(64, 3, batch=1), seed=3)
    assert [takes[k][2] for k in range(3)] == [0, 24, 33]
    assert np.array_equal(takes[1][0], Takes(parts, takes.order, takes.stage, 3)[1][0])  # of its number and seed alone
    assert not np.array_equal(takes[1][0], takes[0][0])


def test_many_films_of_a_patient_and_films_of_further_folders_are_taken_less_often():
    data = films(12)
    data.table["PatientId"], data.table["Folder"] = [1] * 8 + [2, 3, 4, 5], [0] * 10 + [1] * 2
    np.testing.assert_allclose(data.lessons(np.arange(12)).chance, [1.0] * 8 + [2, 2, 1, 1])


def test_boxes_draw_the_evidence_into_them(arrays):
    data, rows, inside = films(), np.arange(24), []
    for weight in (0.0, 1.0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(finetune_module, "BOXES", weight)
            tuned = finetune(data, rows, Stage(64, 96, batch=8), arrays, seed=1)
        maps = read_maps(tuned, data.pixels[[1, 3]])[:, 0]
        soft = np.exp(maps - maps.max(axis=(1, 2), keepdims=True))
        inside.append((soft[:, 0, 0] / soft.sum(axis=(1, 2))).mean())
    assert inside[1] > inside[0] + 0.03  # of a quarter at chance


def test_prevalence_is_that_of_the_labels_that_count():
    labels, counts = np.zeros((10, 14)), np.ones((10, 14))
    labels[:3, 0], counts[5:, 0] = 1, 0
    assert learned_prevalence(labels, counts)[0] == pytest.approx(0.6)
    assert learned_prevalence(labels, counts)[1] == 0.03

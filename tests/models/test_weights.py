"""Weights and passport: the round trip, and everything that must not be loaded."""

import hashlib
import json
import pickle
import struct
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from tests.helpers.networks import tiny_network
from tests.helpers.releases import IMAGES, PHANTOM, REAL, change_passport, values
from util.errors import CourseError
from util.findings import FINDINGS
from util.models.contamination import contamination
from util.models.weights import (
    TOLERANCE,
    _constant,
    check_known_film,
    load_pretrained,
    read_passport,
    read_weights,
    save_weights,
    scope,
    tolerance,
    weights_for,
)


def rewrite(file, change):
    """Save the arrays of a weights file again after `change` has been made to them."""
    arrays = load_file(file)
    change(arrays)
    save_file(arrays, file)


# ---- round trip -------------------------------------------------------------------------------------------------


def test_round_trip_rounds_kernels_to_half_precision_and_nothing_else(tmp_path):
    network, other = tiny_network(seed=1), tiny_network(seed=2)
    sha256 = save_weights(network, tmp_path / "w.safetensors")
    read_weights(other, tmp_path / "w.safetensors", sha256)
    for name, before in values(network).items():
        after = values(other)[name]
        if before.ndim == 4:  # float16 has 11 significant bits, and steps of 2**-24 below 2**-14
            assert (np.abs(after - before) <= np.maximum(np.abs(before) * 2.0**-11, 2.0**-25)).all()
            assert (after != before).any()
        else:
            np.testing.assert_array_equal(after, before)


def test_file_is_whole_deterministic_and_small(tmp_path):
    network = tiny_network()
    first = save_weights(network, tmp_path / "a.safetensors")
    assert first == save_weights(network, tmp_path / "b.safetensors")
    assert first == hashlib.sha256((tmp_path / "a.safetensors").read_bytes()).hexdigest()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.safetensors", "b.safetensors"]
    dtypes = {name: array.dtype for name, array in load_file(tmp_path / "a.safetensors").items()}
    assert {name for name, dtype in dtypes.items() if dtype == np.float16} == {"conv/kernel"}


def test_large_variances_survive(tmp_path):
    network = tiny_network()
    network.get_layer("bn").moving_variance.assign(np.full(16, 1e7, np.float32))  # float16 ends at 65,504
    save_weights(network, tmp_path / "w.safetensors")
    read_weights(other := tiny_network(), tmp_path / "w.safetensors")
    np.testing.assert_array_equal(other.get_layer("bn").moving_variance, 1e7)


def test_load_pretrained(tiny_release):
    loaded = load_pretrained()
    assert loaded.findings == FINDINGS
    assert loaded.passport == read_passport()
    assert (loaded.preprocessing.size, loaded.preprocessing.mean, loaded.preprocessing.std) == (32, 120, 60)
    assert loaded.model.output_shape == (None, 14)
    assert check_known_film(loaded) < 1e-4
    by_path = load_pretrained(path=tiny_release)
    for name, array in values(by_path.model).items():
        np.testing.assert_array_equal(array, values(loaded.model)[name])


# ---- the passport -----------------------------------------------------------------------------------------------


def test_passport_in_words(tiny_release):
    text = load_pretrained().describe()
    assert "Weights: phantom (0.0 MB), a tiny network of the tests." in text
    assert "Trained on: no film at all." in text
    assert "Input: 32 x 32 pixels, (gray level - 120.0) / 60.0." in text
    assert "Known film: logits of known.png are as recorded." in text
    assert "Licence: MIT. Not for clinical use." in text
    assert "Labels:" not in text  # they are the course's


def test_constants_are_read_at_a_glance():
    assert [_constant(value) for value in (0, 1, 120.44, 0.2290001, [0.485, 0.0])] == [
        "0.0", "1", "120.4", "0.229", "(0.485, 0.0)",
    ]  # fmt: skip


def test_the_passport_alone_needs_no_network_and_claims_no_comparison(tiny_release):
    whole, alone = load_pretrained(path=tiny_release), load_pretrained(path=tiny_release, network=False)
    assert alone.model is None and alone.passport == whole.passport and alone.preprocessing == whole.preprocessing
    assert "as recorded" in whole.describe() and "as recorded" not in alone.describe()
    assert "Known film: compared where the network is loaded." in alone.describe()


def test_passport_says_what_it_means_to_meet_these_films(tiny_release):
    loaded = load_pretrained()
    assert "has only ever seen simulated ones: poor scores are to be expected" in loaded.describe(REAL)
    assert "These films are simulated, like those the model was trained on" in loaded.describe(PHANTOM)
    assert "has only ever seen" not in loaded.describe(PHANTOM)
    assert loaded.describe(REAL).startswith(loaded.describe())
    # Weights of somebody else, trained on real films:
    sentence = "These films are real, like those the model was trained on. Whether these 3 films were in the model's"
    assert scope({"films": "real"}, REAL).startswith(sentence)
    listed = scope({"films": "real", "training_films": ["00000001_000.png"]}, REAL)
    assert "1 of these 3 films were in the model's training data, and 1 more are of patients" in listed
    assert "simulated, and the model was trained on real ones" in scope({"films": "real"}, PHANTOM)


def test_contamination():
    unknown = contamination({"films": "real"}, IMAGES)
    assert not unknown.known and unknown.seen == () and "is unknown" in str(unknown)
    for passport in ({"films": "simulated"}, {"films": "real", "training_films": ["00000003_000.png"]}):
        none = contamination(passport, IMAGES)
        assert none.known and none.seen == none.related == ()
        assert str(none).startswith("None of these 3 films, and no other film of their patients,")
    trained = {"films": "real", "training_films": ["00000001_000", "00000009_000.png"]}  # with or without the ending
    some = contamination(trained, iter(IMAGES))
    assert (some.films, some.seen, some.related) == (3, ("00000001_000.png",), ("00000001_001.png",))
    assert "1 of these 3 films were in the model's training data, and 1 more are of patients it was trained on" in str(
        some
    )


@pytest.mark.parametrize(
    ("trained", "sentence"),
    [
        (None, "Whether this film was in the model's training data is unknown, since"),
        ([], "Neither this film nor another of its patient was in the model's training data."),
        (IMAGES[:1], "This film was in the model's training data: its score flatters the model."),
        (IMAGES[1:2], "Another film of its patient was in the model's training data: its score flatters the model."),
    ],
)
def test_contamination_of_one_film(trained, sentence):
    passport = {"films": "real"} | ({} if trained is None else {"training_films": trained})
    assert str(contamination(passport, IMAGES[:1])).startswith(sentence)


# ---- the known film ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "altered",
    [
        {"preprocessing": {"size": 32, "mean": 124.0, "std": 60.0}},
        {"preprocessing": {"size": 32, "mean": 120.0, "std": 66.0}},
        {"preprocessing": {"size": 64, "mean": 120.0, "std": 60.0}},
        {"known_film": {"image": "known.png", "logits": [0.0] * 14}},
        {"known_film": {"image": "known.png", "logits": [float("nan")] * 14}},
    ],
)
def test_known_film_notices_another_preprocessing_or_recording(tiny_release, altered):
    change_passport(tiny_release, **altered)
    with pytest.raises(CourseError, match=r"The known film known\.png gives logits that differ by .* restore data/"):
        load_pretrained()
    assert load_pretrained(check=False).findings == FINDINGS


def test_known_film_notices_other_weights(tiny_release):
    loaded = load_pretrained()
    bias = loaded.model.get_layer("logits").bias
    bias.assign_add(np.full(14, 1.5 * TOLERANCE))
    with pytest.raises(CourseError, match=r"differ by 0\.0015"):
        check_known_film(loaded)


def gpus(monkeypatch, capability, enabled=True):
    config = "tensorflow.config.experimental."
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: ["gpu"] * (capability is not None))
    monkeypatch.setattr(
        config + "get_device_details", lambda device: {"compute_capability": capability} if capability else {}
    )
    monkeypatch.setattr(config + "tensor_float_32_execution_enabled", lambda: enabled)


@pytest.mark.parametrize(
    ("capability", "enabled", "tf32"),
    [
        (None, True, False),
        ((7, 5), True, False),
        ((8, 0), True, True),
        ((8, 9), True, True),
        ((9, 0), False, False),
        ((), True, False),
    ],
)
def test_recent_gpus_round_and_it_is_said(tiny_release, monkeypatch, capability, enabled, tf32):
    loaded = load_pretrained()
    gpus(monkeypatch, capability, enabled)
    assert tolerance()[0] == (5e-3 if tf32 else 1e-3)
    assert ("as recorded within 0.005, since this GPU rounds to TF32." in loaded.describe()) == tf32
    loaded.model.get_layer("logits").bias.assign_add(np.full(14, 0.004))
    if tf32:
        assert check_known_film(loaded) == pytest.approx(0.004, abs=1e-4)
        loaded.model.get_layer("logits").bias.assign_add(np.full(14, 0.002))
    with pytest.raises(CourseError, match="is allowed here"):
        check_known_film(loaded)


def test_known_film_missing(tiny_release, tmp_path):
    (tmp_path / "phantom" / "films" / "known.png").unlink()
    with pytest.raises(CourseError, match=r"No film at .*known\.png"):
        load_pretrained()


# ---- files that must not be loaded ------------------------------------------------------------------------------


def test_sha256_comes_before_everything(tiny_release):
    data = bytearray(tiny_release.read_bytes())
    data[-1] ^= 1
    tiny_release.write_bytes(data)
    with pytest.raises(CourseError, match=r"phantom\.safetensors is not the file of its passport \(SHA-256 differs\)"):
        load_pretrained()


def test_missing_weights(tiny_release):
    tiny_release.unlink()
    with pytest.raises(CourseError, match=r"No weights at .*phantom\.safetensors: restore data/weights"):
        load_pretrained()


class Bomb:
    """A pickle that would make a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def brain_floats():
    head = json.dumps({"conv/kernel": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(head)) + head + b"\x00" * 4


@pytest.mark.parametrize("kind", ["pickle", "npy", "h5", "text", "empty", "cut", "bfloat16"])
def test_what_is_no_safetensors_file(file, kind):
    trap = file.with_name("trap")
    if kind == "pickle":
        file.write_bytes(pickle.dumps(Bomb(trap)))
    elif kind == "npy":
        with file.open("wb") as out:
            np.save(out, np.zeros(3))
    elif kind == "h5":
        tiny_network().save_weights(file.with_name("x.weights.h5"))
        file.write_bytes(file.with_name("x.weights.h5").read_bytes())
    else:
        whole = file.read_bytes()
        file.write_bytes({"text": b"Not found", "empty": b"", "cut": whole[:-7], "bfloat16": brain_floats()}[kind])
    with pytest.raises(CourseError, match=r"tiny\.safetensors is damaged or no safetensors file: restore it"):
        read_weights(tiny_network(), file)
    assert not trap.exists()


def spoil(name, value):
    def change(arrays):
        arrays[name].flat[0] = value

    return change


@pytest.mark.parametrize(
    "change, sentence",
    [
        (spoil("conv/kernel", np.nan), "the values of conv/kernel are not usable numbers"),
        (lambda arrays: arrays.update({"bn/beta": np.full(16, 1e300)}), "the values of bn/beta are not usable numbers"),
        (spoil("logits/kernel", np.inf), "the values of logits/kernel are not usable numbers"),
        (spoil("bn/moving_variance", -1), "the values of bn/moving_variance are not usable numbers"),
        (spoil("bn/moving_variance", 0), "the values of bn/moving_variance are not usable numbers"),
        (lambda arrays: arrays.pop("bn/beta"), r"another architecture \(first difference: bn/beta"),
        (lambda arrays: arrays.update(more=np.zeros(2)), r"another architecture \(first difference: more \(2,\)"),
        (lambda arrays: arrays.update({"bn/beta": np.zeros(5)}), r"another architecture \(first difference: bn/beta"),
    ],
)
def test_wrong_arrays_are_named_and_leave_the_model_alone(file, change, sentence):
    rewrite(file, change)
    network = tiny_network(seed=3)
    before = values(network)
    with pytest.raises(CourseError, match=sentence):
        read_weights(network, file)
    for name, array in values(network).items():
        np.testing.assert_array_equal(array, before[name])


# ---- the embedded weights ---------------------------------------------------------------------------------------


def test_embedded_weights(pretrained, phantom_cohort):
    # Huang et al. 2017, table 1: 6,953,856 trainable and 83,648 batch-norm statistics without the classifier.
    assert pretrained.model.count_params() == 7_037_504 + 14 * 1025
    assert pretrained.model.input_shape == (None, 320, 320, 3)
    assert pretrained.passport["films"] == "simulated"
    assert pretrained.passport["bytes"] < 16e6
    assert check_known_film(pretrained) <= TOLERANCE
    known = pretrained.passport["known_film"]["image"]
    assert phantom_cohort.films.set_index("Image").loc[known, "Split"] == "test"
    prevalence = pretrained.passport["prevalence"]
    assert list(prevalence) == list(FINDINGS)
    assert all(0 < p < 1 for p in prevalence.values())


# ---- which weights for which films ----------------------------------------------------------------------------------


def test_real_films_get_the_fine_tuned_weights_unless_these_learned_from_most_of_them():
    trained, real = read_passport("nih-finetuned")["training_films"], "nih-finetuned"

    def mine(names):
        return SimpleNamespace(simulated=False, films=pd.DataFrame({"Image": names}))

    new = [f"{90_000 + i:08d}_000.png" for i in range(6)]  # there are no such patients
    assert weights_for(mine(new)) == weights_for(mine([*new[:5], *trained[:5]])) == real
    assert weights_for(mine([*new[:4], *trained[:5]])) == "phantom"
    assert weights_for(mine([name.replace("_0", "_9") for name in trained[:5]])) == "phantom"  # the same patients
    assert weights_for(PHANTOM) == "phantom"
    sentence = f"The weights {real} learned from most of these films"
    assert sentence in scope(read_passport("phantom"), mine(trained[:5]))
    assert sentence not in scope(read_passport("phantom"), mine(new))


def test_fine_tuned_weights_load_and_say_where_they_come_from():
    text = load_pretrained("nih-finetuned").describe()
    assert "NIH Clinical Center" in text and "Not for clinical use" in text and "224 x 224" in text

"""Readers of other people's weights: files of the same structure as theirs, and files that mean harm."""

import json
import os
import pickle
import struct
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.fuzz import weights as files
from tests.helpers.foreign_weights import (
    KERAS2_NAMES,
    REFERENCE,
    RULES,
    held,
    state_dict,
    write_keras2,
)
from util.errors import CourseError
from util.findings import FINDINGS
from util.models.formats.checkpoint import read_checkpoint
from util.models.formats.hdf5 import EPSILON, read_keras2
from util.models.formats.into_densenet import from_torch, put, read_foreign, torch_names
from util.models.formats.kinds import CHECKPOINT, HDF5, TORCH, look_inside
from util.models.formats.limits import LARGEST
from util.models.formats.torch_pickle import read_torch


def assert_layers(found, wanted):
    assert len(found) == len(wanted) == 242
    for those, these in zip(found, wanted, strict=True):
        for a, b in zip(those, these, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_shell_is_like_the_model(model, shell):
    """Tests without TensorFlow put weights into the same names and shapes."""
    for those, these in zip([layer for layer in model.layers if layer.weights], shell.layers[1:], strict=True):
        assert [tuple(weight.shape) for weight in those.weights] == [weight.shape for weight in these.weights]
        assert those.name == these.name or those is model.layers[-1]


# ---- PyTorch ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["module", "dictionary"])
@pytest.mark.parametrize("kind", ["zip", "stream"])
def test_files_that_pytorch_wrote(content, kind):
    arrays = read_torch(REFERENCE / f"{content}_{kind}.pt")
    wanted = json.loads((REFERENCE / "torch.json").read_text())
    assert set(arrays) == set(wanted)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, np.array(wanted[name], array.dtype))
    assert (
        arrays["features.0.weight"].dtype == np.float32 and arrays["features.1.num_batches_tracked"].dtype == np.int64
    )
    assert "torch" not in sys.modules


def test_views_of_one_storage_and_other_kinds_of_number():
    arrays, base = read_torch(REFERENCE / "views_zip.pt"), np.arange(24.0).reshape(4, 6)
    wanted = {"column": base[:, 2], "turned": base.T, "half": np.float16([1.5, -2]), "whole": np.array([-3, 4])}
    wanted |= {"yes": np.array([True, False]), "empty": np.zeros((0, 3), np.float32)}
    assert set(arrays) == set(wanted)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, wanted[name])
        assert array.dtype == wanted[name].dtype


def test_no_file_cut_anywhere_gives_other_numbers(tmp_path):
    """A cut file is refused, or, where only the end of a zip's own tables is gone, read as it was; never in part."""
    for name in ("module_zip.pt", "dictionary_stream.pt"):
        whole, path = (REFERENCE / name).read_bytes(), tmp_path / name
        for cut in range(0, len(whole) - 1, 97):
            path.write_bytes(whole[:cut])
            with pytest.raises(CourseError, match=r"cannot be read as a PyTorch file|holds no tensors"):
                read_torch(path)


def test_a_flipped_byte_never_escapes_as_another_error(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("module_stream.pt", "dictionary_zip.pt"):
        whole, path = (REFERENCE / name).read_bytes(), tmp_path / name
        for place in rng.integers(0, len(whole), 200):
            data = bytearray(whole)
            data[place] ^= 1 << rng.integers(8)
            path.write_bytes(data)
            try:
                arrays = read_torch(path)
            except CourseError:
                continue
            assert all(isinstance(array, np.ndarray) for array in arrays.values())


def test_torch_file_into_our_model(load, model, layers, write_torch, capsys):
    labels = list(reversed(FINDINGS))
    path = write_torch({f"module.{name}": array for name, array in state_dict(layers).items()})
    assert look_inside(path) == (TORCH, path)
    load(path=path, findings=labels, preprocessing=RULES)
    found = held(model)
    wanted = [(*a[:3], a[3] + np.float32(1e-5 - EPSILON)) if len(a) == 4 else a for a in layers]
    wanted[-1] = tuple(array[..., ::-1] for array in wanted[-1])
    assert_layers(found, wanted)
    assert "Labels: 14 of the file's 14 outputs" in capsys.readouterr().out


def test_one_channel_and_outputs_that_the_course_does_not_have(shell, layers):
    labels = ("Fracture", *sorted(FINDINGS), "Lung Lesion")
    wide = [*layers[:-1], tuple(np.concatenate([a, a[..., :2]], -1) for a in layers[-1])]
    foreign = from_torch(state_dict(wide, channels=1), "w.pt")
    put(foreign, shell, labels, FINDINGS, "w.pt")
    found = held(shell)
    np.testing.assert_allclose(found[0][0].sum(axis=2), layers[0][0][:, :, 0], rtol=1e-6)
    for column, finding in enumerate(FINDINGS):
        np.testing.assert_array_equal(found[-1][0][:, column], wide[-1][0][:, labels.index(finding)])


def spoil(name, change):
    return lambda state: state.update({name: change(state[name])})


def with_first(value):
    def change(array):
        array = array.copy()
        array.flat[0] = value
        return array

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda state: state.pop("features.norm5.bias"), r"features\.norm5\.bias is missing"),
        (lambda state: state.update({"features.denseblock5.x": np.zeros(2)}), r"denseblock5\.x has no place"),
        (spoil("features.norm0.running_var", with_first(-1)), "norm0: its values are not usable"),
        (spoil("features.conv0.weight", with_first(np.nan)), "conv0: its values are not usable"),
        (spoil("features.transition1.conv.weight", lambda a: a[:, :-1]), r"transition1\.conv has the shapes"),
        (spoil("classifier.bias", lambda a: a[:-1]), "has 13 outputs, and 14 labels"),
    ],
)
def test_what_is_not_this_network_leaves_the_model_alone(shell, layers, change, sentence):
    state, before = state_dict(layers), held(shell)
    change(state)
    with pytest.raises(CourseError, match=sentence):
        put(from_torch(state, "w.pt"), shell, FINDINGS, FINDINGS, "w.pt")
    for those, these in zip(held(shell), before, strict=True):
        for a, b in zip(those, these, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_relu_at_the_end_unless_it_is_denied(layers, write_torch, tmp_path):
    """The file of a PyTorch network does not say, nor does a checkpoint; torchvision's networks and Keras' have one."""
    path = write_torch(state_dict(layers))
    assert from_torch(state_dict(layers), path).final_relu and read_foreign(TORCH, path).final_relu
    assert (
        not from_torch(state_dict(layers), path, False).final_relu and not read_foreign(TORCH, path, False).final_relu
    )
    prefix = tmp_path / "cp"
    for name, data in zip(("cp.index", "cp.data-00000-of-00001"), files.checkpoint(), strict=True):
        (tmp_path / name).write_bytes(data)
    assert read_checkpoint(prefix).final_relu and read_foreign(CHECKPOINT, prefix).final_relu
    assert not read_foreign(CHECKPOINT, prefix, False).final_relu


@pytest.mark.parametrize("shapes", [[(1024, 1)], [(1024, 1), (1, 1)], [(1, 1, 1024, 1), (1,)], [(1,), (1,)]])
def test_a_last_layer_that_is_no_matrix_with_a_bias_has_no_outputs(shell, layers, shapes):
    foreign = from_torch(state_dict(layers), "w.pt")
    foreign.layers[-1] = ("last", tuple(np.zeros(shape, np.float32) for shape in shapes))
    with pytest.raises(CourseError, match="has 0 outputs, and 1 labels are known of it"):
        put(foreign, shell, ["Mass"], ["Mass"], "w.pt")


def test_a_channel_that_never_varied_is_usable(shell, layers):
    state = state_dict(layers)
    state["features.norm0.running_var"][0] = 0
    put(from_torch(state, "w.pt"), shell, FINDINGS, FINDINGS, "w.pt")
    assert held(shell)[1][3][0] == np.float32(1e-5 - EPSILON) + np.float32(0)


def test_the_last_layer_may_have_any_name_where_there_is_one_matrix(layers):
    """Its bias comes along; with a second matrix, the name must be torchvision's."""
    state = state_dict(layers)
    renamed = {name.replace("classifier.", "head.out."): array for name, array in state.items()}
    for prefix in ("", "module.", "net.backbone."):
        found = from_torch({prefix + name: array for name, array in renamed.items()}, "w.pt").layers
        assert_layers([arrays for _, arrays in found], layers)
        assert [name for name, _ in found] == torch_names()
    with pytest.raises(CourseError, match=r"classifier\.weight is missing"):
        from_torch(renamed | {"aux.weight": np.zeros((2, 2))}, "w.pt")
    with pytest.raises(CourseError, match=r"holds more than a DenseNet-121: aux\.weight has no place"):
        from_torch(state | {"aux.weight": np.zeros((2, 2))}, "w.pt")
    with pytest.raises(CourseError, match="two of its names mean the same layer"):
        from_torch(state | {"features.denseblock1.denselayer1.norm.1.bias": np.zeros(64)}, "w.pt")
    assert len(from_torch(state | {"op_threshs": np.zeros(14)}, "w.pt").layers) == 242  # torchxrayvision's


# ---- Pickles that mean harm -------------------------------------------------------------------------------------

STREAM = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {})]
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
STORAGE = b"((S'storage'\nctorch\nFloatStorage\nS'k'\nS'cpu'\nI4\nNtQ"


def tensor_of(offset, shape, steps):
    """A pickled dictionary of one tensor over a storage of four numbers."""
    arguments = f"I{offset}\n(I{shape}\nt(I{steps}\nt".encode()
    return b"\x80\x02}S'a'\n" + REBUILD + STORAGE + arguments + b"I00\nNtRs."


HARM = {
    "system": b"cposix\nsystem\n(S'touch TRAP'\ntR.",
    "eval": b"\x80\x02cbuiltins\neval\nX\x1b\x00\x00\x00open('TRAP','w').write('') #\x85R.",
    "exec by name": b'c__builtin__\nexec\n(S\'open("TRAP", "w")\'\ntR.',
    "instance": b"(S'touch TRAP'\nios\nsystem\n.",
    "object": b"(cos\nsystem\nS'touch TRAP'\no.",
    "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0fcore.multiarray\x93.",
    "state of a rebuilder": REBUILD + b"}(S'__code__'\nS'x'\nub.",
    "defaults of a rebuilder": REBUILD + b"(N}S'__defaults__'\n(I1\ntstb.",
    "extension": b"\x80\x02\x82\x01.",
    "memo bomb": b"\x80\x02Nr\xff\xff\xff\x7f.",
    "memo bomb in text": b"Np2000000000\n.",
    "bytes that are not there": b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x00x.",
    "unknown reference": b"\x80\x02(S'anything'\nI1\ntQ.",
    "unknown storage": b"\x80\x02((S'storage'\ncos\nsystem\nS'k'\nS'cpu'\nI4\nNtQ.",
    "negative storage": b"\x80\x02}S'a'\n" + REBUILD + STORAGE.replace(b"I4", b"I-4") + b"I0\n(I4\nt(I1\ntI00\nNtRs.",
    "beyond the end": tensor_of(1, 4, 1),
    "negative offset": tensor_of(-4, 4, 1),
    "negative steps": tensor_of(3, 4, -1),
    "far steps": tensor_of(0, 2, 1 << 40),
    "blown up": tensor_of(0, 1 << 40, 0),
    "deeply nested": b"(" * 200_000 + b"t" * 200_000 + b".",
    "empty": b".",
    "text": b"<html>Log in</html>",
}


@pytest.mark.parametrize("packing", ["zip", "stream"])
@pytest.mark.parametrize("name", HARM)
def test_harm_is_refused_and_nothing_runs(name, packing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "system", lambda *_: pytest.fail("code of the file was run"))
    harm = HARM[name]
    if packing == "zip":
        with zipfile.ZipFile("w.pt", "w") as archive:
            archive.writestr("archive/data.pkl", harm)
            archive.writestr("archive/data/k", np.arange(4, dtype="<f4").tobytes())
    else:
        numbers = struct.pack("<q", 4) + np.arange(4, dtype="<f4").tobytes()
        Path("w.pt").write_bytes(b"".join(STREAM) + harm + pickle.dumps(["k"], 2) + numbers)
    with pytest.raises(CourseError, match=r"cannot be read as a PyTorch file|holds no tensors"):
        read_torch("w.pt")
    assert os.listdir() == ["w.pt"]


def test_the_harmless_twin_of_these_files_is_read(tmp_path):
    numbers = struct.pack("<q", 4) + np.arange(4, dtype="<f4").tobytes()
    harmless = b"".join(STREAM) + tensor_of(1, 3, 1) + pickle.dumps(["k"], 2) + numbers
    (tmp_path / "w.pt").write_bytes(harmless)
    np.testing.assert_array_equal(read_torch(tmp_path / "w.pt")["a"], [1, 2, 3])


def test_modules_within_themselves_come_to_an_end(tmp_path):
    loop = b"\x80\x02c__main__\nNet\n)\x81q\x00}S'_modules'\n}S'a'\nh\x00ssb."
    (tmp_path / "w.pt").write_bytes(b"".join(STREAM) + loop + pickle.dumps([], 2))
    with pytest.raises(CourseError, match="too many or too deeply nested"):
        read_torch(tmp_path / "w.pt")


def test_large_files_are_not_opened(tmp_path):
    with (tmp_path / "w.pt").open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(CourseError, match="has more than 300 MB"):
        read_torch(tmp_path / "w.pt")
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\0" * 16_000_001)
    with pytest.raises(CourseError, match=r"data\.pkl of 16,000,001 bytes, where 16,000,000 are the most"):
        read_torch(tmp_path / "bomb.pt")


# ---- Keras 2 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [False, True])
def test_keras2_file_into_our_model(load, model, layers, tmp_path, whole, capsys):
    path = write_keras2(tmp_path / "pretrained model.pt", layers, whole=whole)
    assert look_inside(path) == (HDF5, path)
    loaded = load(path=path, findings=FINDINGS, preprocessing=RULES)
    assert_layers(held(model), layers)
    assert loaded.findings == FINDINGS and loaded.preprocessing == RULES
    text = capsys.readouterr().out
    assert "nothing proves which file it is" in text and "Not for clinical use." in text
    assert "Known film: none is on record" in text


def test_keras2_needs_to_be_told_how_films_were_prepared(layers, tmp_path):
    from util.models.weights import load_pretrained

    path = write_keras2(tmp_path / "w.h5", layers)
    with pytest.raises(CourseError, match=r"a guess would be a silent error: give preprocessing=Preprocessing\("):
        load_pretrained(path=path, findings=FINDINGS)


def test_final_relu_is_told_by_the_names(layers, tmp_path):
    without = {name: weights for name, weights in KERAS2_NAMES.items() if name != "relu"}
    assert not read_keras2(write_keras2(tmp_path / "without.h5", layers, without)).final_relu
    assert read_keras2(write_keras2(tmp_path / "with.h5", layers)).final_relu


def renamed(old, new):
    return {new if name == old else name: weights for name, weights in KERAS2_NAMES.items()}


def test_keras2_files_that_are_refused(shell, layers, tmp_path):
    path = tmp_path / "w.h5"
    cases = [
        (renamed("conv3_block2_1_conv", "conv3_block2_9_conv"), layers, "has the layer conv3_block2_9_conv where"),
        (dict(list(KERAS2_NAMES.items())[:-1]), layers, "has 241 layers with weights, DenseNet-121 has 242"),
        (KERAS2_NAMES, [*layers[:-1], tuple(a[..., :13] for a in layers[-1])], "has 13 outputs"),
    ]
    for names, values, sentence in cases:
        with pytest.raises(CourseError, match=sentence):
            put(read_keras2(write_keras2(path, values, names)), shell, FINDINGS, FINDINGS, path)
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = np.zeros(3)
    with pytest.raises(CourseError, match=r"is it Keras 3's \.weights\.h5"):
        read_keras2(path)
    path.write_bytes(write_keras2(path, layers).read_bytes()[:100_000])
    with pytest.raises(CourseError, match=r"w\.h5 is damaged"):
        read_keras2(path)


# ---- TensorFlow checkpoints -------------------------------------------------------------------------------------


def write_checkpoint(prefix, layers):
    """A checkpoint with the keys that Keras 2 writes."""
    import tensorflow as tf

    names, arrays = [], []
    for number, those in enumerate(layers):
        parts = {4: ("gamma", "beta", "moving_mean", "moving_variance"), 2: ("kernel", "bias"), 1: ("kernel",)}
        for part, array in zip(parts[len(those)], those, strict=True):
            names.append(f"layer_with_weights-{number}/{part}/.ATTRIBUTES/VARIABLE_VALUE")
            arrays.append(tf.constant(array))
    tf.raw_ops.SaveV2(prefix=str(prefix), tensor_names=names, shape_and_slices=[""] * len(names), tensors=arrays)
    data = next(prefix.parent.glob(f"{prefix.name}.data-*"))
    return data, Path(f"{prefix}.index")


def test_checkpoint_into_our_model(load, model, layers, tmp_path):
    prefix = tmp_path / "cp.ckpt"
    data, index = write_checkpoint(prefix, layers)
    for path in (prefix, data, index):
        assert look_inside(path) == (CHECKPOINT, prefix)
    load(path=index, findings=FINDINGS, preprocessing=RULES)
    assert_layers(held(model), layers)
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    with pytest.raises(CourseError, match="get both of its files again"):
        load(path=prefix, findings=FINDINGS, preprocessing=RULES)
    data.unlink()
    with pytest.raises(CourseError, match="get both of its files again"):
        load(path=prefix, findings=FINDINGS, preprocessing=RULES)


def test_tensorflow_reads_the_checkpoints_of_the_other_tests(tmp_path):
    import tensorflow as tf

    prefix = tmp_path / "cp"
    index, data = files.checkpoint()
    (tmp_path / "cp.index").write_bytes(index)
    (tmp_path / "cp.data-00000-of-00001").write_bytes(data)
    assert look_inside(prefix) == (CHECKPOINT, prefix)
    theirs = tf.train.load_checkpoint(str(prefix))
    layers = read_checkpoint(prefix).layers
    np.testing.assert_array_equal(layers[0][1][0], theirs.get_tensor(files.layer_key(0, "kernel").decode()))
    np.testing.assert_array_equal(layers[1][1][1], theirs.get_tensor(files.layer_key(1, "bias").decode()))

"""Records of public weights: complete, never mixed up, downloaded only under a known hash."""

import hashlib
from dataclasses import replace
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.helpers.foreign_weights import (
    KERAS2_NAMES,
    RULES,
    held,
    state_dict,
    write_keras2,
)
from util.errors import CourseError
from util.findings import FINDINGS
from util.models import public
from util.models.formats.kinds import TORCH
from util.models.preprocessing import Preprocessing
from util.models.public import RECORDS, find_record, main
from util.models.weights import load_pretrained


def test_every_record_names_all_findings_once():
    for name, record in RECORDS.items():
        assert record.name == name
        assert name == "keras2" or all(record.labels.count(finding) == 1 for finding in FINDINGS)
        assert all(text for text in (record.origin, record.training, record.output, record.licence))
        assert all(file.url.startswith("https://") for file in record.files)
    assert [name for name, record in RECORDS.items() if record.recorded] == ["xrv-all"]
    assert len(RECORDS["xrv-all"].labels) == len(RECORDS["xrv-nih"].labels) == 18
    with pytest.raises(CourseError, match="There is no record 'resnet' of public weights: there are xrv-all"):
        find_record("resnet")


def test_preprocessing_of_torchxrayvision():
    """Closed form: (2 x / 255 - 1) * 1024 of the middle square."""
    film = np.random.default_rng(0).integers(0, 256, (224, 300), dtype=np.uint8)
    ready = RECORDS["xrv-all"].preprocessing(film)
    assert ready.shape == (224, 224, 3)
    np.testing.assert_allclose(ready[..., 0], (2.0 * film[:, 38:262] / 255 - 1) * 1024, atol=1e-3)


@pytest.mark.parametrize("name", ["xrv-nih", "chexnet-tf2", "keras2"])
def test_without_a_hash_nothing_is_downloaded(name, monkeypatch):
    monkeypatch.setattr(public, "download", lambda *_: pytest.fail("asked the network"))
    with pytest.raises(CourseError, match=rf'nobody has recorded the SHA-256 .* load_pretrained\("{name}", path='):
        load_pretrained(name)


@pytest.fixture
def published(layers, write_torch, tmp_path, monkeypatch):
    """The record xrv-all, with a file of the same structure on a mirror, 18 outputs and one channel; its weights."""
    wide = [*layers[:-1], tuple(np.concatenate([a, a[..., :4]], -1) for a in layers[-1])]
    content = write_torch(state_dict(wide, channels=1)).read_bytes()
    record = RECORDS["xrv-all"]
    file = replace(record.files[0], bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    place = tmp_path / "mirror" / urlsplit(file.url).path.lstrip("/")
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    monkeypatch.setenv("CXR_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setattr("pooch.os_cache", lambda _: tmp_path / "cache")
    monkeypatch.setitem(RECORDS, "xrv-all", replace(record, files=(file,)))
    return place, wide


def test_public_weights_by_name(load, model, published, tmp_path, capsys):
    place, wide = published
    loaded = load("xrv-all")
    labels = RECORDS["xrv-all"].labels
    for column, finding in enumerate(FINDINGS):
        np.testing.assert_array_equal(held(model)[-1][0][:, column], wide[-1][0][:, labels.index(finding)])
    text = capsys.readouterr().out
    for phrase in (
        "Weights: xrv-all (",
        "Labels: 14 of the file's 18 outputs",
        "Input: 224 x 224 pixels, (gray level - 127.5) / 0.1245; the middle square of a film is taken.",
        "Licence: Apache-2.0. Not for clinical use.",
        "NIH's ChestX-ray14 among them",
    ):
        assert phrase in text
    assert "nothing proves" not in text
    place.unlink()  # from the cache now, still verified
    assert load("xrv-all").passport == loaded.passport
    cached = tmp_path / "cache" / "xrv-all.pt"
    assert loaded.passport["sha256"] == hashlib.sha256(cached.read_bytes()).hexdigest()
    cached.write_bytes(cached.read_bytes()[:-1])
    with pytest.raises(CourseError, match=r'is not there.* From anywhere else: load_pretrained\("xrv-all", path='):
        load("xrv-all")


def test_a_file_is_known_by_its_content(load, published, capsys):
    place, _ = published
    assert load(path=place.rename(place.with_name("model.h5"))).passport["name"] == "xrv-all"
    assert load("xrv-all", path=place.with_name("model.h5")).preprocessing == RECORDS["xrv-all"].preprocessing
    with pytest.raises(CourseError, match="are on record: leave findings= and preprocessing= out"):
        load(path=place.with_name("model.h5"), preprocessing=RULES)


def test_a_record_and_a_file_that_do_not_belong_together(load, published, layers, write_torch, tmp_path):
    other = write_torch(state_dict(layers), "other.pt")
    with pytest.raises(CourseError, match="is not xrv-all: its hash is another"):
        load("xrv-all", path=other)
    with pytest.raises(CourseError, match=r"is a file of Keras 2 HDF5, and xrv-nih is one of PyTorch"):
        load("xrv-nih", path=write_keras2(tmp_path / "w.h5", layers))
    with pytest.raises(CourseError, match="has 14 outputs, and 18 labels are known of it"):
        load("xrv-nih", path=other)


def test_a_file_of_ones_own_needs_labels_and_preprocessing(load, layers, write_torch):
    path = write_torch(state_dict(layers))
    hdf5 = write_keras2(path.with_name("w.h5"), layers)
    for name, file in [(None, path), (None, hdf5), ("keras2", hdf5)]:
        with pytest.raises(CourseError, match="give preprocessing="):
            load(name, path=file, findings=FINDINGS)
        with pytest.raises(CourseError, match=r"Cardiomegaly is not once among the labels .* give findings="):
            load(name, path=file, preprocessing=RULES)
    for findings in ("Mass", [*FINDINGS[1:], 3], [None]):
        with pytest.raises(CourseError, match="findings= is a list of names"):
            load(path=path, findings=findings, preprocessing=RULES)
    for rules in ((32, 120.0, 60.0), {"size": 32}, Preprocessing(31, 120.0, 60.0), Preprocessing(2049, 120.0, 60.0)):
        with pytest.raises(
            CourseError,
            match=r"preprocessing= of .* is a util\.models\.preprocessing.Preprocessing for films of 32 to 2048",
        ):
            load(path=path, findings=FINDINGS, preprocessing=rules)
    with pytest.raises(CourseError, match=r"Cardiomegaly is not once among the labels .* give findings="):
        load(path=path, preprocessing=RULES)
    with pytest.raises(CourseError, match="Mass is not once among"):
        load(path=path, findings=[*FINDINGS, "Mass"], preprocessing=RULES)
    with pytest.raises(CourseError, match="The passport of these weights names findings and preprocessing"):
        load("phantom", preprocessing=RULES)


def test_a_file_too_large_for_this_network(layers, tmp_path, monkeypatch):
    monkeypatch.setattr(public, "LARGEST", 1_000_000)
    assert RECORDS["keras2"].labels == ()  # no file of Keras says which output is which
    with pytest.raises(CourseError, match="has more than 1 MB"):
        load_pretrained(path=write_keras2(tmp_path / "w.h5", layers), preprocessing=RULES)


def test_record_hash_prints_what_belongs_into_the_record(load, published, monkeypatch, capsys):
    place, _ = published
    monkeypatch.setattr("util.models.densenet.build_densenet", lambda size, final_relu=True: load("xrv-all").model)
    assert main(["--record-hash", "xrv-nih", str(place)]) == 0
    assert hashlib.sha256(place.read_bytes()).hexdigest() in (text := capsys.readouterr().out)
    assert f', {place.stat().st_size}, "' in text and RECORDS["xrv-nih"].files[0].url in text
    assert main(["--record-hash", "chexnet-tf2", str(place)]) == 2
    assert "chexnet-tf2 has 2 files, and 1 are named" in capsys.readouterr().err


def test_table_of_records(capsys):
    assert main([]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in RECORDS) and "loads by name" in text and "from a path only" in text


def test_kinds():
    assert RECORDS["xrv-all"].format == TORCH and len(KERAS2_NAMES) > 400
    with pytest.raises(CourseError, match="std is above 0"):
        Preprocessing(224, 0.0, 0.0)

"""What an archive holds besides scores, what it never says, and its command."""

import json
import os
import pickle
import stat
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

from tests.fuzz.dicom_writer import Writer
from tests.helpers.archives import RECIPE, engine, names, root, shared, table  # noqa: F401 - fixtures
from tests.helpers.dicom_film import Film
from tests.helpers.scoring import PASSPORT
from util.archive import block, score
from util.archive.block import BLOCK, Recipe, blocks_of
from util.archive.parts import read_manifest, read_parts
from util.archive.reader import hashed
from util.archive.run import score_archive
from util.archive.sources import FilmRef
from util.findings import FINDINGS
from util.models import score_folder

# ---- maps and features --------------------------------------------------------------------------------------------


def test_maps_and_features(root, tmp_path):
    import keras

    from util.explain.heat_maps import grad_cam

    recipe = replace(RECIPE, maps=("Mass", "Hernia"), features=True, size=64)  # 2 x 2 cells
    (root / "00000001_000.png").write_bytes(b"")
    score_archive(root, tmp_path / "out", recipe)
    rows = table(tmp_path / "out")
    loaded = recipe.load()
    films = np.stack([loaded.preprocessing(np.asarray(Image.open(root / name))) for name in rows["name"][:8]])
    maps = grad_cam(loaded.model, films)[1]
    pool = keras.Model(loaded.model.input, loaded.model.get_layer("pool").output)
    np.testing.assert_allclose(np.stack(rows["features"][:8]), pool.predict_on_batch(films), rtol=1e-5, atol=1e-6)
    for finding in recipe.maps:
        numbers = np.stack(rows[f"map_{finding}"][:8]).astype(float)
        low, step = (rows[f"map_{finding}_{part}"][:8].to_numpy()[:, None] for part in ("low", "step"))
        right = maps[:, FINDINGS.index(finding)].reshape(8, -1)
        assert (np.abs(low + step * numbers - right) <= step / 2 + 1e-5).all()
        assert numbers.max() == 255
    score_archive(root, tmp_path / "plain", replace(RECIPE, size=64))
    assert (table(tmp_path / "plain")["logit_Mass"] == rows["logit_Mass"]).all()


# ---- privacy ------------------------------------------------------------------------------------------------------


def secret_film(pixels, view="PA", damage=False):
    before = Writer()
    before.text(0x60, "DX", group=0x08, vr="CS")
    before.text(0x10, "SECRETNAME^JANE", group=0x10, vr="PN")
    before.text(0x20, "SECRETID-77", group=0x10, vr="LO")
    before.text(0x5101, view, group=0x18, vr="CS")
    data = Film(pixels.astype(np.uint16)).bytes(before=before.bytes())
    return data[:-99] if damage else data


@pytest.fixture
def hospital(tmp_path):
    root = tmp_path / "hospital"
    for k, options in enumerate(({}, {"view": "LATERAL"}, {"damage": True}, {})):
        path = root / f"SECRETNAME_{k % 3}" / f"SECRETID-77_{k}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(secret_film(np.random.default_rng(k).integers(0, 256, (40, 40)), **options))
    return root


def everything(out):
    """All that an archive says, parts unpacked."""
    texts = [path.read_bytes().decode("latin-1") for path in out.iterdir()]
    tables = [part.to_pylist() for refused in (False, True) for part in read_parts(out, refused=refused)]
    return "".join([*texts, *(path.name for path in out.iterdir()), repr(tables)]).upper()


def test_hashed_names_leave_no_name_anywhere(hospital, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(score_folder, "load_pretrained", lambda *args, **kwargs: RECIPE.load())
    out = tmp_path / "out"
    arguments = ["--root", str(hospital), "--model", "tiny", "--out", str(out), "--hash-names"]
    assert score.main(arguments) == 0
    told = capsys.readouterr()
    assert "SECRET" not in (told.out + told.err + everything(out)).upper()
    assert told.out.count("Refused: ") == 2 and "2 films scored and 2 refused" in told.out
    salt = tmp_path / "out.salt"
    if os.name == "posix":
        assert stat.S_IMODE(salt.stat().st_mode) == 0o600
    key = bytes.fromhex(salt.read_text().strip())
    assert hashed("SECRETNAME_0/SECRETID-77_0.dcm", key) in names(out)
    assert table(out)["patient"].nunique() == 1  # one patient, known again without a name
    assert score.main(arguments) == 0
    assert "0 films scored and 0 refused in this run; 4 were there before" in capsys.readouterr().out
    moved = salt.rename(tmp_path / "elsewhere")
    assert score.main(arguments) == 2
    told = capsys.readouterr()
    assert "There is no salt in" in told.err and "SECRET" not in (told.out + told.err)
    assert score.main([*arguments, str(moved)]) == 0
    moved.write_text("ab" * 32)
    assert score.main([*arguments, str(moved)]) == 2
    assert "was begun with names = " in capsys.readouterr().err
    moved.write_text("no salt")
    assert score.main([*arguments, str(moved)]) == 2
    assert "is not a salt" in capsys.readouterr().err


def test_without_hashing_only_the_names_of_the_files_appear(hospital, tmp_path, engine, capsys):
    for k, path in enumerate(sorted(hospital.rglob("*.dcm"))):
        path.rename(hospital / f"film{k}.dcm")
    for folder in [path for path in hospital.iterdir() if path.is_dir()]:
        folder.rmdir()
    out = tmp_path / "out"
    score_archive(hospital, out, RECIPE, engine)
    assert "SECRET" not in (capsys.readouterr().out + everything(out)).upper()
    assert len(names(out)) + len(names(out, refused=True)) == 4


# ---- the command --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "a", "--maps", "Mess"], "--maps names ['Mess']: choose each once of"),
        (["--out", "a", "--network", "openvino-f32", "--features"], "OpenVINO gives scores alone"),
        (["--out", "a", "--address", "x"], "--address is that of a cluster of Ray: add --engine ray"),
        (["--out", "a.csv", "--features"], "--features is for archives: name a folder with --out"),
        (["--out", "a.csv", "--hash-names"], "--hash-names is for archives"),
    ],
)
def test_mistakes_get_one_sentence(arguments, words, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(score_folder, "load_pretrained", None)
    monkeypatch.chdir(tmp_path)
    assert score.main(arguments) == 2
    told = capsys.readouterr().err
    assert words in told and told.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_command_and_its_manifest(root, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(score_folder, "load_pretrained", lambda *args, **kwargs: RECIPE.load())
    out = tmp_path / "archive"
    packed = tmp_path / "films.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(root.iterdir()):
            archive.write(path, f"images_001/images/{path.name}")
    assert score.main(["--root", str(packed), "--model", "tiny", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "20 films scored and 0 refused" in told and "Not for clinical use." in told
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["films"], manifest["refused"], manifest["parts"]) == (20, 0, 1)
    assert manifest["identity"]["sha256"] == PASSPORT["sha256"]
    assert manifest["identity"]["preprocessing"] == {"size": 32, "mean": 120.0, "std": 60.0, "aspect": "stretch"}
    assert {"python", "numpy", "keras", "pyarrow"} <= set(manifest["runs"][0])
    assert len(read_manifest(out)["runs"]) == 1
    assert str(tmp_path) not in (out / "manifest.json").read_text()
    assert set(table(out)["gate"]) <= {"familiar", "unfamiliar", "not frontal"}
    monkeypatch.setattr("util.models.input_gate.fit_gate", None)  # it is kept
    kept = block.with_gate(RECIPE, out / "gate.npz").gate
    pixels = np.random.default_rng(0).integers(0, 256, (40, 48), dtype=np.uint8)
    assert kept(pixels).sentence and kept.weights.shape == (256,)
    (out / "gate.npz").write_bytes(b"damaged")
    with pytest.raises(TypeError):  # it would be fitted again
        block.with_gate(RECIPE, out / "gate.npz")


def test_blocks_end_with_their_bytes(monkeypatch):
    monkeypatch.setattr(block, "BLOCK_BYTES", 100)
    refs = [FilmRef(str(k), "tar", "x", data=b"0" * 40) for k in range(7)]
    assert [len(some) for some in blocks_of(refs, 64)] == [3, 3, 1]
    assert BLOCK % 8 == 0  # no batch is filled up but the last


def test_a_recipe_shows_no_salt_and_can_be_sent():
    recipe = Recipe("nih-finetuned", salt=b"secret salt")
    assert "secret" not in repr(recipe)
    assert pickle.loads(pickle.dumps(recipe)) == recipe
    assert len(pickle.dumps(recipe)) < 1000

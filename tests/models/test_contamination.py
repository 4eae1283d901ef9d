"""Which films a model may have met: by name, and by pixels."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.helpers.releases import IMAGES, REAL, change_passport
from util.errors import CourseError
from util.findings import FINDINGS
from util.models.contamination import contamination, film_hashes
from util.models.weights import (
    load_pretrained,
    read_passport,
    scope,
    weights_for,
)

# ---- films whose names do not tell ------------------------------------------------------------------------------


def drawn(seed, size=(200, 180)):
    """A smooth picture, uint8: each seed another."""
    rng = np.random.default_rng(seed)
    field = Image.fromarray(rng.random((12, 12), np.float32)).resize(size[::-1], Image.Resampling.BICUBIC)
    return (np.clip(np.asarray(field), 0, 1) * 255).astype(np.uint8)


@pytest.fixture
def copies(tmp_path):
    """A passport of five training films, and films: copies of the first three, and two others."""
    training = {f"{k:08d}_000.png": tmp_path / f"{k:08d}_000.png" for k in range(1, 6)}
    for k, path in enumerate(training.values()):
        Image.fromarray(drawn(k)).save(path)
    passport = {
        "films": "real",
        "training_films": list(training),
        "training_hashes": film_hashes(list(training.values())),
    }
    films = {}
    for k, change in enumerate(
        [lambda p: p, lambda p: 255 - p, lambda p: np.asarray(Image.fromarray(p).resize((90, 100)))]
    ):
        films[f"film_{k}.png"] = tmp_path / f"film_{k}.png"
        Image.fromarray(change(drawn(k))).save(films[f"film_{k}.png"])
    for name, seed in (("new.jpg", 50), ("other.jpg", 51)):
        films[name] = tmp_path / name
        Image.fromarray(drawn(seed)).save(films[name])
    return passport, films


def test_copies_of_training_films_are_found_by_their_pixels(copies):
    passport, films = copies
    told = contamination(passport, films, films)
    assert told.seen == ("film_0.png", "film_1.png", "film_2.png") and told.by_pixels == ("new.jpg", "other.jpg")
    assert told.known and told.unknown == ()
    assert str(told).startswith("3 of these 5 films were in the model's training data")
    assert str(told).endswith("Whether other films of the patients of 2 of them were, the names do not tell.")
    new = contamination(passport, ["new.jpg", "other.jpg"], SimpleNamespace(paths=films))
    assert str(new).startswith(
        "None of these 2 films was in the model's training data, as far as names and pixels tell."
    )
    assert str(contamination(passport, ["new.jpg"], films)).startswith(
        "This film was not in the model's training data, as"
    )
    assert str(contamination(passport, ["film_1.png"], films)) == (
        "This film was in the model's training data: its score flatters the model."
    )


def test_a_copy_under_a_name_like_those_of_nih_is_found_too(copies):
    passport, films = copies
    named = {
        "00009999_000.png": films["film_0.png"],
        "00009998_000.png": films["new.jpg"],
        "00000004_007.png": films["new.jpg"],
    }
    told = contamination(passport, named, named)
    assert told.seen == ("00009999_000.png",) and told.related == ("00000004_007.png",) and told.by_pixels == ()


def test_without_pixels_or_hashes_other_names_are_unknown_never_none(copies, tmp_path):
    passport, films = copies
    without = {entry: value for entry, value in passport.items() if entry != "training_hashes"}
    (tmp_path / "damaged.png").write_bytes(b"no film")
    for told in (
        contamination(passport, films),
        contamination(without, films, films),
        contamination(passport, list(films), {}),
        contamination(passport, ["damaged.png"], {"damaged.png": tmp_path / "damaged.png"}),
        contamination(passport, ["absent.png"], {"absent.png": tmp_path / "absent.png"}),
    ):
        assert not told.known and len(told.unknown) == told.films and told.seen == told.related == told.by_pixels == ()
        assert "is unknown, since names other than those of ChestX-ray14 do not tell" in str(told)
    some = contamination(passport, ["00000001_000.png", "00000077_000.png", "a.png"])
    assert some.known and some.seen == ("00000001_000.png",) and some.unknown == ("a.png",)
    assert str(some).endswith("take their scores as optimistic.") and "Of 1 other films this is unknown" in str(some)
    none = contamination(passport, ["00000077_000.png", "a.png"])
    assert str(none).startswith("None of these 1 films, and no other film of their patients,")


def test_a_model_of_simulated_films_has_met_no_film_whatever_its_name():
    told = contamination({"films": "simulated"}, ["a.png", "b.png"])
    assert told.known and told.unknown == told.by_pixels == () and str(told).startswith("None of these 2 films, and no")
    assert contamination({"films": "real", "training_films": []}, ["a.png"]).known


def test_scope_and_choice_of_weights_look_at_pixels_where_names_do_not_tell(copies, monkeypatch):
    passport, films = copies
    cohort = SimpleNamespace(simulated=False, films=pd.DataFrame({"Image": list(films)}), paths=films)
    assert "3 of these 5 films were in the model's training data" in scope(passport | {"name": "x"}, cohort)
    monkeypatch.setattr("util.models.weights.read_passport", lambda name: passport)
    assert weights_for(cohort) == "phantom"
    cohort.films = pd.DataFrame({"Image": ["film_0.png", "new.jpg", "other.jpg"]})
    assert weights_for(cohort) == "nih-finetuned"


def test_bits_that_may_differ_on_both_sides():
    from util.models.contamination import SAME, _among

    known = np.zeros((3, 4), np.uint64)
    known[1] = 0x5555555555555555
    for bits, found in [(SAME, True), (SAME + 1, False), (256 - SAME, True), (256 - SAME - 1, False)]:
        turned = np.packbits(np.arange(256) < bits).view(np.uint64)
        assert _among(turned, known[[0, 0]]) == found
    assert not _among(known[0], known[:0])


def test_embedded_hashes_find_training_films_of_other_size_and_packing(nih_root, tmp_path):
    passport = read_passport("nih-finetuned")
    names = [name for name in passport["training_films"] if (nih_root / "images" / name).is_file()][::40]
    assert len(names) > 5
    films = {}
    for k, name in enumerate(names):
        with Image.open(nih_root / "images" / name) as film:
            small = film.convert("L").resize((300 + 10 * k, 320))
        films[f"copy {k}.jpg"] = tmp_path / f"copy {k}.jpg"
        small.save(films[f"copy {k}.jpg"], quality=60)
    assert contamination(passport, films, films).seen == tuple(films)


def test_weights_like_those_to_come_for_real_films(tiny_release):
    """Another size is not needed here; calibration and a list of training films are entries a passport may have."""
    for file in (tiny_release, tiny_release.with_suffix(".json")):
        file.with_name(f"nih-finetuned{file.suffix}").write_bytes(file.read_bytes())
    more = {"name": "nih-finetuned", "films": "real", "training_films": IMAGES[:1]}
    more["calibration"] = {"slope": [1.0] * 14, "intercept": [0.0] * 14, "prevalence": "NIH's", "fitted_on": "films"}
    change_passport(tiny_release.with_name("nih-finetuned.safetensors"), **more)
    loaded = load_pretrained("nih-finetuned")
    assert loaded.passport["training_films"] == IMAGES[:1]
    assert "1 of these 3 films were in the model's training data" in loaded.describe(REAL)


def test_passport_missing_damaged_or_incomplete(tiny_release):
    with pytest.raises(
        CourseError, match=r"No passport chexnet\.json in .*: known weights are phantom; public ones xrv-all,"
    ):
        load_pretrained("chexnet")
    passport = tiny_release.with_suffix(".json")
    entries = json.loads(passport.read_text())
    for content in ("", "{", "3", '"text"'):
        passport.write_text(content)
        with pytest.raises(CourseError, match=r"passport .*phantom\.json (is damaged|has no).*restore data/weights"):
            load_pretrained()
    for entry in ("sha256", "preprocessing", "findings", "films"):
        passport.write_text(json.dumps({k: v for k, v in entries.items() if k != entry}))
        with pytest.raises(CourseError, match=rf"phantom\.json has no {entry}: restore data/weights"):
            load_pretrained()
    passport.unlink()
    with pytest.raises(CourseError, match=r"No passport phantom\.json .*known weights are none;"):
        load_pretrained()


def test_findings_in_another_order_are_refused(tiny_release):
    change_passport(tiny_release, findings=sorted(FINDINGS))
    with pytest.raises(CourseError, match="other findings than the course's 14"):
        load_pretrained()


ODD = {
    "name": [3, "", "two\nlines", "x" * 2001],
    "sha256": ["0" * 63, "G" * 64, None],
    "bytes": [0, -1, True, 1.5, "3", 10**400],
    "origin": [[], None],
    "films": ["both", ["real"], None],
    "training": [{}],
    "findings": ["Mass", [3], {"Mass": 1}],
    "preprocessing": [
        None, [], {}, {"size": 32}, {"size": 31, "mean": 1.0, "std": 1.0}, {"size": 2049, "mean": 1.0, "std": 1.0},
        {"size": 32.0, "mean": 1.0, "std": 1.0}, {"size": True, "mean": 1.0, "std": 1.0},
        {"size": 32, "mean": "1", "std": 1.0}, {"size": 32, "mean": [1.0, 2.0], "std": 1.0},
        {"size": 32, "mean": 1.0, "std": 0.0}, {"size": 32, "mean": 1.0, "std": 1e7}, {"size": 32, "mean": 10**400, "std": 1.0},
        {"size": 32, "mean": 1.0, "std": 1.0, "more": 1}, {"size": 32, "mean": 1.0, "std": 1.0, "aspect": ["crop"]},
    ],
    "output": [0],
    "licence": [None],
    "known_film": [
        None, [], {"image": "a.png"}, {"logits": [0.0] * 14}, {"image": "../../x.png", "logits": [0.0] * 14},
        {"image": "/etc/passwd", "logits": [0.0] * 14}, {"image": "a.png", "logits": [0.0] * 13},
        {"image": "a.png", "logits": ["0"] * 14}, {"image": "..", "logits": [0.0] * 14}, {"image": 3, "logits": [0.0] * 14},
    ],
    "training_films": ["00000001_000.png", [1], {}],
    "training_hashes": ["", "A", 3, "A" * 44],
    "prevalence": [[], {"Mass": 0.1}, dict.fromkeys(FINDINGS, 0.0), dict.fromkeys(FINDINGS, 1), dict.fromkeys(FINDINGS, "x")],
    "calibration": [
        [], {"slope": [1.0] * 14}, {"slope": [1.0] * 13, "intercept": [0.0] * 14, "prevalence": "a", "fitted_on": "b"},
        {"slope": [1.0] * 14, "intercept": [float("nan")] * 14, "prevalence": "a", "fitted_on": "b"},
        {"slope": [float("inf")] * 14, "intercept": [0.0] * 14, "prevalence": "a", "fitted_on": "b"},
        {"slope": [1.0] * 14, "intercept": [0.0] * 14, "prevalence": 3, "fitted_on": "b"},
        {"slope": [1.0] * 14, "intercept": [0.0] * 14, "prevalence": "a"},
    ],
    "labels": ["Mass", [None]],
}  # fmt: skip


@pytest.mark.parametrize("entry", ODD)
def test_a_passport_with_an_odd_entry_is_one_sentence(tiny_release, entry):
    passport = tiny_release.with_suffix(".json")
    whole = passport.read_text()
    for value in ODD[entry]:
        passport.write_text(whole)
        change_passport(tiny_release, **{"training_films": ["00000001_000.png"], entry: value})
        with pytest.raises(CourseError, match=rf"The passport .*phantom\.json has .*({entry}|hash for each)") as told:
            read_passport()
        assert "\n" not in str(told.value)


def test_a_passport_at_the_edge_of_what_can_be_used(tiny_release):
    for edge in (
        {"preprocessing": {"size": 2048, "mean": [0, 1, 2.5], "std": [1e-3, 1, 999_999]}},
        {"preprocessing": {"size": 32, "mean": -1e5, "std": [5], "aspect": "crop"}},
        {"name": "x" * 2000, "bytes": 1, "prevalence": dict.fromkeys(FINDINGS, 1e-9)},
        {"training_films": ["a.png"], "training_hashes": "A" * 43 + "="},
        {"training_films": [], "training_hashes": "", "labels": []},
    ):
        change_passport(tiny_release, **edge)
        assert read_passport().items() >= edge.items()


def test_a_passport_too_large_too_deep_or_not_in_utf_8(tiny_release, monkeypatch):
    passport = tiny_release.with_suffix(".json")
    for content in (b"[" * 200_000, b'{"name": "\xff"}', b'{"bytes": ' + b"9" * 5000 + b"}", b"[]", b"null"):
        passport.write_bytes(content)
        with pytest.raises(CourseError, match=r"is damaged: restore data/weights"):
            read_passport()
    monkeypatch.setattr("util.models.passport.LARGEST", 3)
    with pytest.raises(CourseError, match="no DenseNet-121 needs so many"):
        read_passport()


def test_weights_without_a_known_film_are_loaded_unproved_only_where_asked(tiny_release):
    passport = json.loads(tiny_release.with_suffix(".json").read_text())
    del passport["known_film"]
    tiny_release.with_suffix(".json").write_text(json.dumps(passport))
    with pytest.raises(CourseError, match=r"names no known film .* check=False"):
        load_pretrained()
    assert "none is on record" in load_pretrained(check=False).describe()


@pytest.mark.parametrize("name", [3, b"phantom", ["phantom"]])
def test_a_name_is_a_text(name):
    with pytest.raises(CourseError, match="A name of weights is a text"):
        load_pretrained(name)

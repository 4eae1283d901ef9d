"""What the reading process says of a film: its numbers, its view, its reason; never a text of the file."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from tests.fuzz.dicom_writer import Writer
from tests.helpers.dicom_film import Film
from util.archive import reader
from util.archive.reader import Setting, _pack, hashed, measures, read_ref, receive, send, unpack
from util.archive.sources import FilmRef
from util.data.film_hash import film_hash
from util.models.preprocessing import Preprocessing

RULES = Preprocessing(32, 120.0, 60.0)
PIXELS = np.random.default_rng(3).integers(0, 256, (40, 48), dtype=np.uint8)


def read(data, name="a.png", **setting):
    return read_ref(FilmRef(name, "tar", "x", size=len(data), data=data), Setting(RULES, **setting))


def png(pixels=PIXELS):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def dicom(view="PA", modality="DX", patient="SECRET-ID"):
    film = Film(PIXELS.astype(np.uint16))
    before = Writer()
    before.text(0x60, modality, group=0x08, vr="CS")
    before.text(0x10, "SECRET^NAME", group=0x10, vr="PN")
    before.text(0x20, patient, group=0x10, vr="LO")
    before.text(0x5101, view, group=0x18, vr="CS")
    before.text(0x0D, "1.2.3", group=0x20, vr="UI")
    return film.bytes(before=before.bytes())


def test_the_film_is_what_preprocessing_makes_of_it():
    facts, film = read(png())
    assert film.shape == (32, 32, 1)
    assert (np.repeat(film, 3, axis=-1) == RULES(PIXELS)).all()
    assert facts["sha256"] == hashlib.sha256(png()).hexdigest()
    three = Preprocessing(32, (120.0, 110.0, 100.0), 60.0)
    _, film = read_ref(FilmRef("a", "tar", "x", data=png()), Setting(three))
    assert (film == three(PIXELS)).all()


def test_measures_are_numpys():
    facts = measures(PIXELS)
    assert (facts["height"], facts["width"]) == PIXELS.shape
    assert facts["gray_mean"] == pytest.approx(PIXELS.mean())
    assert facts["gray_sd"] == pytest.approx(PIXELS.std())
    for percent in (1, 5, 25, 50, 75, 95, 99):
        assert facts[f"gray_{percent}"] == np.percentile(PIXELS, percent, method="inverted_cdf")
    assert [facts[f"hash_{k}"] for k in range(4)] == film_hash(PIXELS).tolist()


def test_nih_names_have_a_patient_and_others_none():
    assert read(png(), "00000017_002.png")[0]["patient"] == "00000017"
    assert "patient" not in read(png(), "film.png")[0]
    assert read(png(), "00000017_002.png", salt=b"s" * 16)[0]["patient"] == hashed("00000017", b"s" * 16)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"view": "LATERAL"}, "not a frontal film by the view in its header"),
        ({"view": "LL"}, "not a frontal film by the view in its header"),
        ({"modality": "CT"}, "not a radiograph by the modality"),
        ({"modality": "MG"}, "not a radiograph by the modality"),
    ],
)
def test_other_views_are_refused_by_their_header(options, words):
    facts, film = read(dicom(**options))
    assert film is None and words in facts["refused"]
    assert "SECRET" not in str(facts).upper()


def test_frontal_views_are_taken_and_unknown_ones_asked_of_the_gate():
    class Gate:
        def __init__(self, frontal):
            self.frontal = frontal

        def __call__(self, film):
            return self

        familiar = True

    frontal, other = Gate(True), Gate(False)
    other.familiar = False
    facts, film = read(dicom("AP"), gate=other)
    assert film is not None and facts["view"] == "AP" and facts["gate"] == "not frontal"
    facts, film = read(dicom(""), gate=other)
    assert film is None and "its header names no view" in facts["refused"]
    facts, film = read(dicom(""), gate=frontal)
    assert film is not None and "view" not in facts
    facts, film = read(png(), gate=other)  # no header to fall back on: the verdict is kept, the film scored
    assert film is not None and facts["gate"] == "not frontal"


def test_header_texts_come_out_as_salted_hashes_alone():
    facts, _ = read(dicom())
    assert "patient" not in facts and "study" not in facts
    facts, _ = read(dicom(), salt=b"s" * 16)
    other, _ = read(dicom(), salt=b"t" * 16)
    assert len(facts["patient"]) == 32 and facts["patient"] != other["patient"]
    assert facts["sha256"] != other["sha256"]
    assert "SECRET" not in str(facts) and hashlib.sha256(dicom()).hexdigest() not in str(facts)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it is empty"),
        (b"\x89PNG and no more", "damaged or cut short"),
        (b"Doe, Jane", "is no PNG, JPEG or DICOM file"),
        (dicom()[:300], "damaged or cut short"),
    ],
)
def test_reasons(data, words):
    facts, film = read(data)
    assert film is None and words in facts["refused"]
    assert "Doe" not in str(facts) and "SECRET" not in str(facts)


def test_an_error_that_nobody_foresaw_gives_its_kind_and_not_its_text(monkeypatch):
    def broken(_):
        raise KeyError("Doe^Jane")

    monkeypatch.setattr(reader, "gray_of_film", broken)
    facts, film = read(png())
    assert film is None and facts["refused"] == "it cannot be read: KeyError"


def test_files_that_are_gone_or_too_large():
    missing = FilmRef("a.png", "file", "/no/such/place/Doe.png")
    facts, _ = read_ref(missing, Setting(RULES))
    assert facts == {"refused": "there is no such file"}
    facts, _ = read_ref(FilmRef("a.png", "zip", "x", size=10**12), Setting(RULES))
    assert "has more than 256 MB" in facts["refused"]


def test_what_goes_through_the_pipe_comes_out():
    stream = io.BytesIO()
    for data in (b"one", b"", png()):
        send(stream, data)
    stream.seek(0)
    assert [receive(stream) for _ in range(3)] == [b"one", b"", png()]
    for left in (b"", b"123", stream.getvalue()[:10]):
        with pytest.raises(EOFError):
            receive(io.BytesIO(left))


def test_an_answer_comes_back_to_the_bit():
    facts, film = read(png())
    again, back = unpack(_pack(facts, film))
    assert again == facts and back.dtype == np.float32 and (back == film).all()
    assert unpack(_pack({"refused": "x"}, None)) == ({"refused": "x"}, None)

"""A film of one's own: DICOM as a viewer shows it, PNG of 8 to 16 bits, and files that are none."""

from io import BytesIO

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless

from util.data.own_film import as_dicom, read_own_film
from util.errors import CourseError

PATIENT = "Doe^Jane"


def dicom(pixels, bits=12, photometric="MONOCHROME2", syntax=ExplicitVRLittleEndian, **tags):
    """Bytes of a DICOM file with the given stored values, uint8 or uint16 (h, w)."""
    header = pydicom.Dataset()
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = "1.2.3.4"
    header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    header.PatientName, header.PatientID = PATIENT, "007"
    header.Rows, header.Columns = pixels.shape[-2:] if pixels.ndim == 2 else pixels.shape[:2]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, photometric
    header.BitsAllocated = 8 * pixels.dtype.itemsize
    header.BitsStored, header.HighBit, header.PixelRepresentation = bits, bits - 1, 0
    for name, value in tags.items():
        setattr(header, name, value)
    header.PixelData = pixels.tobytes()
    if syntax == RLELossless:
        header.compress(RLELossless)
    elif syntax == JPEGBaseline8Bit:
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
        header.PixelData = pydicom.encaps.encapsulate([buffer.getvalue()])
        header["PixelData"].VR = "OB"
        header.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    buffer = BytesIO()
    header.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.fixture
def stored():
    """Stored values of 12 bits that use a part of the range, uint16 (h, w)."""
    return np.random.default_rng(0).integers(500, 3000, (40, 56)).astype(np.uint16)


def stretched(values, low, high):
    return np.rint(np.clip((values.astype(float) - low) / (high - low), 0, 1) * 255)


def test_without_window_the_range_of_the_film(stored):
    film = read_own_film(dicom(stored))
    assert film.dtype == np.uint8 and film.shape == (40, 56)
    np.testing.assert_array_equal(film, stretched(stored, stored.min(), stored.max()))


def test_monochrome1_is_inverted(stored):
    plain, inverted = read_own_film(dicom(stored)), read_own_film(dicom(stored, photometric="MONOCHROME1"))
    assert np.abs(plain.astype(int) + inverted - 255).max() <= 1


@pytest.mark.parametrize(("centre", "width"), [(1500, 1000), (1000, 4000), ([1500, 9], [1000, 9])])
def test_window_as_the_standard_defines_it(stored, centre, width):
    film = read_own_film(dicom(stored, WindowCenter=centre, WindowWidth=width))
    c, w = np.ravel(centre)[0], np.ravel(width)[0]  # the first of several
    shown = np.clip((stored - (c - 0.5)) / (w - 1) + 0.5, 0, 1)  # PS3.3 C.11.2.1.2.1
    assert np.abs(film - 255 * shown).max() <= 1


def test_rescale_comes_before_the_window(stored):
    film = read_own_film(dicom(stored, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=2000, WindowWidth=2000))
    shown = np.clip((2.0 * stored - 1000 - 1999.5) / 1999 + 0.5, 0, 1)
    assert np.abs(film - 255 * shown).max() <= 1


@pytest.mark.parametrize("bits", [8, 10, 14, 16])
def test_any_number_of_bits(bits):
    values = np.random.default_rng(1).integers(0, 2**bits, (32, 32)).astype(np.uint8 if bits == 8 else np.uint16)
    film = read_own_film(dicom(values, bits=bits))
    np.testing.assert_array_equal(film, stretched(values, values.min(), values.max()))


def test_compressed_films(stored):
    np.testing.assert_array_equal(read_own_film(dicom(stored, syntax=RLELossless)), read_own_film(dicom(stored)))
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    film = read_own_film(dicom(smooth, bits=8, syntax=JPEGBaseline8Bit))
    assert np.abs(film - stretched(smooth, 0, 126)).max() < 12


def test_bytes_path_and_nothing_kept(stored, tmp_path, capsys):
    path = tmp_path / "film.dcm"
    path.write_bytes(dicom(stored))
    np.testing.assert_array_equal(read_own_film(path), read_own_film(dicom(stored)))
    assert [item.name for item in tmp_path.iterdir()] == ["film.dcm"]
    assert PATIENT not in "".join(capsys.readouterr())


@pytest.mark.parametrize("top", [4095, 16383, 65535])
def test_png_of_12_to_16_bits(top, tmp_path):
    values = np.linspace(0, top, 2048).reshape(32, 64).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "film.png")
    film = read_own_film(tmp_path / "film.png")
    assert film.dtype == np.uint8 and film.min() == 0 and film.max() == 255
    assert np.abs(film - values / top * 255).max() <= 1


def test_every_source_of_bytes(stored, tmp_path):
    data = dicom(stored)
    expected = read_own_film(data)
    (tmp_path / "film").write_bytes(data)
    for source in (
        bytearray(data),
        memoryview(data),
        memoryview(bytearray(data)),
        BytesIO(data),
        tmp_path / "film",
        str(tmp_path / "film"),
    ):
        np.testing.assert_array_equal(read_own_film(source), expected)
    with (tmp_path / "film").open("rb") as file:
        np.testing.assert_array_equal(read_own_film(file), expected)
    for source in (None, 7, np.zeros((4, 4), np.uint8), ["film.dcm"]):
        with pytest.raises(
            CourseError, match="This upload is neither a path nor the bytes of a file: give one of them"
        ):
            read_own_film(source)
    (tmp_path / "text").write_text("hello")
    with (tmp_path / "text").open() as file, pytest.raises(CourseError, match="neither a path nor the bytes"):
        read_own_film(file)


def test_the_home_folder_is_known(stored, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "film.dcm").write_bytes(dicom(stored))
    assert read_own_film("~/film.dcm").shape == stored.shape


def test_an_empty_upload():
    with pytest.raises(CourseError, match="This upload is empty: export the film again"):
        read_own_film(b"")


def test_png_and_jpeg_of_8_bits(tmp_path):
    gray = np.random.default_rng(2).integers(0, 256, (30, 40), dtype=np.uint8)
    Image.fromarray(gray).save(tmp_path / "film.png")
    np.testing.assert_array_equal(read_own_film(tmp_path / "film.png"), gray)
    Image.fromarray(np.stack([gray] * 3, axis=-1)).save(tmp_path / "film.jpg")
    assert read_own_film((tmp_path / "film.jpg").read_bytes()).shape == (30, 40)


def broken_window(stored):
    return dicom(stored, WindowCenter=100, WindowWidth=0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda stored: b"hello", "no PNG, JPEG or DICOM"),
        (lambda stored: dicom(stored)[:900], "damaged or packed|without a readable picture"),
        (lambda stored: b"\x00" * 128 + b"DICM" + b"rubbish" * 20, "without a readable picture"),
        (lambda stored: dicom(np.full((20, 20), 7, np.uint16)), "all its pixels are the same"),
        (lambda stored: dicom(stored, NumberOfFrames=3), "no single gray film"),
        (broken_window, "window or table"),
        (lambda stored: b"\x89PNG\r\n" + b"x" * 50, "damaged or cut short"),
    ],
)
def test_files_that_cannot_be_shown(make, words, stored):
    with pytest.raises(CourseError, match=words) as raised:
        read_own_film(make(stored))
    assert PATIENT not in str(raised.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(CourseError, match=r"absent\.dcm cannot be read \(No such file or directory\)"):
        read_own_film(tmp_path / "absent.dcm")
    with pytest.raises(CourseError, match=r"cannot be read \(no file can have this name\)"):
        read_own_film(tmp_path / "zero\0byte.dcm")


def test_a_table_of_gray_levels(stored):
    table = pydicom.Dataset()
    table.LUTDescriptor = [4096, 0, 16]
    table.LUTData = (65535 - 16 * np.arange(4096)).astype("<u2").tobytes()  # dark turned bright
    film = read_own_film(dicom(stored, VOILUTSequence=[table]))
    assert np.abs(film - 255 * (1 - stored / 4095)).max() <= 1


def test_a_film_packed_by_the_course_comes_back():
    film = np.arange(256, dtype=np.uint8).reshape(8, 32)
    assert np.abs(read_own_film(as_dicom(film)).astype(int) - film).max() <= 1
    header = pydicom.dcmread(BytesIO(as_dicom(film)))
    assert "PatientName" not in header and "StudyDate" not in header
    assert (header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation) == (16, 12, 11, 0)
    assert (header.Rows, header.Columns, header.SamplesPerPixel) == (8, 32, 1)
    assert (header.WindowCenter, header.WindowWidth, header.PhotometricInterpretation) == (2048, 4080, "MONOCHROME1")
    np.testing.assert_array_equal(header.pixel_array, 4088 - 16 * film.astype(int))
    assert header.file_meta.TransferSyntaxUID.is_little_endian and not header.file_meta.TransferSyntaxUID.is_implicit_VR


@pytest.mark.parametrize("wrap", [bytes, BytesIO, bytearray])
def test_an_upload_has_the_bound_of_a_file_on_either_side(monkeypatch, wrap):
    data = as_dicom(np.arange(64, dtype=np.uint8).reshape(8, 8))
    for module in ("util.data.own_film", "util.data.formats.png_jpeg"):
        monkeypatch.setattr(f"{module}.BYTES", len(data))
    assert read_own_film(wrap(data)).shape == (8, 8)
    for module in ("util.data.own_film", "util.data.formats.png_jpeg"):
        monkeypatch.setattr(f"{module}.BYTES", len(data) - 1)
    with pytest.raises(CourseError, match="too many for a film"):
        read_own_film(wrap(data))

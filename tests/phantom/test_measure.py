"""util.phantom.measure: the ratio is that of the film which is on disk, and large where the heart is enlarged."""

from types import SimpleNamespace

import numpy as np
import pytest

from util.data.cohort import load_cohort
from util.errors import CourseError
from util.phantom.measure import cardiothoracic_ratios


@pytest.fixture(scope="module")
def phantom():
    return load_cohort("phantom")


def test_enlarged_hearts_are_wider_than_half_of_the_chest(phantom):
    truth = phantom.truth.set_index("Image")["Cardiomegaly"][
        phantom.split("test").drop_duplicates("PatientId")["Image"]
    ]
    films = [image for label in (0, 1) for image in truth[truth == label].index[:6]]
    ratios = cardiothoracic_ratios(phantom, films)
    assert list(ratios.index) == films
    assert ratios[truth[films] == 1].min() > 0.5
    assert ratios[truth[films] == 1].min() > ratios[truth[films] == 0].max() - 0.05
    assert np.all((ratios > 0.25) & (ratios < 0.8))


def test_a_film_that_is_not_there_is_said(phantom):
    with pytest.raises(CourseError, match=r"no film 'nobody\.jpg'"):
        cardiothoracic_ratios(phantom, ["nobody.jpg"])


def test_a_real_film_has_no_anatomy():
    with pytest.raises(CourseError, match="Only a simulated cohort"):
        cardiothoracic_ratios(SimpleNamespace(simulated=False, root=None), [])

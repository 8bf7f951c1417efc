"""The algebra of footprints and structuring functions."""

import numpy as np
import pytest

import morphograd as mg

RNG = np.random.default_rng(5)
IMAGE = RNG.integers(0, 256, (40, 44)).astype(np.uint8)


def test_a_dilation_by_a_sum_is_one_by_each():
    a, b = mg.disk(3), mg.cross(2)
    both = mg.dilated_by(a, b)
    assert both.dtype == np.uint8 and both.shape == (11, 11)
    one_by_one = mg.dilation(mg.dilation(IMAGE, a), b)
    assert np.array_equal(mg.dilation(IMAGE, both), one_by_one)
    assert np.array_equal(mg.eroded_by(both, b) | a, mg.eroded_by(both, b))


def test_a_reflection_is_that_in_the_centre_also_of_even_sides():
    corner = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]])
    assert np.array_equal(mg.reflected(corner), corner[::-1, ::-1])
    even = np.array([[1, 1]])  # the centre is the left one of the two
    assert np.array_equal(mg.reflected(even), [[1, 1, 0]])
    inside = np.s_[3:-3, 3:-3]
    erosion = 255 - mg.dilation(255 - IMAGE, mg.reflected(mg.reflected(corner)))
    assert np.array_equal(erosion[inside], mg.erosion(IMAGE, corner)[inside])


@pytest.mark.parametrize("footprint", [mg.square(7), mg.diamond(5), mg.octagon(5, 3), mg.disk(4)])
def test_a_decomposition_is_a_sequence_for_the_operators(footprint):
    parts = mg.decomposed(footprint)
    assert sum(part.sum() * times for part, times in parts) <= footprint.sum()
    assert np.array_equal(mg.dilation(IMAGE, parts), mg.dilation(IMAGE, footprint))
    assert np.array_equal(mg.opening(IMAGE, parts), mg.opening(IMAGE, footprint))


def test_structuring_functions_add_up():
    w = np.array([[-1.0, 0.0, -1.0]])
    both = mg.dilated_by(w, w.T, additive=True)
    assert both.tolist() == [[-2, -1, -2], [-1, 0, -1], [-2, -1, -2]]
    assert mg.eroded_by(both, w, additive=True).tolist() == [[-1], [0], [-1]]
    x = IMAGE.astype(float)
    one_by_one = mg.dilation(mg.dilation(x, structure=w), structure=w.T)
    assert np.array_equal(mg.dilation(x, structure=both), one_by_one)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="eroded_by: expected an element that fits"):
        mg.eroded_by(mg.square(3), mg.square(5))
    with pytest.raises(ValueError):
        mg.reflected(np.zeros((3, 3)))
    with pytest.raises(ValueError):
        mg.reflected(np.ones((2, 2, 2)))

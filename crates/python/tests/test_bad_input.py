"""What is not an image, a footprint or a number is a Python exception that says so."""

import numpy as np
import pytest

import morphograd as mg

IMAGE = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.mark.parametrize(
    "image, expected",
    [
        (IMAGE.astype(np.float16), "found an array of dtype float16"),
        (IMAGE.astype(np.complex64), "found an array of dtype complex64"),
        (IMAGE.astype(object), "found an array of dtype object"),
        (np.array([["a", "b"]]), "found an array of dtype <U1"),
        (IMAGE.astype(">f4"), "found an array of dtype >f4"),
        (None, "found an array of dtype object"),
    ],
)
def test_a_wrong_type_is_a_type_error_that_names_both(image, expected):
    for operator in (mg.dilation, mg.white_tophat, mg.area_opening):
        with pytest.raises(TypeError, match=f"image: expected an array of .*{expected}"):
            operator(image)


@pytest.mark.parametrize("shape", [(), (5,), (3, 4, 3), (1, 2, 3, 4, 5)])
def test_a_wrong_shape_is_a_value_error(shape):
    image = np.zeros(shape)
    for operator in (mg.dilation, mg.area_opening, mg.distance_transform):
        with pytest.raises(ValueError, match="expected an image"):
            operator(image)


@pytest.mark.parametrize(
    "footprint, error, message",
    [
        (np.zeros((3, 3)), ValueError, "an entry that is not 0, found none"),
        (np.ones((0, 3)), ValueError, "an entry that is not 0, found none"),
        (np.ones(3), ValueError, "an array of 2 axes"),
        (np.ones((3, 3, 3)), ValueError, "an array of 2 axes"),
        ([], ValueError, "an array of 2 axes"),
        (np.array([["x"]]), TypeError, "an array of numbers"),
        (np.array([[None]]), TypeError, "an array of numbers"),
        ("disk", TypeError, "an array of numbers"),
    ],
)
def test_a_wrong_footprint_says_so(footprint, error, message):
    with pytest.raises(error, match=f"footprint: expected {message}"):
        mg.dilation(IMAGE, footprint)


@pytest.mark.parametrize("entry", [np.nan, np.inf])
def test_a_structure_has_numbers_or_minus_infinity(entry):
    with pytest.raises(ValueError, match="structure: expected entries that are numbers or -inf"):
        mg.dilation(IMAGE, structure=[[entry]])
    with pytest.raises(ValueError, match="structure: expected an entry above -inf"):
        mg.dilation(IMAGE, structure=[[-np.inf]])
    with pytest.raises(ValueError, match="for an image of 1 channels, found"):
        mg.dilation(IMAGE, structure=np.zeros((3, 3, 2)))
    with pytest.raises(ValueError, match="footprint: expected the structure's shape"):
        mg.dilation(IMAGE, np.ones((2, 2)), structure=np.zeros((3, 3)))


def test_words_and_numbers_are_checked():
    with pytest.raises(ValueError, match="mode: expected one of ignore, .*found around"):
        mg.dilation(IMAGE, mode="around")
    with pytest.raises(ValueError, match="connectivity: expected 1 .* found 3"):
        mg.area_opening(IMAGE, 5, connectivity=3)
    with pytest.raises(ValueError, match="first: expected closing or opening"):
        mg.alternating_sequential_filter(IMAGE, [mg.disk(1)], first="both")
    with pytest.raises(ValueError, match="footprints: expected a list of footprints"):
        mg.granulometry(IMAGE, [])
    with pytest.raises(ValueError, match="steps: expected a whole number"):
        mg.toggle(IMAGE, steps=-1)
    with pytest.raises(ValueError, match="h: expected a whole number for int"):
        mg.hmax_transform(IMAGE.astype(np.int32), 0.5)
    with pytest.raises(ValueError, match="metric: expected euclidean"):
        mg.distance_transform(IMAGE, "far")
    with pytest.raises(ValueError, match="beta above 0"):
        mg.smooth_dilation(IMAGE, beta=0)
    with pytest.raises(ValueError, match="mask: expected the image's shape"):
        mg.leveling(IMAGE, IMAGE[:2])
    with pytest.raises(TypeError, match="mask: expected dtype float32, found .*float64"):
        mg.leveling(IMAGE, IMAGE.astype(np.float64))


def test_whole_numbers_that_float64_does_not_hold_are_refused_where_there_is_arithmetic():
    structure = np.zeros((1, 3))
    structure[0, 0] = 1
    for dtype, value in [(np.int64, 2**53 + 1), (np.int64, -(2**53) - 1), (np.uint64, 2**60)]:
        image = np.array([[0, value]], dtype)
        for compute in (
            lambda image: mg.dilation(image, structure=structure),
            lambda image: mg.dilation(image, mode="constant", cval=0.5),
        ):
            with pytest.raises(ValueError, match=r"between -2\^53 and 2\^53, found"):
                compute(image)
        held = 2**53 * (1 if value > 0 else -1)
        assert mg.dilation(np.array([[held]], dtype), structure=structure)[0, 0] == held


def test_layouts_that_are_not_contiguous_give_the_same():
    for image in (
        IMAGE.T,
        IMAGE[::-1, ::2],
        np.asfortranarray(IMAGE),
        np.broadcast_to(IMAGE[:1], (3, 4)),
    ):
        expected = mg.dilation(np.ascontiguousarray(image))
        np.testing.assert_array_equal(mg.dilation(image), expected)
        footprint = np.ones((3, 6), bool)[:, ::2]
        np.testing.assert_array_equal(
            mg.dilation(image, footprint), mg.dilation(image, np.ones((3, 3)))
        )


def test_an_image_that_cannot_be_written_is_read():
    image = IMAGE.copy()
    image.flags.writeable = False
    np.testing.assert_array_equal(mg.dilation(image), mg.dilation(IMAGE))
    with pytest.raises(ValueError):
        mg.dilation(IMAGE, out=image)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 4, 4, 1), (1, 4, 4, 0), (1, 0, 4, 2)])
def test_an_image_without_pixels_gives_one(shape):
    for dtype in (np.uint8, np.float32):
        image = np.zeros(shape, dtype)
        for operator in (mg.dilation, mg.opening, mg.gradient, mg.area_opening, mg.h_maxima):
            found = (
                operator(image, 3)
                if operator in (mg.area_opening, mg.h_maxima)
                else operator(image)
            )
            assert found.shape == shape
        assert mg.granulometry(image, [mg.disk(1)] * 2).shape == (2, *shape)
        assert mg.local_maxima(image).shape == shape


def test_nan_never_wins_and_does_not_spread():
    image = np.array([[1.0, np.nan, 3.0, 2.0]])
    np.testing.assert_array_equal(mg.dilation(image, np.ones((1, 3))), [[1, 3, 3, 3]])
    np.testing.assert_array_equal(mg.erosion(image, np.ones((1, 3))), [[1, 1, 2, 2]])
    assert np.isneginf(mg.dilation(np.full((2, 2), np.nan))).all()
    assert np.isnan(mg.area_opening(image, 1)[0, 1])


def test_infinite_pixels_are_pixels():
    image = np.array([[-np.inf, 0.0, np.inf]])
    np.testing.assert_array_equal(mg.dilation(image, np.ones((1, 3))), [[0, np.inf, np.inf]])
    np.testing.assert_array_equal(mg.erosion(image, np.ones((1, 3))), [[-np.inf, -np.inf, 0]])


def test_a_footprint_far_larger_than_the_image_is_the_whole_image():
    image = IMAGE.astype(np.uint8)
    found = mg.dilation(image, np.ones((4001, 4001), bool))
    assert (found == image.max()).all()
    wide = mg.disk(300)
    assert (mg.erosion(image, wide) == image.min()).all()


def test_a_panic_is_an_exception_of_ours():
    from morphograd import _morphograd

    with pytest.raises(mg.InternalError, match="no such thing"):
        _morphograd.panic("no such thing")
    assert issubclass(mg.InternalError, RuntimeError)
    assert mg.dilation(IMAGE).shape == IMAGE.shape  # and the next call works


def test_a_result_that_does_not_fit_into_memory_is_a_memory_error():
    x, w = np.zeros((2**24, 1), np.float32), np.zeros((1, 2**24), np.float32)
    with pytest.raises(MemoryError, match="max_plus: expected memory for 281474976710656 numbers"):
        mg.ops.max_plus(x, w)

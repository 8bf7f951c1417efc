"""Operators on arrays: against a naive computation, by their laws, and by cases drawn by hand."""

import types

import numpy as np
import pytest

import morphograd as mg

TYPES = [
    np.bool_,
    np.uint8,
    np.int8,
    np.uint16,
    np.int16,
    np.uint32,
    np.int32,
    np.uint64,
    np.int64,
    np.float32,
    np.float64,
]
PADS = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap"}
BY_FOOTPRINT = [
    mg.dilation,
    mg.erosion,
    mg.opening,
    mg.closing,
    mg.white_tophat,
    mg.black_tophat,
    mg.gradient,
    mg.internal_gradient,
    mg.external_gradient,
    mg.toggle,
]


def images(shape=(9, 11), seed=0):
    rng = np.random.default_rng(seed)
    for dtype in TYPES:
        if dtype is np.bool_:
            yield rng.random(shape) < 0.5
        else:
            yield rng.integers(0, 100, shape).astype(dtype)


def limits(dtype):
    return types.SimpleNamespace(min=0, max=1) if dtype == bool else np.iinfo(dtype)


def naive(image, footprint, mode="ignore", cval=0.0, turned=False, largest=True, structure=None):
    """The definition, pixel by pixel."""
    kh, kw = footprint.shape
    ch, cw = (kh - 1) // 2, (kw - 1) // 2
    out = np.empty(image.shape, np.float64)
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            found = []
            for a, b in zip(*np.nonzero(footprint), strict=True):
                di, dj = a - ch, b - cw
                if turned:
                    di, dj = -di, -dj
                p, q = i + di, j + dj
                inside = 0 <= p < image.shape[0] and 0 <= q < image.shape[1]
                if inside:
                    value = float(image[p, q])
                elif mode == "ignore":
                    continue
                elif mode == "constant":
                    value = float(cval)
                else:
                    reach = max(kh, kw)
                    padded = np.pad(image, reach, mode=PADS[mode])
                    value = float(padded[p + reach, q + reach])
                w = 0.0 if structure is None else structure[a, b]
                found.append(value + w if largest else value - w)
            bottom = -np.inf if largest else np.inf
            out[i, j] = (max if largest else min)(found, default=bottom)
    return out


FOOTPRINTS = [
    np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]]),
    np.ones((3, 3)),
    np.array([[1, 0, 0], [1, 1, 0]]),
    np.array([[0, 1, 1, 1]]),
    np.ones((2, 2)),
]


@pytest.mark.parametrize("footprint", FOOTPRINTS, ids=range(len(FOOTPRINTS)))
@pytest.mark.parametrize("mode", ["ignore", "constant", *PADS])
def test_dilation_and_erosion_are_their_definition(footprint, mode):
    for image in images():
        expected = naive(image, footprint, mode, 3)
        info = None if image.dtype.kind == "f" else limits(image.dtype)
        found = mg.dilation(image, footprint, mode=mode, cval=3)
        if info:  # where no pixel is under the footprint it is the smallest of the type
            expected = np.clip(expected, info.min, info.max)
        assert found.dtype == image.dtype and found.shape == image.shape
        np.testing.assert_array_equal(found, expected.astype(image.dtype))
        expected = naive(image, footprint, mode, 3, largest=False)
        if info:
            expected = np.where(np.isinf(expected), float(info.max), expected)
            if image.dtype.itemsize == 8:  # whose largest value is no float64
                continue
        found = mg.erosion(image, footprint, mode=mode, cval=3)
        np.testing.assert_array_equal(found, expected.astype(image.dtype))


def test_flat_operators_are_exact_for_every_number_of_64_bits():
    row, off_centre = np.ones((1, 3)), np.array([[0, 0, 1]])
    for dtype in (np.int64, np.uint64):
        low, high = limits(dtype).min, limits(dtype).max
        image = np.array([[high, high - 1, low, low + 1, high - 2, low + 1]], dtype)
        assert mg.dilation(image, row).tolist() == [
            [high, high, high - 1, high - 2, high - 2, high - 2]
        ]
        assert mg.erosion(image, row).tolist() == [[high - 1, low, low, low, low + 1, low + 1]]
        assert mg.opening(image, np.ones((1, 2))).tolist() == [
            [high - 1, high - 1, low, low + 1, low + 1, low + 1]
        ]
        found = mg.gradient(image, row)[0, :3].tolist()
        assert found == [1, min(high, high - low), min(high, high - 1 - low)]
        assert mg.dilation(image, off_centre).tolist() == [[*image[0, 1:].tolist(), low]]
        # The nearer one, and the sum of both distances, do not overflow either.
        assert mg.toggle(image, row)[0, 1] == high
        assert mg.laplacian(image, row)[0, 2] == min(high, high - 1 - low)
        assert mg.dilation(image, row, mode="max")[0, -1] == high


def test_a_top_hat_is_the_difference_to_the_opening_that_is_returned():
    # No footprint sees the first column, so that the opening is the smallest number there.
    off_centre = np.array([[0, 0, 1]])
    for image in images():
        if image.dtype.kind not in "iu":
            continue
        opened = mg.opening(image, off_centre)
        assert (opened[:, 0] == limits(image.dtype).min).all()
        difference = [
            [min(int(a) - int(b), limits(image.dtype).max) for a, b in zip(*rows, strict=True)]
            for rows in zip(image, opened, strict=True)
        ]
        assert mg.white_tophat(image, off_centre).tolist() == difference


def test_a_constant_outside_that_is_no_pixel_is_compared_as_a_number():
    image = np.array([[1, 0, 3]], np.uint8)
    row = np.ones((1, 3))
    assert mg.gradient(image, row, mode="constant", cval=300).tolist() == [[255, 3, 255]]
    assert mg.erosion(image, row, mode="constant", cval=0.5).tolist() == [[0, 0, 0]]
    assert mg.dilation(image, row, mode="constant", cval=-2).tolist() == [[1, 3, 3]]
    assert mg.dilation(image, row, mode="constant", cval=float("nan")).tolist() == [[1, 3, 3]]


def test_additive_structures_are_their_definition():
    structure = np.array([[-1.0, 2.0, -3.0], [0.0, 0.0, -np.inf]])
    footprint = np.isfinite(structure)
    for image in images():
        if image.dtype.kind != "f":
            continue
        found = mg.dilation(image, structure=structure)
        expected = naive(image, footprint, structure=structure)
        np.testing.assert_array_equal(found, expected.astype(image.dtype))
        found = mg.erosion(image, structure=structure)
        expected = naive(image, footprint, structure=structure, largest=False)
        np.testing.assert_array_equal(found, expected.astype(image.dtype))
        both = mg.dilation(image, footprint, structure=np.where(footprint, structure, 7.0))
        np.testing.assert_array_equal(both, mg.dilation(image, structure=structure))


def test_whole_numbers_saturate_and_take_whole_structures_only():
    image = np.array([[250, 3]], np.uint8)
    found = mg.dilation(image, structure=[[10.0]])
    np.testing.assert_array_equal(found, np.array([[255, 13]], np.uint8))
    np.testing.assert_array_equal(mg.erosion(image, structure=[[10.0]]), [[240, 0]])
    with pytest.raises(TypeError, match="whole numbers for an image of dtype uint8"):
        mg.dilation(image, structure=[[0.5]])


@pytest.mark.parametrize("mode", ["ignore", "wrap"])
def test_openings_and_closings_obey_their_laws_for_every_footprint(mode):
    rng = np.random.default_rng(1)
    for n in range(40):
        shape = rng.integers(1, 5, 2)
        footprint = rng.random(shape) < 0.6
        if not footprint.any():
            continue
        image = rng.integers(0, 50, (12, 10)).astype(np.float32)
        opened, closed = (
            mg.opening(image, footprint, mode=mode),
            mg.closing(image, footprint, mode=mode),
        )
        assert (opened <= image).all() and (image <= closed).all(), n
        np.testing.assert_array_equal(mg.opening(opened, footprint, mode=mode), opened)
        np.testing.assert_array_equal(mg.closing(closed, footprint, mode=mode), closed)
        dual = mg.closing(-image, footprint, mode=mode)
        np.testing.assert_array_equal(dual, -opened)
        other = np.minimum(image, rng.integers(0, 50, image.shape))
        assert (mg.opening(other, footprint, mode=mode) <= opened).all()


def test_composed_operators_are_their_compositions():
    footprint = np.array([[1, 1, 0], [0, 1, 1]])
    for image in images():
        if image.dtype.kind != "f":
            continue
        d, e = mg.dilation(image, footprint), mg.erosion(image, footprint)
        np.testing.assert_array_equal(mg.gradient(image, footprint), d - e)
        np.testing.assert_array_equal(mg.internal_gradient(image, footprint), image - e)
        np.testing.assert_array_equal(mg.external_gradient(image, footprint), d - image)
        np.testing.assert_array_equal(mg.laplacian(image, footprint), (d - image) - (image - e))
        opened, closed = mg.opening(image, footprint), mg.closing(image, footprint)
        np.testing.assert_array_equal(mg.white_tophat(image, footprint), image - opened)
        np.testing.assert_array_equal(mg.black_tophat(image, footprint), closed - image)
        toggled = np.where(d - image <= image - e, d, e)
        np.testing.assert_array_equal(mg.toggle(image, footprint), toggled)
        twice = mg.toggle(toggled, footprint)
        np.testing.assert_array_equal(mg.toggle(image, footprint, steps=2), twice)


def test_a_batch_with_channels_is_its_planes():
    rng = np.random.default_rng(2)
    batch = rng.integers(0, 99, (2, 8, 9, 3)).astype(np.uint8)
    footprint = mg.disk(2)
    for operator in BY_FOOTPRINT:
        found = operator(batch, footprint)
        for b in range(2):
            for c in range(3):
                np.testing.assert_array_equal(
                    found[b, :, :, c], operator(batch[b, :, :, c], footprint)
                )
    found = mg.area_opening(batch, 5)
    np.testing.assert_array_equal(found[1, :, :, 2], mg.area_opening(batch[1, :, :, 2], 5))
    structure = rng.integers(-3, 3, (3, 3, 3)).astype(float)
    found = mg.dilation(batch, structure=structure)
    expected = mg.dilation(batch[0, :, :, 1], structure=structure[:, :, 1])
    np.testing.assert_array_equal(found[0, :, :, 1], expected)


def test_a_sequence_of_footprints_is_one_after_the_other():
    image = next(i for i in images() if i.dtype == np.float64)
    sequence = [(np.ones((3, 1)), 2), (np.ones((1, 5)), 1)]
    np.testing.assert_array_equal(mg.dilation(image, sequence), mg.dilation(image, np.ones((5, 5))))
    np.testing.assert_array_equal(mg.opening(image, sequence), mg.opening(image, np.ones((5, 5))))


def test_the_result_can_be_written_into_an_array_even_the_image():
    image = np.arange(20, dtype=np.uint8).reshape(4, 5)
    expected = mg.dilation(image)
    out = np.empty_like(image)
    assert mg.dilation(image, None, out) is out
    np.testing.assert_array_equal(out, expected)
    assert mg.dilation(image, out=image) is image
    np.testing.assert_array_equal(image, expected)
    with pytest.raises(ValueError, match="out: expected an array uint8"):
        mg.dilation(image, out=np.empty((4, 5), np.float32))


def test_hit_or_miss_finds_left_ends():
    image = np.array([[0, 1, 1, 0, 1], [0, 0, 0, 0, 0], [1, 1, 0, 0, 1]], bool)
    hit, miss = np.array([[0, 1, 0]]), np.array([[1, 0, 0]])
    found = mg.hit_or_miss(image, hit, miss, mode="constant", cval=0)
    expected = [[0, 1, 0, 0, 1], [0, 0, 0, 0, 0], [1, 0, 0, 0, 1]]
    np.testing.assert_array_equal(found, np.array(expected, bool))


def test_an_alternating_filter_removes_noise_of_both_signs():
    image = np.zeros((1, 10), np.float32)
    image[0] = [0, 0, 0, 9, 0, 0, 0, 5, 1, 5]
    found = mg.alternating_sequential_filter(image, [np.ones((1, 3))])
    np.testing.assert_array_equal(found, [[0, 0, 0, 0, 0, 0, 0, 5, 5, 5]])
    other = mg.alternating_sequential_filter(image, [np.ones((1, 3))], first="opening")
    np.testing.assert_array_equal(
        other, mg.closing(mg.opening(image, np.ones((1, 3))), np.ones((1, 3)))
    )


def test_a_granulometry_and_its_spectrum_find_grains_by_size():
    image = np.array([[0, 1, 0, 1, 1, 1, 0, 0]], np.uint8)
    family = [np.ones((1, 3)), np.ones((1, 5))]
    found = mg.granulometry(image, family)
    np.testing.assert_array_equal(found, [[[0, 0, 0, 1, 1, 1, 0, 0]], [[0] * 8]])
    np.testing.assert_array_equal(mg.pattern_spectrum(image, family), [1, 3])
    batch = np.repeat(image[None, :, :, None], 2, axis=0)
    assert mg.pattern_spectrum(batch, family).shape == (2, 2, 1)


def test_reconstruction_keeps_what_the_seed_touches():
    mask = np.array([[7, 2, 9, 0, 9, 9]])
    seed = np.array([[3, 0, 0, 0, 0, 0]])
    found = mg.reconstruction(seed, mask)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [[3, 2, 2, 0, 0, 0]])
    dual = mg.reconstruction(-seed, -mask, method="erosion")
    np.testing.assert_array_equal(dual, -found)
    with pytest.raises(ValueError, match="at most the mask"):
        mg.reconstruction(mask + 1, mask)


def test_peaks_by_height_and_by_area():
    image = np.array([[0, 1, 0, 9, 8, 0, 7, 0]], np.int32)
    np.testing.assert_array_equal(mg.hmax_transform(image, 2), [[0, 0, 0, 7, 7, 0, 5, 0]])
    np.testing.assert_array_equal(mg.h_convex(image, 2), [[0, 1, 0, 2, 1, 0, 2, 0]])
    np.testing.assert_array_equal(mg.hmin_transform(-image, 2), -mg.hmax_transform(image, 2))
    np.testing.assert_array_equal(mg.h_concave(-image, 2), mg.h_convex(image, 2))
    np.testing.assert_array_equal(mg.h_maxima(image, 2), [[0, 0, 0, 1, 0, 0, 1, 0]])
    np.testing.assert_array_equal(mg.h_minima(-image, 2), mg.h_maxima(image, 2))
    np.testing.assert_array_equal(mg.area_opening(image, 2), [[0, 0, 0, 8, 8, 0, 0, 0]])
    np.testing.assert_array_equal(mg.area_closing(-image, 2), -mg.area_opening(image, 2))


def test_regional_maxima_are_plateaus_without_a_higher_neighbour():
    image = np.array([[1, 1, 0, 2, 2, 3, 0]])
    np.testing.assert_array_equal(mg.regional_maxima(image), [[1, 1, 0, 0, 0, 1, 0]])
    np.testing.assert_array_equal(mg.regional_minima(-image), mg.regional_maxima(image))
    inside = mg.local_maxima(image, allow_borders=False)
    assert not inside.any()  # every pixel of one row is at the border
    assert mg.local_maxima(np.zeros((3, 3))).sum() == 0
    assert mg.regional_maxima(np.zeros((3, 3))).all()
    assert [list(i) for i in mg.local_maxima(image, indices=True)] == [[0, 0, 0], [0, 1, 5]]


def _least(dtype):
    return 0 if dtype == bool else np.iinfo(dtype).min


@pytest.mark.parametrize("dtype", [bool, "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"])
def test_connected_operators_give_the_same_for_every_type_of_whole_numbers(dtype):
    levels = 2 if dtype == bool else 9
    image = np.random.default_rng(0).integers(0, levels, (17, 23))
    typed = (image + _least(dtype)).astype(dtype)
    np.testing.assert_array_equal(mg.local_maxima(typed), mg.local_maxima(image))
    np.testing.assert_array_equal(mg.regional_minima(typed), mg.regional_minima(image))
    # Heights that fit into the type and heights that do not.
    wide = image.astype(np.float64)
    for h in (0, 1, 2, 300):
        if h > 1 and np.dtype(dtype).itemsize == 8:
            h = 7
        for operator in (mg.h_convex, mg.h_concave):
            y = operator(typed, h)
            assert y.dtype == typed.dtype
            most = 1 if dtype == bool else np.iinfo(dtype).max
            np.testing.assert_array_equal(y, np.minimum(operator(wide, h), most))
        lowered = np.maximum(mg.hmax_transform(wide, h), 0)
        y = mg.hmax_transform(typed, h).astype(np.float64) - float(_least(dtype))
        if np.dtype(dtype).itemsize < 8:
            np.testing.assert_array_equal(y, lowered)
        if h:
            np.testing.assert_array_equal(mg.h_maxima(typed, h), mg.h_maxima(wide, h))
            np.testing.assert_array_equal(mg.h_minima(typed, h), mg.h_minima(wide, h))


@pytest.mark.parametrize("dtype, first", [("u8", 2**64 - 10), ("i8", -(2**63)), ("i8", 2**60)])
def test_connected_operators_are_exact_for_all_integers_of_64_bits(dtype, first):
    random = np.random.default_rng(1)
    image, marker = random.integers(0, 9, (2, 13, 17))
    shift = np.array(first, dtype)
    big, big_marker = (x.astype(dtype) + shift for x in (image, marker))
    for operator in (mg.area_opening, mg.area_closing):
        expected = operator(image, 4).astype(dtype) + shift
        np.testing.assert_array_equal(operator(big, 4), expected)
    expected = mg.leveling(marker, image).astype(dtype) + shift
    np.testing.assert_array_equal(mg.leveling(big_marker, big), expected)
    np.testing.assert_array_equal(mg.h_convex(big, 3), mg.h_convex(image, 3))
    np.testing.assert_array_equal(mg.local_minima(big), mg.local_minima(image))
    if first > 0:
        lowered = big + mg.hmax_transform(image, 3).astype(dtype) - image.astype(dtype)
        np.testing.assert_array_equal(mg.hmax_transform(big, 3), lowered)
    with pytest.raises(ValueError, match="h: expected at most"):
        mg.hmax_transform(big, 2.0**65)
    with pytest.raises(ValueError, match="h: expected a whole number"):
        mg.hmax_transform(big, 2**53 + 1)


def test_a_leveling_creates_no_contour():
    marker = np.array([[2, 2, 4, 4, 6, 6]], np.float32)
    image = np.array([[0, 1, 9, 3, 5, 8]], np.float32)
    np.testing.assert_array_equal(mg.leveling(marker, image), [[2, 2, 4, 4, 5, 6]])


def test_distances_are_those_to_the_nearest_pixel_that_is_not_zero():
    image = np.array([[1, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(
        mg.distance_transform(image, "chessboard"), [[0, 1, 2], [1, 1, 2]]
    )
    np.testing.assert_array_equal(mg.distance_transform(image, "taxicab"), [[0, 1, 2], [1, 2, 3]])
    assert mg.distance_transform(image)[1, 2] == np.sqrt(5)
    assert np.isinf(mg.distance_transform(np.zeros((2, 2)))).all()


def test_smooth_operators_are_within_their_certificate():
    rng = np.random.default_rng(3)
    image = rng.random((8, 9))
    d, e = mg.dilation(image, mg.square(3)), mg.erosion(image, mg.square(3))
    s, t = (
        mg.smooth_dilation(image, mg.square(3), beta=20),
        mg.smooth_erosion(image, mg.square(3), beta=20),
    )
    gap = np.log(9) / 20
    assert ((d <= s + 1e-12) & (s <= d + gap)).all() and ((e - gap <= t) & (t <= e + 1e-12)).all()
    np.testing.assert_allclose(mg.smooth_erosion(-image, mg.square(3), beta=20), -s)
    lopsided = np.array([[1, 1, 0], [0, 1, 0]])
    near = mg.smooth_dilation(image, lopsided, beta=1e6)
    np.testing.assert_allclose(near, mg.dilation(image, lopsided), atol=1e-5)
    near = mg.smooth_erosion(image, lopsided, beta=1e6)
    np.testing.assert_allclose(near, mg.erosion(image, lopsided), atol=1e-5)
    with pytest.raises(TypeError, match="float32 or float64, found uint8"):
        mg.smooth_dilation(np.zeros((3, 3), np.uint8), beta=1)


def test_footprints_have_their_forms():
    np.testing.assert_array_equal(mg.disk(1), mg.diamond(1))
    np.testing.assert_array_equal(mg.disk(1), mg.cross(1))
    np.testing.assert_array_equal(
        mg.disk(2), [[0, 0, 1, 0, 0], [0, 1, 1, 1, 0], [1] * 5, [0, 1, 1, 1, 0], [0, 0, 1, 0, 0]]
    )
    assert mg.square(4).shape == (4, 4) and mg.rectangle(2, 5).all()
    assert mg.footprint_rectangle((3, 4)).shape == (3, 4)
    np.testing.assert_array_equal(mg.line(5, 0), np.ones((1, 5)))
    np.testing.assert_array_equal(mg.line(7, 45), np.eye(5)[::-1])
    assert mg.octagon(3, 1).sum() == 21 and mg.disk(3, bool).dtype == bool
    for wrong in [lambda: mg.disk(-1), lambda: mg.disk(10**9), lambda: mg.square(0)]:
        with pytest.raises(ValueError):
            wrong()
    with pytest.raises(TypeError, match="disk: expected a whole number"):
        mg.disk(1.5)

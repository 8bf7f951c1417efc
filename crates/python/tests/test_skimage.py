"""The functions that scikit-image has too give its results. With `cargo xtask python --frameworks`.

Where they differ on purpose is said here: scikit-image's top-hats wrap around where a border makes
the opening exceed an unsigned image, ours saturate; and its borders of 64-bit integers are wrong
for the modes `max` and `ignore`, because SciPy rounds the largest integer to a float.
"""

import warnings

import numpy as np
import pytest

import morphograd as mg

ski = pytest.importorskip("skimage.morphology", reason="scikit-image is not installed")
ndi = pytest.importorskip("scipy.ndimage", reason="SciPy is not installed")

TYPES = [
    np.bool_,
    np.uint8,
    np.int8,
    np.uint16,
    np.int16,
    np.uint32,
    np.int32,
    np.float32,
    np.float64,
]
MODES = ["ignore", "reflect", "constant", "nearest", "mirror", "wrap", "min", "max"]


def image(dtype, shape=(37, 29), seed=0, top=100):
    rng = np.random.default_rng(seed)
    if dtype is np.bool_:
        return rng.random(shape) < 0.5
    return (rng.random(shape) * top).astype(dtype)


def footprints():
    rng = np.random.default_rng(1)
    yield None
    yield ski.disk(2)
    yield np.ones((3, 3))
    yield np.ones((2, 4))
    yield ski.star(3)
    for shape in ((4, 3), (5, 2), (1, 6), (3, 5)):
        yield rng.random(shape) < 0.6
    yield ski.footprint_rectangle((5, 4), decomposition="separable")
    yield ski.disk(4, decomposition="sequence")


def same(found, expected):
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("mode", MODES)
def test_dilation_erosion_opening_closing(dtype, mode):
    x = image(dtype)
    for footprint in footprints():
        for name in ("dilation", "erosion", "opening", "closing"):
            arguments = {"mode": mode, "cval": 1}
            expected = getattr(ski, name)(x, footprint, **arguments)
            same(getattr(mg, name)(x, footprint, **arguments), expected)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int32, np.float32, np.float64])
def test_top_hats(dtype):
    x = image(dtype)
    for footprint in footprints():
        for name in ("white_tophat", "black_tophat"):
            expected = getattr(ski, name)(x, footprint, mode="ignore")
            opened = mg.opening(x, footprint) if name == "white_tophat" else x
            closed = mg.closing(x, footprint) if name == "black_tophat" else x
            if (opened <= x).all() and (x <= closed).all():
                same(getattr(mg, name)(x, footprint), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("footprint", [None, ski.diamond(1), ski.footprint_rectangle((3, 3))])
def test_reconstruction(dtype, footprint):
    x = image(dtype, top=60)
    seed = np.maximum(x, 9) - 9
    same(
        mg.reconstruction(seed, x, "dilation", footprint),
        ski.reconstruction(seed, x, "dilation", footprint),
    )
    same(
        mg.reconstruction(x, seed, "erosion", footprint),
        ski.reconstruction(x, seed, "erosion", footprint),
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("h", [1, 5, 30, 1000])
def test_h_extrema(dtype, h):
    x = image(dtype, top=60)
    for footprint in (None, ski.diamond(1)):
        same(mg.h_maxima(x, h, footprint), ski.h_maxima(x, h, footprint))
        same(mg.h_minima(x, h, footprint), ski.h_minima(x, h, footprint))


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("connectivity", [None, 1, 2])
@pytest.mark.parametrize("borders", [True, False])
def test_local_extrema(dtype, connectivity, borders):
    rules = {"connectivity": connectivity, "allow_borders": borders}
    for x in (image(dtype, top=6), np.zeros((5, 5), dtype), np.zeros((2, 5), dtype)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            maxima, minima = ski.local_maxima(x, **rules), ski.local_minima(x, **rules)
        same(mg.local_maxima(x, **rules), maxima)
        same(mg.local_minima(x, **rules), minima)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("connectivity", [1, 2])
def test_areas(dtype, connectivity):
    x = image(dtype, top=6)
    same(mg.area_opening(x, 7, connectivity), ski.area_opening(x, 7, connectivity))
    same(mg.area_closing(x, 7, connectivity), ski.area_closing(x, 7, connectivity))


def test_distances_are_scipys_of_the_complement():
    x = image(np.bool_) & image(np.bool_, seed=1) & image(np.bool_, seed=2)
    np.testing.assert_allclose(mg.distance_transform(x), ndi.distance_transform_edt(~x))
    for metric in ("chessboard", "taxicab"):
        found = mg.distance_transform(x, metric)
        np.testing.assert_array_equal(found, ndi.distance_transform_cdt(~x, metric))


def test_additive_structures_are_scipys():
    x, rng = image(np.float64), np.random.default_rng(3)
    structure = rng.standard_normal((3, 5))
    # SciPy mirrors the structure of a dilation, and subtracts that of an erosion as it is drawn.
    expected = ndi.grey_dilation(x, structure=structure[::-1, ::-1], mode="reflect")
    np.testing.assert_array_equal(mg.dilation(x, structure=structure, mode="reflect"), expected)
    expected = ndi.grey_erosion(x, structure=structure, mode="reflect")
    np.testing.assert_array_equal(mg.erosion(x, structure=structure, mode="reflect"), expected)


def test_footprints_have_the_shapes_of_scikit_image():
    for r in range(8):
        same(mg.disk(r), ski.disk(r))
        same(mg.diamond(r), ski.diamond(r))
        for n in range(4):
            if r > 0:
                same(mg.octagon(r, n), ski.octagon(r, n))
                same(mg.footprint_rectangle((r, n + 1)), ski.footprint_rectangle((r, n + 1)))

"""Laws of operators, and kernels that are identified from images."""

import numpy as np
import pytest

import morphograd as mg
from morphograd import law

IMAGES = [np.random.default_rng(n).integers(-50, 50, (9, 11)) for n in range(3)]
ELEMENT = np.array([[0, 1, 1], [1, 1, 0]])


def dilate(x):
    return mg.dilation(x, ELEMENT)


def erode(x):
    return mg.erosion(x, ELEMENT[::-1, ::-1])


def test_openings_and_closings_have_their_laws():
    for operator in (mg.opening, mg.closing):
        assert law.idempotence(lambda x, f=operator: f(x, ELEMENT), IMAGES) == 0
        assert law.increasingness(lambda x, f=operator: f(x, ELEMENT), IMAGES) == 0
    assert law.anti_extensivity(lambda x: mg.opening(x, ELEMENT), IMAGES) == 0
    assert law.extensivity(lambda x: mg.closing(x, ELEMENT), IMAGES) == 0
    assert law.duality(
        lambda x: mg.opening(x, ELEMENT), lambda x: mg.closing(x, ELEMENT), IMAGES
    ) == 0


def test_laws_that_do_not_hold_are_missed_by_an_amount():
    assert law.extensivity(erode, IMAGES) > 0
    assert law.anti_extensivity(dilate, IMAGES) > 0
    assert law.idempotence(dilate, IMAGES) > 0
    assert law.increasingness(lambda x: -x, IMAGES) > 0
    assert law.duality(dilate, dilate, IMAGES) > 0
    assert law.grey_shift(dilate, IMAGES, 5, 0) == 5
    # Another border is no adjoint, and sees translations.
    reflect = {"mode": "reflect"}
    assert law.translation(lambda x: mg.dilation(x, ELEMENT, **reflect), IMAGES, (2, 3), 0) > 0


def test_a_dilation_and_the_erosion_by_the_mirror_image_are_adjoint_for_odd_elements():
    cross = mg.disk(1)
    pair = (lambda x: mg.dilation(x, cross)), (lambda x: mg.erosion(x, cross))
    assert law.adjunction(*pair, IMAGES) == 0
    assert law.adjunction(pair[1], pair[0], IMAGES) > 0


def test_translations_inside_and_around_the_torus():
    assert law.translation(dilate, IMAGES, (2, -3), 2) == 0
    wrapped = [lambda x: mg.closing(x, ELEMENT, mode="wrap")]
    assert law.translation(wrapped[0], IMAGES, (2, -3), 0) == 0
    batch = [np.stack(IMAGES)[..., None]]
    assert law.translation(wrapped[0], batch, (1, 1), 0) == 0
    assert law.grey_shift(dilate, IMAGES, 5, 1) == 0
    assert law.grey_shift(lambda x: mg.gradient(x, ELEMENT), IMAGES, 5, 0) == 0


def test_unsigned_images_are_refused():
    with pytest.raises(TypeError, match="signed numbers, found uint8"):
        law.extensivity(dilate, [np.zeros((3, 3), np.uint8)])


@pytest.mark.parametrize("operator", ["dilation", "erosion"])
def test_a_kernel_that_gives_the_target_is_found(operator):
    rng = np.random.default_rng(1)
    x = rng.random((4, 12, 13, 2))
    kernel = -rng.random((3, 3, 2)) * 0.2
    y, _ = getattr(mg.ops, operator)(x, kernel, padding="same")
    found = mg.ops.identify(x, y, (3, 3), operator=operator)
    assert found.largest < 1e-12 and found.squares < 1e-20
    assert (found.kernel >= kernel - 1e-12).all()
    again, _ = getattr(mg.ops, operator)(x, found.kernel, padding="same")
    np.testing.assert_allclose(again, y, atol=1e-12)


def test_no_kernel_is_better_in_the_maximum_norm_than_that_raised_by_half():
    rng = np.random.default_rng(2)
    x, y = rng.random((1, 6, 6, 1)), rng.random((1, 6, 6, 1))
    found = mg.ops.identify(x, y, (1, 3))
    best = np.abs(mg.ops.dilation(x, found.kernel + found.largest / 2, padding="same")[0] - y).max()
    np.testing.assert_allclose(best, found.largest / 2)
    for _ in range(2000):
        other = rng.normal(size=(1, 3, 1))
        error = np.abs(mg.ops.dilation(x, other, padding="same")[0] - y).max()
        assert error >= best - 1e-12


@pytest.mark.parametrize("operator", ["dilation", "erosion"])
def test_no_kernel_of_a_set_is_better_than_the_best_one(operator):
    rng = np.random.default_rng(3)
    x, y = rng.random((1, 6, 6, 1)), rng.random((1, 6, 6, 1))
    set = mg.sets.Intersection(mg.sets.RadiallyNonIncreasing(), mg.sets.Interval(-1, 0))
    found = mg.ops.identify_in_set(x, y, (1, 3), set, operator=operator)
    assert set.violation(found.kernel) == 0
    assert found.bounds[0] <= found.errors[0] <= found.bounds[0] + 1e-9

    def error(kernel):
        return np.abs(getattr(mg.ops, operator)(x, kernel, padding="same")[0] - y).max()

    np.testing.assert_allclose(error(found.kernel), found.errors[0])
    for _ in range(500):
        other = set.project(rng.normal(size=(1, 3, 1)))
        assert error(other) >= found.bounds[0] - 1e-6  # projected to a tolerance
    with pytest.raises(ValueError, match="expected a set that states greatest"):
        mg.ops.identify_in_set(x, y, (1, 3), mg.sets.Simplex())


def test_the_greatest_point_below_a_bound():
    radial = mg.sets.RadiallyNonIncreasing()
    assert "greatest" in radial.capabilities((1, 3, 1))
    bound = np.array([0.5, 0.0, 1.0]).reshape(1, 3, 1)
    assert radial.greatest_below(bound).ravel().tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(ValueError, match="a bound with a point of the set below"):
        mg.sets.Interval(0.0, 1.0).greatest_below(-bound)
    with pytest.raises(ValueError, match="states it in capabilities"):
        mg.sets.Simplex().greatest_below(bound)


def test_an_upper_bound_holds_and_what_does_not_fit_is_refused():
    x = np.zeros((1, 5, 5, 1))
    assert (mg.ops.identify(x, x + 3, (3, 3), max=1.0).kernel == 1.0).all()
    with pytest.raises(TypeError, match="target: expected an array of the image's dtype"):
        mg.ops.identify(x, x.astype(np.float32), (3, 3))
    with pytest.raises(ValueError, match="operator: expected dilation or erosion, found opening"):
        mg.ops.identify(x, x, (3, 3), operator="opening")
    with pytest.raises(ValueError, match="padding: expected one of valid, same, found full"):
        mg.ops.identify(x, x, (3, 3), padding="full")
    with pytest.raises(ValueError):
        mg.ops.identify(x, x[:, :4], (3, 3))

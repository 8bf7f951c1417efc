"""Sets: every one projects, and says what it is."""

import pickle

import numpy as np
import pytest

import morphograd as mg
from morphograd import sets

rng = np.random.default_rng(0)
BOX = np.array([[-1.0, 0.0, 1.0]] * 3)
SETS = [
    sets.NonNegative(),
    sets.NonPositive(),
    sets.Interval(-0.5, 0.5),
    sets.Bounds(BOX - 1, BOX + 1),
    sets.Grid(0.25),
    sets.FixedSum(2.0),
    sets.FixedMean(0.5),
    sets.Hyperplane(np.arange(9.0), 1.0),
    sets.Halfspace(np.arange(9.0), -1.0),
    sets.Affine(np.eye(2, 9), [1.0, 2.0]),
    sets.Polyhedron(np.eye(9), np.zeros(9)),
    sets.L1Ball(1.0),
    sets.KSparsePolytope(2, 0.75),
    sets.L2Ball(1.0),
    sets.LInfBall(0.5),
    sets.Sphere(2.0),
    sets.Annulus(1.0, 2.0),
    sets.Simplex(),
    sets.CappedSimplex(2.0, 0.5),
    sets.Isotonic(),
    sets.Isotonic("non-increasing"),
    sets.Cardinality(3),
    sets.Rank(1),
    sets.SpectralBall(),
    sets.NuclearBall(),
    sets.PositiveSemidefinite(),
    sets.OrthonormalColumns(),
    sets.ZeroCentre(),
    sets.Support(mg.disk(1), -1.0, 1.0),
    sets.SupNormalized(),
    sets.ConstantKernel(),
    sets.ConstantKernel(mg.disk(1)),
    sets.Symmetric(),
    sets.Symmetric("central"),
    sets.RadiallyNonIncreasing(),
    sets.RadiallyNonIncreasing("taxicab"),
    sets.Concave(),
    sets.Separable(),
    sets.Per(sets.Simplex(), axes=0),
    sets.Intersection(sets.Interval(-1, 1), sets.FixedSum(0.0)),
]
MAPS = [sets.UnitNorm(), sets.MaxNorm(max=1.0), sets.MinMaxNorm(min=0.5, max=1.0, rate=0.5)]
IDS = [repr(s)[:40] for s in SETS]


def test_every_set_of_the_module_is_tried_here():
    named = {name for name in sets.__all__ if isinstance(getattr(sets, name), type)}
    tried = {type(s).__name__ for s in SETS + MAPS} | {"RadialConstraint"}
    assert named - tried == {"Set", "Certificate", "Solution"}


@pytest.mark.parametrize("set", SETS, ids=IDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_projection_is_in_the_set_stays_there_and_is_nearest(set, dtype):
    for _ in range(5):
        w = (3 * rng.standard_normal((3, 3))).astype(dtype)
        p = set.project(w)
        assert p.dtype == dtype and p.shape == w.shape
        assert set.violation(p) == 0.0 and set.contains(p)
        assert set.project(p).tobytes() == p.tobytes()
        # No other point of the set is nearer.
        far = np.where(np.isfinite(p), p - w, 0.0)
        for _ in range(20):
            q = set.project((w + 2 * rng.standard_normal(w.shape)).astype(dtype))
            other = np.where(np.isfinite(q), q - w, 0.0)
            assert np.linalg.norm(far) <= np.linalg.norm(other) * (1 + 1e-5) + 1e-6
        if np.isfinite(p).all():
            np.testing.assert_allclose(set.distance(w), np.linalg.norm(p - w), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("set", SETS + MAPS, ids=IDS + [repr(s) for s in MAPS])
def test_a_set_is_a_value(set):
    again = pickle.loads(pickle.dumps(set))
    assert again == set and hash(again) == hash(set) and repr(again) == repr(set)
    assert set.kind in ("convex", "non-convex", "not a projection")
    w = rng.standard_normal((3, 3))
    assert again.project(w).tobytes() == set.project(w).tobytes()
    assert repr(set).startswith(type(set).__name__ + "(")


@pytest.mark.parametrize("set", SETS, ids=IDS)
def test_what_a_set_states_works_and_the_rest_is_refused(set):
    at = set.project(rng.standard_normal((3, 3)))
    d = rng.standard_normal((3, 3))
    stated = set.capabilities((3, 3))
    calls = {
        "tangent": lambda: set.tangent(at, d),
        "linear": lambda: set.minimize_linear(d),
        "derivative": lambda: set.project_vjp(at + d, d),
    }
    for name, call in calls.items():
        if name in stated:
            assert call().shape == (3, 3)
        else:
            with pytest.raises(ValueError, match=f"{name}: expected a set that states it"):
                call()


def test_axes_name_the_direction_of_a_group():
    w = rng.standard_normal((4, 5, 6))
    for axis, sums in ((0, (5, 6)), (-1, (4, 5)), ((1, 2), (4,)), ((0, -1), (5,))):
        p = sets.Simplex().project(w, axis=axis)
        np.testing.assert_allclose(p.sum(axis=axis), np.ones(sums))
        assert sets.Simplex().violation(p, axis=axis) == 0.0
        assert sets.Simplex().violation(p) > 0.1
    for wrong in (3, -4):
        with pytest.raises(ValueError):
            sets.Simplex().project(w, axis=wrong)
    kernel = rng.standard_normal((8, 2, 3, 3))  # of PyTorch
    p = sets.ZeroCentre().project(kernel, axis=(2, 3))
    assert (p[:, :, 1, 1] == 0).all()
    np.testing.assert_array_equal(p[0, 1], sets.ZeroCentre().project(kernel[0, 1]))


def test_keras_maps_are_their_formulas():
    w = rng.standard_normal((4, 3)).astype(np.float32)
    norm = np.sqrt((w * w).sum(axis=0, keepdims=True))
    np.testing.assert_allclose(sets.UnitNorm().project(w), w / (1e-7 + norm), rtol=1e-5)
    expected = w * np.clip(norm, 0, 1.0) / (1e-7 + norm)
    np.testing.assert_allclose(sets.MaxNorm(max=1.0).project(w), expected, rtol=1e-5)
    assert sets.UnitNorm().kind == "not a projection"
    assert sets.RadialConstraint().project(rng.standard_normal((3, 3, 1, 1))).shape == (3, 3, 1, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("chosen", SETS + MAPS, ids=repr)
def test_a_projection_and_its_report_are_one_call(chosen, dtype):
    before = (2 * rng.standard_normal((3, 3))).astype(dtype)
    expected, value = chosen.project(before), before.copy()
    violation, moved, distance = chosen._native.enforce(value, None)
    np.testing.assert_array_equal(value, expected)
    assert violation == chosen.violation(expected)
    assert moved == (before != expected).sum()
    with np.errstate(invalid="ignore"):
        apart = np.where(before != expected, expected - before, 0).astype(np.float64)
    np.testing.assert_allclose(distance, np.sqrt(np.square(apart).sum()), rtol=1e-6)


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 100_003])
def test_the_report_of_a_box_counts_every_number_once(n):
    for chosen in (sets.NonNegative(), sets.NonPositive(), sets.Interval(2.0, 3.0)):
        before = rng.standard_normal(n).astype(np.float32)
        value = before.copy()
        violation, moved, distance = chosen._native.enforce(value, None)
        expected = chosen.project(before)
        np.testing.assert_array_equal(value, expected)
        assert (violation, moved) == (0.0, (before != expected).sum())
        np.testing.assert_allclose(distance, np.linalg.norm((expected - before).astype(float)))


def test_the_report_of_a_box_sees_what_is_not_a_number():
    value = np.array([1.0, np.nan, -2.0, -np.inf, np.inf], np.float32)
    violation, moved, distance = sets.NonNegative()._native.enforce(value, None)
    np.testing.assert_array_equal(value, [1.0, np.nan, 0.0, 0.0, np.inf])
    assert np.isnan(violation) and moved == 3 and np.isnan(distance)
    with pytest.raises(ValueError, match="expected a C-contiguous array, found strides"):
        sets.NonNegative()._native.enforce(np.zeros((4, 4)).T[::2], None)
    read = np.zeros(3)
    read.flags.writeable = False
    with pytest.raises(ValueError, match="expected an array that can be written"):
        sets.NonNegative()._native.enforce(read, None)


def test_a_projection_can_be_written_in_place():
    w = rng.standard_normal((3, 3))
    expected = sets.L2Ball().project(w)
    assert sets.L2Ball().project(w, out=w) is w
    np.testing.assert_array_equal(w, expected)
    out = np.empty((3, 3))
    assert sets.NonPositive().project(w, out=out) is out and (out <= 0).all()
    w.flags.writeable = False
    with pytest.raises(ValueError, match="out: expected an array that can be written"):
        sets.L2Ball().project(w, out=w)
    with pytest.raises(ValueError, match="out: expected a C-contiguous array"):
        sets.L2Ball().project(out, out=out.T)


def test_an_intersection_proves_its_projection():
    set = sets.Intersection(sets.Interval(-1, 1), sets.FixedSum(0.0))
    value, proof = set.project_with_proof(np.array([3.0, 0.5, 0.0]))
    np.testing.assert_allclose(value, [1.0, -0.25, -0.75], atol=1e-6)
    assert proof.converged and proof.distance < 1e-6 and len(proof.violations) == 2


def test_wrong_sets_and_arrays_say_so():
    w = np.zeros((3, 3))
    with pytest.raises(TypeError, match="array: expected an array of float32 or float64"):
        sets.NonNegative().project(w.astype(np.int32))
    with pytest.raises(TypeError, match="found list"):
        sets.NonNegative().project([1.0])
    with pytest.raises(ValueError, match="expected"):
        sets.Simplex(-1.0).project(w)
    with pytest.raises(ValueError, match="expected"):
        sets.Interval(1.0, 0.0).project(w)
    with pytest.raises(ValueError, match="Isotonic: expected order: one of non-decreasing"):
        sets.Isotonic("up").project(w)
    with pytest.raises(TypeError, match="Rank: expected rank: a whole number"):
        sets.Rank(1.5).project(w)
    with pytest.raises(ValueError, match="expected"):
        sets.PositiveSemidefinite().project(np.zeros((3, 2)))
    with pytest.raises(TypeError, match="expected one of its classes"):
        sets.Set().project(w)
    with pytest.raises(ValueError, match="direction: expected shape"):
        sets.NonNegative().tangent(w, np.zeros(3))
    assert sets.NonNegative().violation(np.array([np.nan])) != 0.0
    assert sets.NonNegative().project(np.zeros((0, 3))).shape == (0, 3)


def quadratic(target):
    return lambda w: (0.5 * float(((w - target) ** 2).sum()), w - target)


@pytest.mark.parametrize("accelerated", [False, True])
def test_projected_gradient_finds_the_projection(accelerated):
    target = rng.standard_normal((2, 4))
    found = sets.projected_gradient(
        quadratic(target), sets.Simplex(), np.zeros((2, 4)), accelerated=accelerated, axis=1
    )
    assert found.converged and found.measure <= 1e-6 and found.method == "projected_gradient"
    np.testing.assert_allclose(found.x, sets.Simplex().project(target, axis=1), atol=1e-5)
    np.testing.assert_allclose(found.objective, quadratic(target)(found.x)[0])


def test_frank_wolfe_certifies_its_gap():
    target = rng.standard_normal(5)
    best = quadratic(target)(sets.Simplex().project(target))[0]
    found = sets.frank_wolfe(quadratic(target), sets.Simplex(), np.eye(5)[0], tolerance=1e-4)
    assert found.converged and found.objective - best <= found.measure <= 1e-4
    with pytest.raises(
        ValueError, match="frank-wolfe: expected a bounded set .* found NonNegative"
    ):
        sets.frank_wolfe(quadratic(target), sets.NonNegative(), np.zeros(5))


def test_what_an_objective_raises_is_raised():
    class Odd(Exception):
        pass

    def raising(w):
        raise Odd("here")

    with pytest.raises(Odd, match="here"):
        sets.projected_gradient(raising, sets.Simplex(), np.zeros(3))
    with pytest.raises(TypeError, match=r"expected a pair \(value, gradient\)"):
        sets.projected_gradient(lambda w: 1.0, sets.Simplex(), np.zeros(3))
    with pytest.raises(ValueError, match="expected a gradient of shape"):
        sets.projected_gradient(lambda w: (1.0, np.zeros(2)), sets.Simplex(), np.zeros(3))
    with pytest.raises(ValueError, match="expected a finite loss"):
        sets.projected_gradient(lambda w: (np.nan, w), sets.Simplex(), np.zeros(3))
    with pytest.raises(ValueError, match="projected gradient: expected"):
        sets.projected_gradient(quadratic(0), sets.Simplex(), np.zeros(3), step=-1.0)

"""Constraints, initializers and regularizers for Keras. With `cargo xtask python --frameworks`."""

import inspect

import morphograd as mg
import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="Keras is not installed")

from keras_support import BACKEND, golden, numpy
from morphograd.keras import constraints, initializers, regularizers

rng = np.random.default_rng(0)
SETS = [
    mg.sets.NonNegative(),
    mg.sets.NonPositive(),
    mg.sets.Interval(-0.5, 0.25),
    mg.sets.Bounds(np.full((3, 3, 2, 4), -0.5), np.full((3, 3, 2, 4), 0.5)),
    mg.sets.Grid(0.25),
    mg.sets.FixedSum(2.0),
    mg.sets.FixedMean(0.5),
    mg.sets.Hyperplane(np.arange(72.0), 1.0),
    mg.sets.Halfspace(np.arange(72.0), -1.0),
    mg.sets.Affine(np.ones((1, 72)), [1.0]),
    mg.sets.Polyhedron(np.ones((1, 72)), [-1.0]),
    mg.sets.L1Ball(2.0),
    mg.sets.KSparsePolytope(5, 0.5),
    mg.sets.L2Ball(2.0),
    mg.sets.LInfBall(0.5),
    mg.sets.Sphere(2.0),
    mg.sets.Annulus(1.0, 2.0),
    mg.sets.Simplex(2.0),
    mg.sets.CappedSimplex(2.0, 0.5),
    mg.sets.Isotonic("non-increasing"),
    mg.sets.Cardinality(5),
    mg.sets.Rank(2),
    mg.sets.SpectralBall(0.5),
    mg.sets.NuclearBall(2.0),
    mg.sets.OrthonormalColumns(),
    mg.sets.ZeroCentre(),
    mg.sets.Support(mg.diamond(1), -0.5, 0.5),
    mg.sets.SupNormalized(),
    mg.sets.ConstantKernel(),
    mg.sets.ConstantKernel(mg.diamond(1)),
    mg.sets.Symmetric("central"),
    mg.sets.RadiallyNonIncreasing("taxicab"),
    mg.sets.Concave(),
    mg.sets.Separable(),
    mg.sets.RadialConstraint(),
    mg.sets.Per(mg.sets.Simplex(), (0, 1)),
    mg.sets.Intersection(mg.sets.Interval(-1, 1), mg.sets.FixedSum(0.5), tolerance=1e-6),
]


def call(chosen):
    """The constraint of a set, made by its own class."""
    fields = {f: getattr(chosen, f) for f in inspect.signature(type(chosen)).parameters}
    members = fields.pop("sets", ())
    return getattr(constraints, type(chosen).__name__)(*members, **fields)


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("chosen", SETS, ids=lambda s: type(s).__name__)
def test_every_set_is_a_constraint(chosen):
    """It projects as the set does, and comes back from its configuration."""
    w = normal(3, 3, 2, 4)
    made = call(chosen)
    for constraint in (made, constraints.InSet(chosen)):
        expected = chosen.project(w)
        np.testing.assert_array_equal(numpy(constraint(keras.ops.convert_to_tensor(w))), expected)
        assert constraint.violation(expected) == chosen.violation(expected)
        config = keras.saving.serialize_keras_object(constraint)
        again = keras.saving.deserialize_keras_object(config)
        assert again == constraint and again.set == chosen


def test_no_set_is_left_out():
    has = {type(chosen).__name__ for chosen in SETS} | {"PositiveSemidefinite"}  # tested below
    keras_has = {"MaxNorm", "MinMaxNorm", "UnitNorm"}
    helpers = {"Certificate", "Set", "Solution", "frank_wolfe", "projected_gradient"}
    assert has | keras_has | helpers == set(mg.sets.__all__)
    assert has <= set(constraints.__all__)
    for name in keras_has:
        assert hasattr(keras.constraints, name)


def test_positive_semidefinite_matrices():
    w = normal(5, 5)
    expected = mg.sets.PositiveSemidefinite().project(w)
    np.testing.assert_array_equal(numpy(constraints.PositiveSemidefinite()(w)), expected)


@pytest.mark.parametrize("axis", [0, -1, (0, 1), [0, 2]])
def test_groups(axis):
    w = normal(3, 3, 2, 4)
    constraint = constraints.Simplex(2.0, axis=axis)
    expected = mg.sets.Simplex(2.0).project(w, axis)
    np.testing.assert_array_equal(numpy(constraint(w)), expected)
    config = keras.saving.serialize_keras_object(constraint)
    assert keras.saving.deserialize_keras_object(config) == constraint


def test_double_precision_is_kept():
    w = rng.standard_normal((5, 5, 2, 3))
    tensor = keras.ops.convert_to_tensor(w, "float64")
    for chosen in (mg.sets.NonNegative(), mg.sets.ZeroCentre(), mg.sets.Simplex()):
        found = numpy(constraints.InSet(chosen)(tensor))
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, chosen.project(w))


PUBLISHED = {
    "non_positive_extensive": constraints.NonPositiveExtensive(),
    "zero_to_one": constraints.ZeroToOne(),
    "lattice": constraints.Lattice(),
    # At every commit that had both names, these were what the tutorial ran.
    "as_run_non_positive": constraints.Lattice(),
    "as_run_non_positive_increasing": constraints.LatticeZeroCentre(),
    # At the newest commit there is a lower bound.
    "non_positive": constraints.Interval(-1.0, 0.0),
    "non_neg": constraints.NonNegative(),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_constraints_of_morpholayers(name):
    data = golden("constraints")
    np.testing.assert_array_equal(numpy(PUBLISHED[name](data["w"])), data[name])
    config = keras.saving.serialize_keras_object(PUBLISHED[name])
    again = keras.saving.deserialize_keras_object(config)
    np.testing.assert_array_equal(numpy(again(data["w"])), data[name])


@pytest.mark.parametrize("size", [(5, 5), (4, 3)])
def test_names_mean_what_they_say(size):
    w = 3 * normal(*size, 2, 3)
    centre = size[0] // 2, size[1] // 2
    np.testing.assert_array_equal(numpy(constraints.NonPositive()(w)), np.minimum(w, 0))
    expected = np.minimum(w, 0)
    expected[centre] = 0
    np.testing.assert_array_equal(numpy(constraints.NonPositiveIncreasing()(w)), expected)
    bounded = constraints.NonPositiveIncreasing(min_value=-1.0)
    np.testing.assert_array_equal(numpy(bounded(w)), np.maximum(expected, -1))
    config = keras.saving.serialize_keras_object(bounded)
    assert keras.saving.deserialize_keras_object(config) == bounded
    expected = np.clip(w, -1, 1)
    expected[centre] = 0
    np.testing.assert_array_equal(numpy(constraints.LatticeZeroCentre()(w)), expected)


@pytest.mark.parametrize("constraint", [constraints.Disk(), constraints.Diamond()])
def test_supports(constraint):
    element = mg.disk(2) if isinstance(constraint, constraints.Disk) else mg.diamond(2)
    w = 2 * normal(5, 5, 2, 3)
    found = numpy(constraint(w))
    expected = np.where(element[:, :, None, None] != 0, np.clip(w, -1, 1), -np.inf)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(numpy(constraint(found)), found)
    assert constraint.violation(w) > 0 and constraint.violation(found) == 0
    other = constraints.SEconstraint(element)
    config = keras.saving.serialize_keras_object(other)
    again = keras.saving.deserialize_keras_object(config)
    np.testing.assert_array_equal(numpy(again(w)), expected)
    with pytest.raises(ValueError, match="odd size, found 4 x 4"):
        constraint(normal(4, 4, 1, 1))


def test_rounding():
    w = np.array([0.12345, -0.5, 2.5e-5], np.float32)
    np.testing.assert_allclose(numpy(constraints.Rounding(2)(w)), [0.12, -0.5, 0], atol=1e-7)
    assert (
        keras.saving.deserialize_keras_object(
            keras.saving.serialize_keras_object(constraints.Rounding(3))
        ).c
        == 3
    )


def test_constraints_in_a_training(tmp_path):
    """Layers of Keras itself, bounds under XLA, other sets by a call out of the graph."""
    x, y = normal(32, 6), normal(32, 2)
    simplex = constraints.Simplex(axis=0)
    xla = "auto" if BACKEND != "tensorflow" else False
    for constraint, jit in [(constraints.NonNegative(), "auto"), (simplex, xla)]:
        dense = keras.layers.Dense(2, kernel_constraint=constraint)
        model = keras.Sequential([keras.Input((6,)), dense])
        model.compile("adam", "mse", jit_compile=jit)
        model.fit(x, y, epochs=2, verbose=0)
        assert constraint.violation(dense.kernel) == 0.0
        path = tmp_path / "model.keras"
        model.save(path)
        assert keras.saving.load_model(path).layers[0].kernel_constraint == constraint


def test_wrong_sets_are_refused():
    with pytest.raises(TypeError, match="expected a set"):
        constraints.InSet("simplex")
    with pytest.raises(ValueError, match="expected the name of a set"):
        constraints.InSet.from_config({"set": {"set": "frank_wolfe", "fields": {}}, "axis": None})
    with pytest.raises(ValueError, match="and more axes"):
        constraints.Support(mg.disk(1))(normal(5, 5, 1, 1))
    with pytest.raises(TypeError):
        constraints.Simplex(radius=1.0)


def same(initializer, shape=(5, 5, 2, 3)):
    """The values, after the initializer has come back from its configuration."""
    values = numpy(initializer(shape))
    config = keras.saving.serialize_keras_object(initializer)
    again = keras.saving.deserialize_keras_object(config)
    np.testing.assert_array_equal(numpy(again(shape)), values)
    assert values.shape == shape and values.dtype == np.float32
    return values


def test_initializers():
    assert (same(initializers.MinusOnes()) == -1).all()
    identity = same(initializers.MinusOnesZeroCenter())
    assert (identity[2, 2] == 0).all() and identity.sum() == -24 * 6
    assert set(np.unique(same(initializers.SparseZeros(0.85, seed=1)))) == {-1, 0}
    zeros = (same(initializers.SparseZeros(0.85), (50, 50, 2, 2)) == 0).mean()
    assert 0.12 < zeros < 0.18
    counts = (same(initializers.SparseNumZeros(3)) == 0).sum((0, 1))
    np.testing.assert_array_equal(counts, np.full((2, 3), 4))
    assert set(np.unique(same(initializers.SignedOnes()))) == {-1, 1}
    values = same(initializers.RandomLattice(seed=7))
    assert values.min() >= -1 and values.max() < 0
    centred = same(initializers.RandomLatticewithZero(seed=7))
    assert (centred[2, 2] == 0).all() and (centred[0] == values[0]).all()
    parabola = same(initializers.Quadratic(2, 0.2))
    np.testing.assert_allclose(parabola[:, 2, 0, 0], [-0.2, -0.05, 0, -0.05, -0.2], atol=1e-7)
    cross = same(initializers.SEinitializer(mg.diamond(1)), (3, 3, 1, 2))
    np.testing.assert_array_equal(cross[..., 0, 1], [[-1, 0, -1], [0, 0, 0], [-1, 0, -1]])
    with pytest.raises(ValueError, match="element's size"):
        initializers.SEinitializer(mg.diamond(1))((5, 5, 1, 1))


def test_regularizers():
    w = normal(3, 3, 1, 2)
    for regularizer, expected in [
        (regularizers.l1lattice(0.5), 0.5 * np.abs(w + 1).sum()),
        (regularizers.l2lattice(0.5), 0.5 * ((w + 1) ** 2).sum()),
        (regularizers.l1_l2lattice(), 0.01 * (np.abs(w + 1) + (w + 1) ** 2).sum()),
        (regularizers.L1L2Lattice(1.0, bottom=-2.0), np.abs(w + 2).sum()),
    ]:
        config = keras.saving.serialize_keras_object(regularizer)
        again = keras.saving.deserialize_keras_object(config)
        np.testing.assert_allclose(
            numpy(again(keras.ops.convert_to_tensor(w))), expected, rtol=1e-5
        )

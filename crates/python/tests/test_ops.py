"""Differentiable operations: values, gradients by finite differences, and bits as in Rust."""

import numpy as np
import pytest

import morphograd as mg

rng = np.random.default_rng(0)


def check(operation, *inputs, step=1e-6):
    """The gradients of a random combination of the outputs, by central differences."""
    y, saved = operation(*inputs)
    g = rng.standard_normal(y.shape)
    for k, gradient in enumerate(saved.backward(g)):
        flat = inputs[k].reshape(-1)
        for i in rng.choice(flat.size, min(flat.size, 12), replace=False):
            held = flat[i]
            flat[i] = held + step
            above = (operation(*inputs)[0] * g).sum()
            flat[i] = held - step
            below = (operation(*inputs)[0] * g).sum()
            flat[i] = held
            np.testing.assert_allclose(
                gradient.reshape(-1)[i], (above - below) / (2 * step), atol=1e-6
            )


@pytest.mark.parametrize("kernel", [(3, 2, 2), (2, 3, 2, 4)])
@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"padding": "same"},
        {"padding": "same", "mode": "reflect", "ties": "last"},
        {"padding": "same", "mode": "constant", "cval": 0.5},
        {"strides": (2, 1), "rates": (1, 2), "ties": "split"},
    ],
)
def test_gradients_of_dilations_and_erosions(kernel, rules):
    x, w = rng.standard_normal((2, 7, 6, 2)), rng.standard_normal(kernel)
    check(lambda x, w: mg.ops.dilation(x, w, **rules), x, w)
    check(lambda x, w: mg.ops.erosion(x, w, **rules), x, w)


def test_gradients_of_the_other_operations():
    x, w, b = rng.standard_normal((2, 6, 5, 2)), rng.standard_normal((3, 3, 2, 3)), np.array(2.0)
    check(mg.ops.smooth_dilation, x, w, b)
    check(mg.ops.smooth_erosion, x, w, b)
    y, z = x + rng.random(x.shape), x - rng.random(x.shape)
    check(mg.ops.toggle, x, y, z)
    check(lambda m, g: mg.ops.reconstruction(m, g, connectivity=1), x - 0.3, y)
    check(mg.ops.leveling, y, x)
    check(lambda x: mg.ops.area_opening(x, 4), x)
    check(lambda m, g: mg.ops.geodesic_dilation(m, g, 2), x - 0.3, y)
    check(mg.ops.alpha_softmax, x, w, np.array(-0.7))
    check(mg.ops.parabolic_dilation, x, np.array([0.5, 1.5]))
    check(mg.ops.parabolic_erosion, x, np.array([0.5, 1.5]))
    check(mg.ops.max_plus, rng.standard_normal((3, 4)), rng.standard_normal((4, 5)))
    check(mg.ops.min_plus, rng.standard_normal((3, 4)), rng.standard_normal((4, 5)))


def test_the_first_of_tied_maxima_gets_the_gradient_or_who_is_chosen():
    x, w = np.zeros((1, 1, 3, 1), np.float32), np.zeros((1, 3, 1), np.float32)
    shares = {"first": [1, 0, 0], "last": [0, 0, 1], "split": [1 / 3] * 3}
    for ties, expected in shares.items():
        _, saved = mg.ops.dilation(x, w, ties=ties)
        dx, dw = saved.backward(np.ones((1, 1, 1, 1), np.float32))
        np.testing.assert_allclose(dx.ravel(), expected, rtol=1e-6)
        np.testing.assert_allclose(dw.ravel(), expected, rtol=1e-6)


def test_only_the_gradients_that_are_needed_are_computed():
    x, w = rng.standard_normal((1, 5, 5, 1)), rng.standard_normal((3, 3, 1))
    y, saved = mg.ops.dilation(x, w)
    g = np.ones_like(y)
    both = saved.backward(g)
    assert saved.backward(g, [True, False])[1] is None
    np.testing.assert_array_equal(saved.backward(g, [False, True])[1], both[1])


def test_wrong_arguments_are_named():
    x, w = np.zeros((1, 5, 5, 2), np.float32), np.zeros((3, 3, 2), np.float32)
    with pytest.raises(ValueError, match=r"dilation2d: expected a kernel \[3, 3, 2\]"):
        mg.ops.dilation(x, np.zeros((3, 3, 1), np.float32))
    with pytest.raises(TypeError, match="dilation: expected arrays of one dtype, float32"):
        mg.ops.dilation(x, w.astype(np.float64))
    with pytest.raises(TypeError, match="dilation: expected an array of float32 or float64"):
        mg.ops.dilation(x.astype(np.int32), w)
    with pytest.raises(ValueError, match="padding: expected one of valid, same"):
        mg.ops.dilation(x, w, padding="full")
    with pytest.raises(ValueError, match="ties: expected one of first"):
        mg.ops.dilation(x, w, ties="any")
    with pytest.raises(ValueError, match="no larger than the image"):
        mg.ops.dilation(x, np.zeros((7, 7, 2), np.float32))
    y, saved = mg.ops.dilation(x, w)
    with pytest.raises(ValueError, match="gradient: expected the output's shape"):
        saved.backward(y[:, 1:])
    with pytest.raises(TypeError, match="gradient: expected an array of dtype float32"):
        saved.backward(y.astype(np.float64))
    with pytest.raises(TypeError, match="reconstruction"):
        mg.ops.reconstruction(x, None)


def hashed(*arrays):
    """FNV-1a over the bits of numbers of single precision."""
    state = 0xCBF29CE484222325
    for word in np.concatenate([a.astype(np.float32).ravel() for a in arrays]).view(np.uint32):
        state = (state ^ int(word)) * 0x100000001B3 % 2**64
    return state


def test_the_bits_are_those_of_rust():
    """The same numbers and the same hashes stand in crates/morphology/tests/suite/python.rs."""

    def numbers(seed, shape):
        state, out = seed, []
        for _ in range(int(np.prod(shape))):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            out.append((state >> 40) / 2**24 - 0.5)
        return np.array(out, np.float32).reshape(shape)

    x, w = numbers(1, (3, 13, 11, 2)), numbers(2, (3, 4, 2, 5))
    y, saved = mg.ops.dilation(x, w, padding="same")
    assert hashed(y, *saved.backward(numbers(3, y.shape))) == 0xBC4A08EF89F8949F
    z, saved = mg.ops.erosion(x, w[..., 0].copy(), strides=(2, 1))
    assert hashed(z, *saved.backward(numbers(4, z.shape))) == 0x82B96B79CEF5F14B
    assert (
        hashed(mg.sets.Simplex().project(x), mg.sets.L1Ball(3.0).project(x, axis=(1, 2)))
        == 0x13262E51A34B035F
    )


ORDERS = [(0, 1, 2, 3), (0, 2, 3, 1), (3, 2, 1, 0), (2, 3, 1, 0), (1, 0, 3, 2)]


@pytest.mark.parametrize("shape", [(2, 3, 5, 11), (1, 4, 1, 9), (3, 24, 17, 8), (2, 0, 3, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_of_any_layout_are_read_in_order(shape, dtype):
    """A toggle between an image and itself is the image."""
    array = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    for order in ORDERS:
        x = array.transpose(order)
        views = [x, x[::-1], x[:, :, ::-1, ::2], x[..., ::-1]]
        views += [np.broadcast_to(x[:1], x.shape), np.broadcast_to(x[:, :1, :1], x.shape)]
        views += [np.broadcast_to(x[..., :1], x.shape), np.broadcast_to(dtype(7), x.shape)]
        for view in views:
            y, saved = mg.ops.toggle(view, view, view)
            np.testing.assert_array_equal(y, view)
            assert y.flags.c_contiguous
            _, above, below = saved.backward(view)
            np.testing.assert_array_equal(above, view)
            assert (below == 0).all()

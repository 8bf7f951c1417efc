"""Every function and module for PyTorch: gradients, registration, values, and what is refused."""

from functools import partial

import numpy as np
import pytest

import morphograd as mg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import morphograd.torch as mgt  # noqa: E402

IMAGE, KERNEL = (2, 2, 7, 6), (2, 3, 2)

# A function and the shapes of its tensors.
FUNCTIONS = {
    "opening2d": (mgt.opening2d, IMAGE, KERNEL),
    "closing2d with strides": (partial(mgt.closing2d, stride=2), IMAGE, KERNEL),
    "gradient2d": (partial(mgt.gradient2d, mode="reflect"), IMAGE, KERNEL),
    "internal_gradient2d": (mgt.internal_gradient2d, IMAGE, KERNEL),
    "external_gradient2d": (mgt.external_gradient2d, IMAGE, KERNEL),
    "laplacian2d": (mgt.laplacian2d, IMAGE, KERNEL),
    "white_tophat2d": (mgt.white_tophat2d, IMAGE, KERNEL),
    "black_tophat2d": (mgt.black_tophat2d, IMAGE, KERNEL),
    "average2d": (mgt.average2d, IMAGE, KERNEL),
    "anti_dilation2d": (mgt.anti_dilation2d, IMAGE, KERNEL),
    "anti_erosion2d": (mgt.anti_erosion2d, IMAGE, KERNEL),
    "probing2d": (mgt.probing2d, IMAGE, KERNEL, KERNEL),
    "hit_or_miss2d": (lambda x, h, m: mgt.hit_or_miss2d(x, h - 2, m - 2), IMAGE, KERNEL, KERNEL),
    "toggle2d": (lambda x, w: mgt.toggle2d(x, w / 100), IMAGE, KERNEL),
    "alternating_sequential2d": (
        lambda x, v, w: mgt.alternating_sequential2d(x, [v, w], first="opening"),
        IMAGE,
        (2, 2, 2),
        (2, 3, 3),
    ),
    "lasry_lions_upper2d": (mgt.lasry_lions_upper2d, IMAGE, KERNEL, KERNEL),
    "lasry_lions_lower2d": (mgt.lasry_lions_lower2d, IMAGE, KERNEL, KERNEL),
    "quadratic_kernel": (
        lambda x, b: mgt.dilation2d(x, mgt.quadratic_kernel(b, (3, 5), scale=2)),
        IMAGE,
        (2,),
    ),
    "parabolic_dilation2d": (partial(mgt.parabolic_dilation2d, scale=0.7), IMAGE, (2,)),
    "parabolic_erosion2d": (mgt.parabolic_erosion2d, IMAGE, (2,)),
    "max_plus": (mgt.max_plus, (2, 3, 4), (4, 5)),
    "min_plus": (partial(mgt.min_plus, ties="split"), (3, 4), (4, 5)),
    "separable_dilation2d": (mgt.separable_dilation2d, IMAGE, KERNEL, (2, 3)),
    "separable_erosion2d": (mgt.separable_erosion2d, IMAGE, KERNEL, (2, 3)),
    "p_convolution2d": (
        lambda x, w, p: mgt.p_convolution2d(x.exp(), w.exp(), p),
        IMAGE,
        KERNEL,
        (),
    ),
    "reconstruction_by_dilation2d": (mgt.reconstruction_by_dilation2d, IMAGE, IMAGE),
    "reconstruction_by_erosion2d": (
        partial(mgt.reconstruction_by_erosion2d, connectivity=1, ties="split"),
        IMAGE,
        IMAGE,
    ),
    "geodesic_dilation2d": (partial(mgt.geodesic_dilation2d, steps=2), IMAGE, IMAGE),
    "geodesic_erosion2d": (
        partial(mgt.geodesic_erosion2d, steps=3, connectivity=1, ties="split"),
        IMAGE,
        IMAGE,
    ),
    "leveling2d": (mgt.leveling2d, IMAGE, IMAGE),
    "opening_by_reconstruction2d": (mgt.opening_by_reconstruction2d, IMAGE, KERNEL),
    "closing_by_reconstruction2d": (mgt.closing_by_reconstruction2d, IMAGE, KERNEL),
    "h_maxima2d": (lambda x, h: mgt.h_maxima2d(x, h.exp()), IMAGE, (2,)),
    "h_minima2d": (lambda x, h: mgt.h_minima2d(x, h.exp()), IMAGE, ()),
    "h_convex2d": (lambda x, h: mgt.h_convex2d(x, h.exp()), IMAGE, (2,)),
    "h_concave2d": (lambda x, h: mgt.h_concave2d(x, h.exp()), IMAGE, (1,)),
    "area_opening2d": (partial(mgt.area_opening2d, area=4), IMAGE),
    "area_closing2d": (partial(mgt.area_closing2d, area=4, ties="last"), IMAGE),
    "min_pool2d": (partial(mgt.min_pool2d, kernel_size=2), IMAGE),
    "range_pool2d": (partial(mgt.range_pool2d, kernel_size=(3, 2), stride=2), IMAGE),
}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def tensors(shapes, dtype=torch.float64, **rules):
    return [torch.randn(shape, dtype=dtype, **rules) for shape in shapes]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_agree_with_differences(name):
    function, *shapes = FUNCTIONS[name]
    assert torch.autograd.gradcheck(function, tensors(shapes, requires_grad=True))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_layout_of_inputs_and_gradients_changes_nothing(name):
    function, *shapes = FUNCTIONS[name]
    inputs = tensors(shapes, torch.float32, requires_grad=True)
    y = function(*inputs)
    g = torch.randn(y.shape)
    expected = torch.autograd.grad(y, inputs, g)
    # Every axis with a gap, and the last axis first in memory.
    others = []
    for x in inputs:
        moved = torch.randn([2 * n for n in reversed(x.shape)]).permute(
            list(reversed(range(x.dim())))
        )
        part = moved[tuple(slice(None, None, 2) for _ in x.shape)] if x.dim() else moved
        others.append(part.copy_(x.detach()).requires_grad_())
    z = function(*others)
    torch.testing.assert_close(z, y)
    wide = torch.randn(g.transpose(0, -1).shape).transpose(0, -1).copy_(g)
    for found, gradient in zip(torch.autograd.grad(z, others, wide), expected, strict=True):
        torch.testing.assert_close(found, gradient)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_compile_to_one_graph(name):
    torch._dynamo.reset()
    function, *shapes = FUNCTIONS[name]
    inputs = tensors(shapes, requires_grad=True)
    compiled = torch.compile(lambda *x: function(*x), fullgraph=True, backend="aot_eager")
    y, z = function(*inputs), compiled(*inputs)
    torch.testing.assert_close(z, y)
    g = torch.randn_like(y)
    for found, expected in zip(
        torch.autograd.grad(z, inputs, g), torch.autograd.grad(y, inputs, g), strict=True
    ):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_batches_without_images_have_gradients(name):
    function, *shapes = FUNCTIONS[name]
    if shapes[0] == IMAGE and "pool" not in name:
        shapes = [(0, *shape[1:]) if shape == IMAGE else shape for shape in shapes]
        inputs = tensors(shapes, requires_grad=True)
        y = function(*inputs)
        assert y.shape[0] == 0
        for x, gradient in zip(inputs, torch.autograd.grad(y.sum(), inputs), strict=True):
            assert gradient.shape == x.shape and (gradient == 0).all()


WINDOW = [1, 1], [1, 1], "same"
RULES = *WINDOW, "ignore", 0.0
OPERATORS = [
    ("dilation", [IMAGE, (4, 2, 3, 2)], [*RULES, "first"]),
    ("erosion", [IMAGE, (4, 2, 3, 2)], [*RULES, "first"]),
    ("dilation", [IMAGE, KERNEL], [[2, 1], [1, 2], "valid", "ignore", 0.0, "split"]),
    ("erosion", [IMAGE, KERNEL], [*WINDOW, "reflect", 0.0, "last"]),
    ("smooth_dilation", [IMAGE, (4, 2, 3, 2), ()], WINDOW),
    ("smooth_erosion", [IMAGE, KERNEL, (2,)], WINDOW),
    ("alpha_softmax", [IMAGE, (4, 2, 3, 2), (4,)], WINDOW),
    ("counter_harmonic", [IMAGE, KERNEL, (1,)], WINDOW),
    ("parabolic_dilation", [IMAGE, (2,)], [1.0]),
    ("parabolic_erosion", [IMAGE, (2,)], [0.5]),
    ("toggle", [IMAGE, IMAGE, IMAGE], []),
    ("reconstruction", [IMAGE, IMAGE], [2, "first"]),
    ("reconstruction", [IMAGE, IMAGE], [1, "split"]),
    ("leveling", [IMAGE, IMAGE], [2, "last"]),
    ("geodesic_dilation", [IMAGE, IMAGE], [3, 2, "first"]),
    ("geodesic_dilation", [IMAGE, IMAGE], [3, 1, "split"]),
    ("area_opening", [IMAGE], [4, 1, "split"]),
    ("max_plus", [(3, 4), (4, 5)], ["first"]),
    ("min_plus", [(3, 4), (4, 5)], ["split"]),
]


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("kind, shapes, settings", OPERATORS)
def test_the_operators_are_registered_as_pytorch_wants(kind, shapes, settings, grad):
    inputs = [x.abs().detach().requires_grad_(grad) for x in tensors(shapes, torch.float32)]
    op = getattr(torch.ops.morphograd, kind).default
    torch.library.opcheck(op, (*inputs, *settings, grad))


def images(x):
    return np.ascontiguousarray(x.permute(0, 2, 3, 1))


def as_tensor(y):
    return torch.from_numpy(y).permute(0, 3, 1, 2)


def test_the_bits_are_those_of_the_numpy_operations():
    x, m, w = torch.randn(IMAGE), torch.randn(IMAGE), torch.randn(2, 3, 3)
    b = torch.rand(2)
    kernel = np.ascontiguousarray(w.permute(1, 2, 0))
    of = mg.ops
    pairs = [
        (mgt.alpha_softmax2d(x, w, 2.0), of.alpha_softmax(images(x), kernel, 2.0)),
        (mgt.smooth_dilation2d(x, w, 3.0), of.smooth_dilation(images(x), kernel, 3.0)),
        (mgt.parabolic_dilation2d(x, b), of.parabolic_dilation(images(x), b.numpy())),
        (mgt.parabolic_erosion2d(x, b), of.parabolic_erosion(images(x), b.numpy())),
        (mgt.reconstruction_by_dilation2d(m, x), of.reconstruction(images(m), images(x))),
        (mgt.leveling2d(m, x), of.leveling(images(m), images(x))),
        (
            mgt.geodesic_dilation2d(m, x, steps=2),
            of.geodesic_dilation(images(m), images(x), 2),
        ),
        (mgt.area_opening2d(x, 4), of.area_opening(images(x), 4)),
    ]
    for found, (expected, _) in pairs:
        assert torch.equal(found, as_tensor(expected))
    rows, matrix = m[:, :, 0], x[0, :, :6, 0].T
    expected, _ = of.max_plus(rows.reshape(4, 6).numpy(), matrix.numpy())
    assert torch.equal(mgt.max_plus(rows, matrix).reshape(4, 2), torch.from_numpy(expected))


def test_flat_operators_are_those_of_numpy_images():
    x = torch.rand(1, 1, 9, 8, dtype=torch.float64)
    m = (x - 0.2).clamp(min=0)
    image, marker, square = x[0, 0].numpy(), m[0, 0].numpy(), mg.square(3)
    w = torch.zeros(1, 3, 3, dtype=torch.float64)
    eroded = mg.reconstruction(mg.erosion(image, square), image)
    pairs = [
        (mgt.laplacian2d(x, w), mg.dilation(image, square) + mg.erosion(image, square) - 2 * image),
        (mgt.opening_by_reconstruction2d(x, w), eroded),
        (mgt.reconstruction_by_dilation2d(m, x), mg.reconstruction(marker, image)),
        (
            mgt.reconstruction_by_erosion2d(x, m),
            mg.reconstruction(image, marker, method="erosion"),
        ),
        (mgt.area_opening2d(x, 5), mg.area_opening(image, 5, connectivity=1)),
        (mgt.area_closing2d(x, 5), mg.area_closing(image, 5, connectivity=1)),
    ]
    for found, expected in pairs:
        np.testing.assert_array_equal(found[0, 0].numpy(), expected)
    shifted = mg.reconstruction(image - 0.3, image)
    np.testing.assert_array_equal(mgt.h_maxima2d(x, 0.3)[0, 0].numpy(), shifted)


def test_smooth_operators_have_their_limits():
    x, w = torch.rand(1, 2, 7, 6) + 0.1, torch.zeros(2, 3, 3)
    largest, least = mgt.dilation2d(x, w), mgt.erosion2d(x, w)
    torch.testing.assert_close(mgt.alpha_softmax2d(x, w, 1e4), largest)
    torch.testing.assert_close(mgt.alpha_softmax2d(x, w, -1e4), least)
    mean = torch.nn.functional.avg_pool2d(x, 3, 1)
    torch.testing.assert_close(mgt.alpha_softmax2d(x, w, 0.0), mean)
    torch.testing.assert_close(mgt.p_convolution2d(x, torch.ones(2, 3, 3), 0.0), mean)
    squares = torch.nn.functional.avg_pool2d(x.square(), 3, 1) / mean
    torch.testing.assert_close(mgt.p_convolution2d(x, torch.ones(2, 3, 3), 1.0), squares)


def test_a_whole_parabola_is_one_in_a_window_that_covers_the_image():
    x, b = torch.randn(2, 3, 6, 5), torch.rand(3)
    kernel = mgt.quadratic_kernel(b, (11, 9), scale=0.8)
    for whole, window in (
        (mgt.parabolic_dilation2d, mgt.dilation2d),
        (mgt.parabolic_erosion2d, mgt.erosion2d),
    ):
        expected = window(x, kernel, padding="same")
        torch.testing.assert_close(whole(x, b, scale=0.8), expected)


def test_a_separable_dilation_is_one_of_the_volume():
    x, w, v = torch.randn(1, 3, 6, 5), torch.randn(3, 3, 2), torch.randn(3, 4)
    expected = (mgt.dilation2d(x, w)[:, :, None] + v[:, :, None, None]).amax(1)
    torch.testing.assert_close(mgt.separable_dilation2d(x, w, v), expected)
    expected = (mgt.erosion2d(x, w)[:, :, None] - v[:, :, None, None]).amin(1)
    torch.testing.assert_close(mgt.separable_erosion2d(x, w, v), expected)


def test_a_toggle_goes_where_it_is_nearer():
    x, w = torch.rand(1, 1, 8, 8), torch.zeros(1, 3, 3)
    above, below = mgt.dilation2d(x, w, padding="same"), mgt.erosion2d(x, w, padding="same")
    expected = torch.where(above - x <= x - below, above, below)
    assert torch.equal(mgt.toggle2d(x, w), expected)
    assert torch.equal(mgt.toggle2d(x, w, steps=2), mgt.toggle2d(expected, w))
    assert torch.equal(mgt.toggle2d(x, w, steps=0), x)


MODULES = [
    (mgt.Dilation2d(2, 4, 3, bias=True), {"weight": (4, 2, 3, 3), "bias": (4,)}, (4, 5, 4)),
    (mgt.Erosion2d(2, 4, (3, 2)), {"weight": (4, 2, 3, 2)}, (4, 5, 5)),
    (mgt.MaxOfErosions2d(2, 4, 3), {"weight": (4, 2, 3, 3)}, (4, 5, 4)),
    (mgt.MinOfDilations2d(2, 4, 3, padding="same"), {"weight": (4, 2, 3, 3)}, (4, 7, 6)),
    (mgt.DepthwiseDilation2d(2, 3, 3), {"weight": (3, 2, 3, 3)}, (6, 5, 4)),
    (mgt.DepthwiseErosion2d(2, 3), {"weight": (1, 2, 3, 3)}, (2, 5, 4)),
    *(
        (getattr(mgt, name)(2, 3), {"weight": (2, 3, 3)}, (2, 7, 6))
        for name in (
            "Opening2d Closing2d Gradient2d InternalGradient2d ExternalGradient2d Laplacian2d "
            "WhiteTopHat2d BlackTopHat2d Average2d AntiDilation2d AntiErosion2d Toggle2d "
            "OpeningByReconstruction2d ClosingByReconstruction2d"
        ).split()
    ),
    (mgt.Probing2d(2, 3), {"upper": (2, 3, 3), "lower": (2, 3, 3)}, (2, 7, 6)),
    (mgt.HitOrMiss2d(2, 3, padding="valid"), {"hit": (2, 3, 3), "miss": (2, 3, 3)}, (2, 5, 4)),
    (
        mgt.AlternatingSequential2d(2, [3, 5]),
        {"weights.0": (2, 3, 3), "weights.1": (2, 5, 5)},
        (2, 7, 6),
    ),
    (mgt.ParabolicDilation2d(2), {"curvature": (2,)}, (2, 7, 6)),
    (mgt.ParabolicErosion2d(2, scale=2.0), {"curvature": (2,)}, (2, 7, 6)),
    (mgt.QuadraticDilation2d(2, 3, stride=2), {"curvature": (2,)}, (2, 4, 3)),
    (mgt.QuadraticErosion2d(2, 3), {"curvature": (2,)}, (2, 7, 6)),
    (mgt.LasryLionsUpper2d(2, 5), {"curvature": (2,), "ratio": (2,)}, (2, 7, 6)),
    (mgt.LasryLionsLower2d(2, 5), {"curvature": (2,), "ratio": (2,)}, (2, 7, 6)),
    (mgt.SeparableDilation2d(2, 4, 3), {"weight": (2, 3, 3), "across": (2, 4)}, (4, 5, 4)),
    (mgt.SeparableErosion2d(2, 4, 3), {"weight": (2, 3, 3), "across": (2, 4)}, (4, 5, 4)),
    (mgt.MaxPlusDense(6, 4, bias=True), {"weight": (6, 4), "bias": (4,)}, (2, 7, 4)),
    (mgt.MinPlusDense(6, 4), {"weight": (6, 4)}, (2, 7, 4)),
    (mgt.SmoothDilation2d(2, 4, 3), {"weight": (4, 2, 3, 3), "beta": ()}, (4, 5, 4)),
    (mgt.SmoothErosion2d(2, 4, 3), {"weight": (4, 2, 3, 3), "beta": ()}, (4, 5, 4)),
    (mgt.AlphaSoftmax2d(2, 4, 3), {"weight": (4, 2, 3, 3), "alpha": ()}, (4, 5, 4)),
    (mgt.PConvolution2d(2, 4, 3), {"weight": (4, 2, 3, 3), "p": ()}, (4, 5, 4)),
    (mgt.HMaxima2d(2), {"h": (2,)}, (2, 7, 6)),
    (mgt.HMinima2d(2, h=0.3), {"h": (2,)}, (2, 7, 6)),
    (mgt.HConvex2d(2), {"h": (2,)}, (2, 7, 6)),
    (mgt.HConcave2d(2), {"h": (2,)}, (2, 7, 6)),
    (mgt.AreaOpening2d(4), {}, (2, 7, 6)),
    (mgt.AreaClosing2d(4), {}, (2, 7, 6)),
    (mgt.ReconstructionByDilation2d(), {}, (2, 7, 6)),
    (mgt.ReconstructionByErosion2d(), {}, (2, 7, 6)),
    (mgt.GeodesicDilation2d(steps=2), {}, (2, 7, 6)),
    (mgt.GeodesicErosion2d(), {}, (2, 7, 6)),
    (mgt.Leveling2d(connectivity=1), {}, (2, 7, 6)),
    (mgt.MinPool2d(2), {}, (2, 3, 3)),
    (mgt.RangePool2d(2), {}, (2, 3, 3)),
    (mgt.MixedPool2d(2), {"alpha": ()}, (2, 3, 3)),
    (mgt.MixedMaxMinPool2d(2), {"alpha": ()}, (2, 3, 3)),
    (mgt.DilationPool2d(2, 2), {"weight": (2, 2, 2)}, (2, 3, 3)),
    (mgt.ParabolicPool2d(2, 3, 2, padding="same"), {"curvature": (2,)}, (2, 4, 3)),
]
SELECTIONS = "Reconstruction", "Geodesic", "Leveling"


@pytest.mark.parametrize("module, shapes, output", MODULES, ids=lambda m: type(m).__name__)
def test_modules_have_parameters_that_are_learned_and_saved(module, shapes, output):
    assert {name: tuple(p.shape) for name, p in module.named_parameters()} == shapes
    x = torch.rand(2, 2, 7, 6)
    inputs = [x]
    if type(module).__name__.startswith(SELECTIONS):
        inputs = [torch.rand_like(x), x]
    y = module(*inputs)
    assert tuple(y.shape[1:]) == output
    if shapes:
        (y * torch.rand_like(y)).sum().backward()
        for name, p in module.named_parameters():
            assert p.grad is not None and p.grad.shape == p.shape, name
            assert p.grad.isfinite().all()
    state = {name: value + 0.1 for name, value in module.state_dict().items()}
    module.load_state_dict(state)
    for name, value in module.state_dict().items():
        assert torch.equal(value, state[name])
    assert type(module).__name__ in repr(module)


def test_every_name_is_there_and_every_module_is_tested():
    assert mgt.__all__ == sorted(set(mgt.__all__))
    kinds = {
        name
        for name in mgt.__all__
        if isinstance(getattr(mgt, name), type) and issubclass(getattr(mgt, name), torch.nn.Module)
    }
    assert kinds - {type(module).__name__ for module, *_ in MODULES} == {"Projected"}


def test_a_frozen_sharpness_stays_and_unknown_settings_are_refused():
    assert not mgt.SmoothDilation2d(1, 1, 3, beta=2.0, learn_beta=False).beta.requires_grad
    with pytest.raises(TypeError, match="Opening2d: expected settings of rates, .* found step"):
        mgt.Opening2d(1, 3, step=2)
    with pytest.raises(TypeError, match="SmoothErosion2d: expected settings of .* found mode"):
        mgt.SmoothErosion2d(1, 1, 3, mode="reflect")


def test_pools_of_flat_functions_are_those_of_pytorch():
    x = torch.rand(2, 3, 6, 8)
    expected = torch.nn.functional.max_pool2d(x, 2)
    assert torch.equal(mgt.DilationPool2d(3, 2)(x), expected)
    assert torch.equal(mgt.ParabolicPool2d(3, 2, curvature=0.0)(x), expected)
    least = -torch.nn.functional.max_pool2d(-x, 2)
    assert torch.equal(mgt.MixedMaxMinPool2d(2)(x), (expected + least) / 2)


def test_what_does_not_fit_is_refused_by_name():
    x, w = torch.zeros(1, 2, 5, 5), torch.zeros(2, 3, 3)
    with pytest.raises(ValueError, match="toggle2d: expected padding same and stride 1"):
        mgt.toggle2d(x, w, padding="valid")
    with pytest.raises(ValueError, match="laplacian2d: expected padding same and stride 1"):
        mgt.laplacian2d(x, w, stride=2)
    with pytest.raises(ValueError, match="leveling2d: expected images of one shape"):
        mgt.leveling2d(x, x[:, :1])
    with pytest.raises(ValueError, match=r"area_opening2d: expected images \(batch"):
        mgt.area_opening2d(x[0], 4)
    with pytest.raises(TypeError, match="h_maxima2d: expected torch.float32, found torch.float64"):
        mgt.h_maxima2d(x, torch.zeros(2, dtype=torch.float64))
    with pytest.raises(ValueError, match="h_maxima2d: expected one height or 2"):
        mgt.h_maxima2d(x, torch.zeros(3))
    with pytest.raises(ValueError, match="parabolic_erosion2d: expected a curvature for each of 2"):
        mgt.parabolic_erosion2d(x, torch.zeros(1))
    with pytest.raises(ValueError, match=r"max_plus: expected a matrix \(inputs, outputs\) for"):
        mgt.max_plus(torch.zeros(3, 4), torch.zeros(3, 4))
    with pytest.raises(ValueError, match="first: expected closing or opening, found 'both'"):
        mgt.alternating_sequential2d(x, [w], first="both")
    with pytest.raises(TypeError, match="reconstruction_by_dilation2d: expected a tensor of float"):
        mgt.reconstruction_by_dilation2d(x.int(), x.int())
    with pytest.raises(ValueError, match="connectivity: expected one of 1, 2, found 3"):
        mgt.reconstruction_by_dilation2d(x, x, connectivity=3)
    with pytest.raises(ValueError, match="opening2d: expected a kernel"):
        mgt.opening2d(x, w[None])
    with pytest.raises(ValueError, match="scale"):
        mgt.parabolic_dilation2d(x, torch.zeros(2), scale=0.0)


def test_meta_tensors_have_shapes_and_other_devices_are_refused():
    x, w = torch.empty(2, 3, 9, 8, device="meta"), torch.empty(3, 3, 3, device="meta")
    assert mgt.toggle2d(x, w).shape == x.shape
    assert mgt.leveling2d(x, x.requires_grad_()).shape == x.shape
    assert mgt.smooth_dilation2d(x, w, torch.empty((), device="meta")).shape == (2, 3, 7, 6)
    assert mgt.max_plus(x, torch.empty(8, 5, device="meta")).shape == (2, 3, 9, 5)

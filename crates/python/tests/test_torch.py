"""The adapters for PyTorch. With `cargo xtask python --frameworks`."""

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import morphograd as mg

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import morphograd.torch as mgt  # noqa: E402
from morphograd.torch import _operators  # noqa: E402

FILTERS = [mgt.dilation2d, mgt.erosion2d]
SMOOTH = [mgt.smooth_dilation2d, mgt.smooth_erosion2d, mgt.alpha_softmax2d]


def normal(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, requires_grad=True)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("op", FILTERS)
@pytest.mark.parametrize("kernel", [(4, 3, 3, 2), (3, 3, 2)])
@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"padding": "same"},
        {"padding": "same", "mode": "reflect", "ties": "last"},
        {"padding": "same", "mode": "constant", "cval": 0.3, "stride": 2},
        {"stride": (1, 2), "padding": "same", "ties": "split"},
        {"rates": (2, 1)},
    ],
)
def test_gradients_of_filters(op, kernel, rules):
    assert torch.autograd.gradcheck(
        lambda x, w: op(x, w, **rules), (normal(2, 3, 7, 6), normal(*kernel))
    )


@pytest.mark.parametrize("op", SMOOTH)
@pytest.mark.parametrize("kernel", [(3, 2, 3, 2), (2, 3, 2)])
def test_gradients_of_smooth_operators(op, kernel):
    beta = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(op, (normal(1, 2, 5, 6), normal(*kernel), beta))


def test_a_filter_is_the_sum_of_the_largest_raised_pixels():
    x, w = torch.randn(2, 3, 6, 5), torch.randn(4, 3, 3, 2)
    windows = x.unfold(2, 3, 1).unfold(3, 2, 1)  # batch, channel, row, column, kh, kw
    expected = (windows[:, None] + w[None, :, :, None, None]).amax((-2, -1)).sum(2)
    torch.testing.assert_close(mgt.dilation2d(x, w), expected)
    turned = w.flip((-2, -1))
    expected = (windows[:, None] - turned[None, :, :, None, None]).amin((-2, -1)).sum(2)
    torch.testing.assert_close(mgt.erosion2d(x, w), expected)


def test_the_bits_are_those_of_the_numpy_operations():
    x, w = torch.randn(2, 3, 9, 8), torch.randn(4, 3, 3, 3)
    y, _ = mg.ops.dilation(
        np.ascontiguousarray(x.permute(0, 2, 3, 1)), np.ascontiguousarray(w.permute(2, 3, 1, 0))
    )
    assert torch.equal(mgt.dilation2d(x, w).permute(0, 2, 3, 1), torch.from_numpy(y))


def test_channels_last_crosses_without_a_copy_and_stays():
    x = torch.randn(2, 3, 9, 8).to(memory_format=torch.channels_last)
    assert _operators._array(x, "images").ctypes.data == x.data_ptr()
    assert _operators._array(x, "images").flags.c_contiguous
    y = mgt.dilation2d(x, torch.randn(4, 3, 3, 3))
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_without_gradients_nothing_is_saved():
    x, w = torch.randn(1, 1, 5, 5), torch.randn(1, 1, 3, 3, requires_grad=True)
    with torch.no_grad():
        assert not mgt.dilation2d(x, w).requires_grad
    assert not mgt.dilation2d(x, w.detach()).requires_grad
    y = mgt.dilation2d(x, w)
    y.sum().backward()
    assert x.grad is None and w.grad.sum() == 9.0


def test_a_batch_without_images_has_gradients_of_zero():
    x, w = torch.zeros(0, 1, 5, 5, requires_grad=True), torch.zeros(2, 1, 3, 3, requires_grad=True)
    y = mgt.dilation2d(x, w)
    assert y.shape == (0, 2, 3, 3)
    y.sum().backward()
    assert x.grad.shape == x.shape and (w.grad == 0).all()


def test_meta_tensors_have_shapes():
    x, w = torch.empty(2, 3, 9, 8, device="meta"), torch.empty(4, 3, 3, 3, device="meta")
    assert mgt.dilation2d(x, w, padding="same", stride=2).shape == (2, 4, 5, 4)


def network():
    layers = [mgt.Dilation2d(1, 4, 3, bias=True), mgt.Opening2d(4, 3), mgt.Erosion2d(4, 2, 3)]
    return torch.nn.Sequential(*layers, mgt.SmoothDilation2d(2, 2, 2), torch.nn.Flatten())


def test_modules_compile_to_the_same_graph():
    model, x = network(), torch.randn(3, 1, 10, 10)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    expected = model(x)
    expected.square().sum().backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    y = compiled(x)
    y.square().sum().backward()
    torch.testing.assert_close(y, expected)
    for p, g in zip(model.parameters(), gradients, strict=True):
        torch.testing.assert_close(p.grad, g)


def test_modules_save_load_and_show_themselves():
    model = network()
    other = network()
    other.load_state_dict(model.state_dict())
    x = torch.randn(2, 1, 10, 10)
    assert torch.equal(model(x), other(x))
    assert "Dilation2d(1, 4, kernel_size=(3, 3), stride=1" in repr(model)
    flat = mgt.WhiteTopHat2d(1, 3)(x)
    expected = mg.white_tophat(x.permute(0, 2, 3, 1).numpy(), mg.square(3))
    assert torch.equal(flat.detach().permute(0, 2, 3, 1), torch.from_numpy(expected))
    for module, function in (
        (mgt.Closing2d, mg.closing),
        (mgt.Gradient2d, mg.gradient),
        (mgt.BlackTopHat2d, mg.black_tophat),
    ):
        expected = function(x[0, 0].numpy(), mg.square(3))
        assert torch.equal(module(1, 3)(x)[0, 0].detach(), torch.from_numpy(expected))


def test_wrong_tensors_say_what_to_do():
    x, w = torch.zeros(1, 1, 5, 5), torch.zeros(1, 1, 3, 3)
    with pytest.raises(TypeError, match=r"float32 or float64, found torch.float16; `.float\(\)`"):
        mgt.dilation2d(x.half(), w)
    with pytest.raises(TypeError, match="expected torch.float32, found torch.float64"):
        mgt.dilation2d(x, w.double())
    with pytest.raises(TypeError, match="expected a torch tensor, found ndarray"):
        mgt.dilation2d(x.numpy(), w)
    with pytest.raises(ValueError, match=r"expected a kernel \(1, height, width\)"):
        mgt.dilation2d(x, torch.zeros(1, 2, 3, 3))
    with pytest.raises(ValueError, match=r"expected images \(batch, channels, height, width\)"):
        mgt.dilation2d(x[0], w)
    with pytest.raises(ValueError, match="stride: expected a positive number"):
        mgt.dilation2d(x, w, stride=0)
    with pytest.raises(ValueError, match="opening2d: expected a kernel"):
        mgt.opening2d(x, w)
    with pytest.raises(ValueError, match="found cuda:1; .* move them by `.cpu"):
        _operators.check_device("dilation2d", torch.device("cuda", 1))
    with pytest.raises(TypeError, match="found a torch tensor; see morphograd.torch"):
        mg.dilation(x)


@pytest.mark.parametrize(
    "make", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop]
)
def test_constrained_parameters_are_in_their_sets_after_each_step(make):
    model, x = network(), torch.randn(3, 1, 10, 10)
    weight, flat = model[0].weight, model[1].weight
    optimizer = make(model.parameters(), lr=0.1)
    centred = mg.sets.ZeroCentre()
    with torch.no_grad():
        before = weight.clone()
    constraints = mgt.constrain(optimizer, {weight: (centred, (2, 3)), flat: mg.sets.NonPositive()})
    expected = centred.project(before.numpy(), axis=(2, 3))
    assert torch.equal(weight.detach(), torch.from_numpy(expected))
    report = constraints.reports[weight]
    np.testing.assert_allclose(report.distance, (weight - before).norm().item(), rtol=1e-5)
    assert report.moved == (weight != before).double().mean().item()
    for _ in range(3):
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
        assert constraints.violation() == 0.0
        assert (weight[:, :, 1, 1] == 0).all() and (flat <= 0).all()
    with torch.no_grad():
        flat.fill_(0.5)
    assert constraints.violation() == 0.5
    constraints.remove()
    optimizer.step()
    assert constraints.violation() > 0.0


def test_a_parameter_is_projected_where_it_lies_and_autograd_is_told():
    w = torch.nn.Parameter(torch.tensor([[1.0, -2.0], [-3.0, 4.0]]))
    turned = torch.nn.Parameter(torch.tensor([[1.0, -2.0], [-3.0, 4.0]]).T)
    place, version = w.data_ptr(), w._version
    optimizer = torch.optim.SGD([w, turned], lr=0.1)
    constraints = mgt.constrain(optimizer, dict.fromkeys((w, turned), mg.sets.NonNegative()))
    assert w.data_ptr() == place and w._version > version
    version = w._version
    constraints.project()
    assert w._version == version  # nothing was moved
    assert not turned.is_contiguous() and torch.equal(turned, w.T)
    assert constraints.reports[w] == (0.0, 0.0, 0.0, None)
    with torch.no_grad():
        w.fill_(-1)
    y = w.square().sum()
    constraints.project()
    assert constraints.reports[w] == (0.0, 1.0, 2.0, None)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_the_gradient_mapping_vanishes_at_the_solution():
    target = torch.tensor([2.0, -1.0], dtype=torch.float64)
    w = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
    optimizer = torch.optim.SGD([w], lr=0.5)
    constraints = mgt.constrain(optimizer, {w: mg.sets.NonNegative()}, measured=True)
    assert constraints.reports[w].gradient_mapping is None
    found = []
    for _ in range(40):
        optimizer.zero_grad()
        (0.5 * (w - target).square().sum()).backward()
        optimizer.step()
        found.append(constraints.reports[w].gradient_mapping)
    assert found[0] == 2.0 and found[-1] < 1e-9
    torch.testing.assert_close(w.detach(), torch.tensor([2.0, 0.0], dtype=torch.float64))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_ten_thousand_steps_keep_the_memory():
    x = torch.rand(1, 2, 16, 16)
    w = torch.nn.Parameter(torch.rand(4, 2, 3, 3))
    optimizer = torch.optim.SGD([w], lr=0.01)
    mgt.constrain(optimizer, {w: mg.sets.L2Ball()})

    def steps(n):
        for _ in range(n):
            optimizer.zero_grad()
            mgt.dilation2d(x, w).sum().backward()
            optimizer.step()
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    before = steps(500)
    grown = steps(10_000) - before
    assert grown < 4 * 2**20, f"{grown / 2**20:.1f} MiB more after 10,000 steps"


def test_only_parameters_of_the_optimizer_are_constrained():
    model = network()
    optimizer = torch.optim.SGD(model[0].parameters(), lr=0.1)
    with pytest.raises(ValueError, match="expected parameters of the optimizer"):
        mgt.constrain(optimizer, {model[1].weight: mg.sets.NonPositive()})
    with pytest.raises(TypeError, match="expected a set, found 1"):
        mgt.constrain(optimizer, {model[0].weight: 1})
    with pytest.raises(ValueError):
        mgt.constrain(optimizer, {model[0].weight: mg.sets.Bounds([0.0], [1.0])})


@pytest.mark.parametrize("gradient", ["exact", "straight-through"])
def test_a_parametrization_projects_in_the_forward_pass(gradient):
    from torch.nn.utils import parametrize

    layer = torch.nn.Linear(3, 2).double()
    projected = mgt.Projected(mg.sets.L2Ball(0.5), axis=1, gradient=gradient)
    parametrize.register_parametrization(layer, "weight", projected)
    assert (layer.weight.norm(dim=1) <= 0.5 + 1e-9).all()
    free = layer.parametrizations.weight.original
    with torch.no_grad():
        free.mul_(3)
    layer(torch.ones(1, 3).double()).sum().backward()
    ones = torch.ones(2, 3).double()
    along = (free * ones).sum(1, keepdim=True) * free / free.norm(dim=1, keepdim=True) ** 2
    tangent = 0.5 / free.norm(dim=1, keepdim=True) * (ones - along)
    outside = free.norm(dim=1, keepdim=True) > 0.5
    expected = torch.where(outside, tangent, ones) if gradient == "exact" else ones
    torch.testing.assert_close(free.grad, expected.detach())
    with pytest.raises(ValueError, match="expected exact or straight-through"):
        mgt.Projected(mg.sets.L2Ball(), gradient="none")


def test_without_pytorch_the_error_says_so():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import morphograd\n"
        "try:\n    import morphograd.torch\n"
        "except ImportError as error:\n    print(error)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "expected PyTorch 2.4 or newer, found none" in found.stdout

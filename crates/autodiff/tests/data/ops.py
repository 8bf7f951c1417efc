"""Operations of arrays as JAX computes them in double precision: values and gradients.

Run by `python crates/testkit/data/golden/generate.py operations` from the root of the repository.

For a case `c` the file has `c.x0`, `c.x1`, ... the inputs, `c.y` the output, `c.g` the gradient of
the output, and `c.d0`, `c.d1`, ... those of the inputs. Inputs are random, so nothing is tied:
JAX splits the gradient of tied maxima.
"""

import jax
import jax.numpy as jnp
import numpy as np


def cases():
    jax.config.update("jax_enable_x64", True)
    random = np.random.default_rng(0)
    tensors = {}

    def case(name, f, *inputs):
        inputs = [np.asarray(x) for x in inputs]
        y, pull_back = jax.vjp(f, *inputs)
        g = random.standard_normal(y.shape)
        for k, (x, d) in enumerate(zip(inputs, pull_back(jnp.asarray(g)))):
            tensors[f"{name}.x{k}"] = x
            tensors[f"{name}.d{k}"] = np.asarray(d)
        tensors[f"{name}.y"] = np.asarray(y)
        tensors[f"{name}.g"] = g

    def normal(*shape):
        return random.standard_normal(shape)

    def positive(*shape):
        return random.uniform(0.5, 2.0, shape)

    for name, f in [
        ("add", jnp.add),
        ("sub", jnp.subtract),
        ("mul", jnp.multiply),
        ("maximum", jnp.maximum),
        ("minimum", jnp.minimum),
    ]:
        case(name, f, normal(2, 3), normal(2, 3))
        case(f"{name}_broadcast", f, normal(2, 1, 3), normal(4, 1))
    case("div", jnp.divide, normal(2, 3), positive(2, 3))
    case("div_broadcast", jnp.divide, normal(2, 1, 3), positive(4, 1))

    case("neg", jnp.negative, normal(5))
    case("exp", jnp.exp, normal(5))
    case("log", jnp.log, positive(5))
    case("sqrt", jnp.sqrt, positive(5))
    case("abs", jnp.abs, normal(5))
    case("square", jnp.square, normal(5))
    case("scale", lambda x: -2.5 * x, normal(5))
    case("pow_1.7", lambda x: x**1.7, positive(5))
    case("pow_3", lambda x: x**3, normal(5))
    case("pow_-2", lambda x: x**-2.0, normal(5))

    case("matmul", jnp.matmul, normal(2, 3), normal(3, 4))
    case("matmul_vectors", jnp.matmul, normal(3), normal(3))
    case("matmul_row", jnp.matmul, normal(3), normal(2, 3, 4))
    case("matmul_column", jnp.matmul, normal(2, 4, 3), normal(3))
    case("matmul_tall", jnp.matmul, normal(2, 5, 4, 3), normal(3, 2))
    case("matmul_batch", jnp.matmul, normal(5, 4, 3), normal(5, 3, 2))
    case("matmul_broadcast", jnp.matmul, normal(5, 1, 4, 3), normal(2, 3, 2))

    x = normal(2, 3, 4, 2)
    for name, f in [("sum", jnp.sum), ("mean", jnp.mean), ("max", jnp.max), ("min", jnp.min)]:
        case(name, f, x)
        case(f"{name}_1", lambda x: f(x, axis=1), x)
        case(f"{name}_02", lambda x: f(x, axis=(0, 2)), x)
        case(f"{name}_13_kept", lambda x: f(x, axis=(1, 3), keepdims=True), x)

    case("reshape", lambda x: x.reshape(6, 4), normal(2, 3, 4))
    case("transpose", lambda x: x.transpose(2, 0, 3, 1), normal(2, 3, 4, 2))
    inputs = [normal(2, n, 2) for n in (3, 1, 2)]
    case("concat", lambda *x: jnp.concatenate(x, 1), *inputs)
    case("stack", lambda *x: jnp.stack(x, 1), normal(2, 3), normal(2, 3), normal(2, 3))
    case("slice", lambda x: x[:, 1:3], normal(2, 4, 3))
    case("select", lambda x: x[:, 2], normal(2, 4, 3))

    mask = np.array([[1.0], [0.0]])
    case("where", lambda m, a, b: jnp.where(m, a, b), mask, normal(3), normal(2, 3))

    x = normal(2, 5, 3)
    case("softmax", lambda x: jax.nn.softmax(x, axis=2), x)
    case("softmax_1", lambda x: jax.nn.softmax(x, axis=1), x)
    case("log_softmax", lambda x: jax.nn.log_softmax(x, axis=2), x)
    case("log_softmax_1", lambda x: jax.nn.log_softmax(x, axis=1), x)

    return {"ops": dict(sorted(tensors.items()))}

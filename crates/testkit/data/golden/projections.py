"""Projections on sets, by Optax, JAXopt and SciPy in double precision, of small random arrays.

`x` [8, 9] are eight points, `m` [8, 9] a weight for each entry, `a` [9] a normal, `A` [3, 9] and
`b` [3] equations, `lower` and `upper` [9] bounds. Each other tensor of this shape holds the
projections of the eight points, by the library its name begins with:

- `optax_*`: the projections of optax.projections. Its sphere of l1 is left out: we have none.
- `jaxopt_*`: what Optax does not have: the capped simplex is a box section, the affine set by QR,
  isotonic regression.
- `scipy_isotonic` and `scipy_isotonic_weighted`: scipy.optimize.isotonic_regression, with the
  weights m.
- `slsqp_*`: scipy.optimize.minimize on the definition, for what no library has: projections in the
  metric m, and concave sequences. To 1e-6 or so.
- `kkt_affine`: in the metric m, by numpy.linalg.solve.

`matrices` [4, 5, 3] and `square` [4, 4, 4] are matrices; `svd_*`, `polar` and `eigh` are their
projections by SciPy's decompositions, singular values being projected by Optax.
"""

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp
import numpy as np
import optax
import scipy
from jaxopt.isotonic import isotonic_l2_pav
from jaxopt.projection import projection_affine_set, projection_box_section
from optax import projections
from scipy.optimize import minimize

N = 9


def slsqp(x, weights, constraints, start):
    """The point of the set nearest to x in the metric of the weights."""
    result = minimize(
        lambda v: np.sum(weights * (v - x) ** 2),
        start,
        jac=lambda v: 2 * weights * (v - x),
        constraints=constraints,
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert result.status in (0, 8), result  # 8: nothing better along the line, which is rounding
    return result.x


def kkt(x, weights, A, b):
    """The same for equations, by the linear system of its optimality conditions."""
    system = np.block([[np.diag(weights), A.T], [A, np.zeros((len(b), len(b)))]])
    return np.linalg.solve(system, np.concatenate([weights * x, b]))[: len(x)]


def cases():
    rng = np.random.default_rng(20240229)
    x = rng.normal(0, 1.5, (8, N))
    x[0] *= 0.05  # inside many sets
    m = rng.uniform(0.2, 4, (8, N))
    a, A, b = rng.normal(0, 1, N), rng.normal(0, 1, (3, N)), rng.normal(0, 1, 3)
    lower = -rng.uniform(0, 1, N)
    upper = rng.uniform(0, 1, N)
    ones = np.ones(N)
    second = np.diff(np.eye(N), 2, axis=0)

    out = {"x": x, "m": m, "a": a, "A": A, "b": b, "lower": lower, "upper": upper}
    maps = {
        "optax_non_negative": projections.projection_non_negative,
        "optax_box": lambda v: projections.projection_box(v, lower, upper),
        "optax_hypercube": lambda v: projections.projection_hypercube(v, 0.5),
        "optax_simplex": lambda v: projections.projection_simplex(v, 2.0),
        "optax_l1_ball": lambda v: projections.projection_l1_ball(v, 2.0),
        "optax_l2_ball": lambda v: projections.projection_l2_ball(v, 1.5),
        "optax_linf_ball": lambda v: projections.projection_linf_ball(v, 0.75),
        "optax_l2_sphere": lambda v: projections.projection_l2_sphere(v, 1.5),
        "optax_hyperplane": lambda v: projections.projection_hyperplane(v, a, 0.5),
        "optax_halfspace": lambda v: projections.projection_halfspace(v, a, -0.5),
        "jaxopt_capped_simplex": lambda v: projection_box_section(v, (0.0, 0.5, ones, 2.0)),
        "jaxopt_affine": lambda v: projection_affine_set(v, (A, b)),
        "jaxopt_isotonic_decreasing": lambda v: isotonic_l2_pav(v, increasing=False),
    }
    for name, function in maps.items():
        out[name] = np.stack([np.asarray(function(jnp.asarray(row))) for row in x])
    out["scipy_isotonic"] = np.stack([scipy.optimize.isotonic_regression(row).x for row in x])
    out["scipy_isotonic_weighted"] = np.stack(
        [scipy.optimize.isotonic_regression(row, weights=w).x for row, w in zip(x, m)]
    )

    simplex = [
        {"type": "eq", "fun": lambda v: v.sum() - 2, "jac": lambda v: ones},
        {"type": "ineq", "fun": lambda v: v, "jac": lambda v: np.eye(N)},
    ]
    ball = [{"type": "ineq", "fun": lambda v: 1.5**2 - v @ v, "jac": lambda v: -2 * v}]
    concave = [{"type": "ineq", "fun": lambda v: -second @ v, "jac": lambda v: -second}]
    rows = list(zip(x, m))
    out["slsqp_simplex"] = np.stack([slsqp(row, w, simplex, np.full(N, 2 / N)) for row, w in rows])
    out["slsqp_l2_ball"] = np.stack([slsqp(row, w, ball, np.full(N, 0.1)) for row, w in rows])
    out["kkt_affine"] = np.stack([kkt(row, w, A, b) for row, w in rows])
    out["slsqp_concave"] = np.stack([slsqp(row, ones, concave, np.zeros(N)) for row in x])
    weighted = [slsqp(row, w, concave, np.zeros(N)) for row, w in rows]
    out["slsqp_concave_weighted"] = np.stack(weighted)

    matrices = rng.normal(0, 1, (4, 5, 3))
    square = rng.normal(0, 1, (4, 4, 4))
    out |= {"matrices": matrices, "square": square}

    def singular(change):
        result = []
        for matrix in matrices:
            u, s, vt = scipy.linalg.svd(matrix, full_matrices=False)
            result.append(u @ np.diag(np.asarray(change(s))) @ vt)
        return np.stack(result)

    out["svd_rank"] = singular(lambda s: np.where(np.arange(3) < 2, s, 0))
    out["svd_spectral"] = singular(lambda s: np.minimum(s, 1.2))
    out["svd_nuclear"] = singular(lambda s: projections.projection_l1_ball(jnp.asarray(s), 2.5))
    out["polar"] = np.stack([scipy.linalg.polar(matrix)[0] for matrix in matrices])
    definite = []
    for matrix in square:
        values, vectors = scipy.linalg.eigh((matrix + matrix.T) / 2)
        definite.append(vectors @ np.diag(np.maximum(values, 0)) @ vectors.T)
    out["eigh"] = np.stack(definite)

    for name, value in out.items():
        assert value.dtype == np.float64 and not np.isnan(value).any(), name
    return {"projections": out}

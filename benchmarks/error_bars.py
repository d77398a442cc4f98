"""Do the estimates of log Z keep what they say? 200 random small models of all families, against exact sums.

python benchmarks/error_bars.py
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

import energydsl as ed
from energydsl.inference.ais import ladder
from energydsl.inference.raised import check_raises, raised
from energydsl.inference.sides import from_sides
from energydsl.inference.tempered import tempered
from energydsl.options import Estimator
from energydsl.program.exact_samples import exact_samples

Array = NDArray[Any]
Arrays = dict[str, Array]
BETAS, CHAINS, SEEDS = 300, 50, 20
# Rows of the model itself from which RAISE anneals back, and chains of each.
ROWS, ROW_CHAINS = 50, 10
METHODS: tuple[Estimator, ...] = ("ais", "reverse-ais", "bar", "auto", "tempering")
MODELS = {
    "RBM": "visible v[{n}] : binary\nhidden h[5] : binary\nparam W[{n}, 5] = normal(sd = 1), b[{n}] = normal(sd = 1)\nenergy = - b @ v - v @ W @ h",
    "spins": "visible s[{n}] : spin\nparam J[{n}, {n}] : symmetric, zero_diagonal = normal(sd = 0.6), b[{n}] = normal(sd = 0.5)\nenergy = - 0.5 * s @ J @ s - b @ s",
    "Potts": "visible x[4] : categorical[3]\nparam J[4, 4, 3, 3] = normal(sd = 1), g[4, 3] = normal(sd = 1)\nenergy = - sum[i < j, a, b] J[i, j, a, b]*x[i, a]*x[j, b] - sum[i, a] g[i, a]*x[i, a]",
    "Gaussian RBM": "visible v[{n}] : real\nhidden h[5] : binary\nparam W[{n}, 5] = normal(sd = 0.7), b[{n}] = normal(sd = 1)\nenergy = 0.5 * sum((v - b)^2) - v @ W @ h",
    "integers": "visible v[4] : integer[0, 3]\nhidden h[4] : spin\nparam W[4, 4] = normal(sd = 0.5), a[4] : positive = 0.3\nenergy = - v @ W @ h + sum[i] a[i]*v[i]^2",
    "deep": "visible v[{n}] : binary\nhidden h[4] : binary\nhidden g[3] : binary\nparam W[{n}, 4] = normal(sd = 1), U[4, 3] = normal(sd = 1), b[{n}] = normal(sd = 1)\nenergy = - b @ v - v @ W @ h - h @ U @ g",
    "semi-restricted": "visible v[{n}] : binary\nhidden h[4] : binary\nparam W[{n}, 4] = normal(sd = 1), L[{n}, {n}] : symmetric, zero_diagonal = normal(sd = 1)\nenergy = - v @ W @ h - 0.5 * v @ L @ v",
    "experts": "visible v[{n}] : binary\nparam W[{n}, 4] = normal(sd = 1), c[4] = normal(sd = 1)\nenergy = - sum(softplus(c + v @ W))",
    "third order": "visible s[{n}] : spin\nparam K[{n}, {n}, {n}] = normal(sd = 0.3), b[{n}] = normal(sd = 0.5)\nenergy = - sum[i < j < k] K[i, j, k]*s[i]*s[j]*s[k] - b @ s",
    "lattice": "visible s[3, 4] : spin\nparam K = normal(sd = 0.5), b[3, 4] = normal(sd = 0.3)\nenergy = - K*sum[i, j] s[i, j]*s[(i + 1) % 3, j] - K*sum[i, j] s[i, j]*s[i, (j + 1) % 4] - sum[i, j] b[i, j]*s[i, j]",
}


def raised_gap(program: ed.Program, params: Arrays, seed: int, log_z: float) -> Array | None:
    """log p of rows of the model itself by RAISE, less the exact one, (ROWS,); None where it does not fit."""
    engine = program.engine.core
    try:
        check_raises(engine)
        steps = ladder(engine, params, {}, BETAS, ROW_CHAINS, seed, {})
        steps.path.check_reversible("RAISE")
    except ed.NotApplicable:
        return None
    state = exact_samples(engine, steps.path.params, engine.settings(), {}, ROWS, ed.Rng(seed))
    rows = {n: state[n] for n in engine.model.by_role("visible")}
    return raised(steps, rows, ROW_CHAINS, ed.Rng(seed)).values + log_z


def main() -> None:
    held: dict[str, list[bool]] = defaultdict(list)
    gaps: dict[str, list[float]] = defaultdict(list)
    for text in MODELS.values():
        for seed in range(SEEDS):
            program = ed.loads(text.format(n=5 + seed % 3)).compile("numpy", "float64")
            params = program.init(seed)
            exact = float(np.asarray(program.log_partition(params)).item())
            for method in METHODS:
                steps = ladder(program.engine.core, params, {}, BETAS, CHAINS, seed, {})
                try:
                    if method == "tempering":
                        [found] = tempered(steps.path, CHAINS, ed.Rng(seed)).sides
                    else:
                        [found] = from_sides(steps, method, CHAINS, {}, seed).sides
                except ed.NotApplicable:  # Bennett's ratio, where sweeps cannot run backwards
                    continue
                gaps[method].append(found.best.log_z - exact)
                held[method].append(abs(gaps[method][-1]) <= 3.0 * found.best.log_z_std)
            gap = raised_gap(program, params, seed, exact)
            if gap is not None:
                held["raise, within two bars"].append(gap.mean() <= 2.0 * gap.std(ddof=1) / np.sqrt(ROWS))
                gaps["raise, within two bars"].append(gap.mean())
            assert found.below is not None
            assert found.above is not None
            held["below, within two bars"].append(found.below.log_z - 2.0 * found.below.log_z_std <= exact)
            held["above, within two bars"].append(found.above.log_z + 2.0 * found.above.log_z_std >= exact)
    print(f"{len(MODELS)} families, {SEEDS} models each, {BETAS} temperatures, {CHAINS} chains")
    for name, found_ in held.items():
        error = f", root mean square error {np.sqrt(np.mean(np.square(gaps[name]))):.3f} nats" if name in gaps else ""
        print(f"{name:<24} holds in {100 * np.mean(found_):5.1f} % of {len(found_)}{error}")


if __name__ == "__main__":
    main()

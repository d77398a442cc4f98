"""Every backend gives what the NumPy backend gives, on the same stream, for every domain and zoo model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.domains import DOMAINS
from energydsl.inference.ais import ais
from energydsl.program.initialise import base_rate, constrained
from energydsl.program.states import check_params
from tests.conftest import THOROUGH, zoo

# What float32 sums in another order may differ by, and how many draws may fall on the other side of a comparison.
CLOSE = {"float32": {"rtol": 2e-4, "atol": 2e-4}, "float64": {"rtol": 1e-10, "atol": 1e-10}}
FLIPS = {"float32": 2e-4, "float64": 0.0}
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
Arrays = dict[str, Any]


def pair(model: ed.Model, dtype: str, fast: str) -> tuple[ed.Program, ed.Program]:
    return model.compile("numpy", dtype), model.compile(fast, dtype)


def on_host(program: ed.Program, arrays: Arrays) -> Arrays:
    return {n: np.array(program.engine.host(a)) for n, a in arrays.items()}


def start(program: ed.Program, batch: int) -> tuple[Arrays, Arrays]:
    """Random parameters and states, on the host."""
    rng = np.random.default_rng(3)
    params = {
        n: constrained(program.model.params[n], rng.normal(0, 0.3, p.shape) + p).astype(program.dtype)
        for n, p in on_host(program, program.init(1)).items()
    }
    layers = program.model.layers
    given = {n: rng.random((batch, *layers[n].energy_shape)) for n in program.model.by_role("input")}
    return params, on_host(program, program.init_state(params, batch, 0, given))


def same_state(found: Arrays, wanted: Arrays, model: ed.Model, dtype: str) -> None:
    for name, array in wanted.items():
        if DOMAINS[model.layers[name].domain.name].finite:
            assert np.mean(found[name] != array) <= FLIPS[dtype], name
        else:
            np.testing.assert_allclose(found[name], array, **CLOSE[dtype], err_msg=name)


def test_scores(zoo_path: Path, fast: str) -> None:
    model = zoo(zoo_path)
    if model.compiled.factorisation:
        pytest.skip("scores are of undirected models")
    programs = pair(model, "float64", fast)
    params, state = start(programs[0], 20)
    plain, other = (on_host(program, program.score(params, state, beta=0.7)) for program in programs)
    for name, wanted in plain.items():
        np.testing.assert_allclose(other[name], wanted, **CLOSE["float64"], err_msg=name)


@DTYPES
def test_sweeps_energies_and_gradients(zoo_path: Path, dtype: str, fast: str) -> None:
    if dtype == "float64" and zoo_path.stem not in THOROUGH:
        pytest.skip("float32 alone, which rounds more")
    model = zoo(zoo_path)
    results = []
    for program in pair(model, dtype, fast):
        params, state = start(program, 20)
        after = on_host(program, program.gibbs(params, state, 1, rng=ed.Rng(5), beta=0.7))
        energy = program.engine.host(program.energy(params, state))
        results.append((after, energy, on_host(program, program.energy_gradient(params, state))))
    plain, other = results
    same_state(other[0], plain[0], model, dtype)
    np.testing.assert_allclose(other[1], plain[1], **CLOSE[dtype])
    for name, wanted in plain[2].items():
        np.testing.assert_allclose(other[2][name], wanted, **CLOSE[dtype], err_msg=name)


BOUNDED = {
    "truncated exponential": "visible v[7] : interval[-1, 2]\nhidden h[5] : binary\nlayers v -- h",
    "truncated normal": "visible v[7] : interval[0, 1]\nhidden z[5] : positive\nparam W[7, 5] = normal(sd = 0.3)\nenergy = sum(v^2) + sum(z^2) - v @ W @ z",
    "waiting times": "visible t[7] : positive\nhidden h[5] : binary\nparam W[7, 5] : nonnegative = 0.4, a[7] : positive = 1\nenergy = a @ t + t @ W @ h",
    "geometric": "visible n[7] : count\nhidden h[5] : binary\nparam W[7, 5] : nonnegative = 0.4, a[7] : positive = 1\nenergy = a @ n + n @ W @ h",
    "latent tables": "visible v[7] : spin\nhidden z[5] : integer[0, 3]\nparam W[7, 5] = normal(sd = 0.3)\nenergy = sum(lgamma(z + 1)) - v @ W @ z",
    "scanned tables": "visible x[6] : integer[-1, 2]\nparam J[6, 6] : symmetric & zero_diagonal = normal(sd = 0.2), d[6]\nenergy = sum(d * x^2) - 0.5 * x @ J @ x",
}


@DTYPES
@pytest.mark.parametrize("name", BOUNDED)
def test_families_of_the_other_domains(name: str, dtype: str, fast: str) -> None:
    """Draws, and what annealing asks of a layer."""
    model = ed.loads(BOUNDED[name])
    found = []
    for program in pair(model, dtype, fast):
        params, state = start(program, 30)
        after = on_host(program, program.gibbs(params, state, 1, rng=ed.Rng(5), beta=0.7))
        found.append((after, ais(program.engine, params, {}, betas=20, chains=10).log_z))
    same_state(found[1][0], found[0][0], model, dtype)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-9 if dtype == "float64" else 2e-2)


@DTYPES
@pytest.mark.parametrize("method", [ed.CD(k=1), ed.PCD(k=2, chains=30)], ids=lambda m: m.name)
def test_both_phases(zoo_path: Path, method: Any, dtype: str, fast: str) -> None:
    tried = [("float64", "cd"), ("float32", "pcd")] if zoo_path.stem in THOROUGH else [("float64", "cd")]
    if (dtype, method.name) not in tried:
        pytest.skip("each precision and each method once")
    model = zoo(zoo_path)
    if not next(v for v in model.applicability() if v.name == method.name).ok:
        pytest.skip("the method does not fit this model")
    found = []
    for program in pair(model, dtype, fast):
        params, state = start(program, 40)
        [objective] = method.objectives()
        phases = objective.init(program.engine, 40, ed.Rng(7))
        objective.load(
            phases, {n: state[n] for n in (*model.resolved.by_role("visible"), *model.resolved.by_role("input"))}
        )
        objective.step(phases, check_params(program.engine, params))
        found.append(on_host(program, phases.both))
    for name, array in found[0].items():
        differ = np.abs(found[1][name] - array) > 1e-3 + 1e-5 * np.abs(array)  # squares of latents are up to 2000
        assert differ.mean() <= 2e-3 if dtype == "float32" else not differ.any(), name


ODD = {
    "fixed units": "visible v[6] : binary\nparam k, b[6]\nenergy = - k*v[0]*v[1] - b @ v - 0.3*v[2]",
    "a const": "const T : positive = 2.0\nvisible s[4] : spin\nhidden h[3] : real\nparam W[4, 3], c[3]\nenergy = (0.5*sum(h^2) - s @ W @ h - c @ h) / T",
    "many couplings": "visible s[5, 7] : spin\nparam "
    + ", ".join(f"K{n}" for n in range(10))
    + "\nenergy = "
    + " ".join(f"- K{n}*sum[i, j] s[i, j]*s[(i + {n % 4 + 1}) % 5, (j + {n // 4 + 1}) % 7]" for n in range(10)),
    "a single unit": "visible v[3] : binary\nvisible y : spin\nhidden z : real\nparam W[3], U[3], b, c\nenergy = - sum[i] v[i]*W[i]*y - b*y + 0.5*z^2 - sum[i] v[i]*U[i]*z - c*z",
    "lgamma of a parameter": "visible v[3] : binary\nparam a[3] : positive = 1.5\nenergy = - sum(lgamma(a) * v)",
    "third order": "visible a[3] : binary\nvisible b[2] : spin\nhidden h[2] : categorical[3]\nparam W[3, 2, 2, 3]\nenergy = - sum[i, j, k, s] a[i]*b[j]*h[k, s]*W[i, j, k, s]",
}


@pytest.mark.parametrize("name", ODD)
def test_unusual_models(name: str, fast: str) -> None:
    model = ed.loads(ODD[name])
    certificate = model.verify(backend=fast)
    assert certificate.ok, str(certificate)
    weights = {label: np.float64(0.5) for label in model.resolved.labels}
    found = []
    for program in pair(model, "float32", fast):
        params, state = start(program, 10)
        found.append(on_host(program, program.energy_gradient(params, state, weights=weights)))
    for key, wanted in found[0].items():
        np.testing.assert_allclose(found[1][key], wanted, **CLOSE["float32"], err_msg=key)


def test_the_certificate_holds_for_its_kernels(zoo_path: Path, fast: str) -> None:
    certificate = zoo(zoo_path).verify(backend=fast)
    assert certificate.ok, str(certificate)
    assert any(f"sweeps on {fast}" in c.name for c in certificate.checks)


def test_explicit_uniform_numbers(fast: str) -> None:
    program = ed.loads("visible v[3] : binary\nhidden h[2] : binary\nlayers v -- h").compile(fast, "float64")
    params = program.init(1)
    state = program.init_state(params, 4)
    u = np.random.default_rng(0).random((4, 2))
    mean = program.engine.host(program.mean(params, state, "h"))
    found = program.engine.host(program.sample(params, state, "h", ed.Uniforms([u])))
    np.testing.assert_array_equal(found, (u < mean).astype(float))


@DTYPES
@pytest.mark.parametrize("kind", ["binary", "spin", "categorical[3]", "real"])
def test_gain_along_a_path(kind: str, dtype: str, fast: str) -> None:
    power = " + sum(h^2)" if kind == "real" else ""
    shape, k = ("2, 3", ", k") if "[" in kind else ("2", "")
    text = f"visible v[5] : binary\nhidden h[2] : {kind}\n"
    text += f"param W[5, {shape}] = normal(sd = 1), c[{shape}] = normal(sd = 1)\n"
    text += f"energy = - sum[i, j{k}] v[i]*W[i, j{k}]*h[j{k}] - sum(c * h){power}"
    gains = []
    for program in pair(ed.loads(text), dtype, fast):
        params = program.init(0)
        x = program.init_state(params, 7)
        kernels, s = program.engine.kernels, program.engine.settings()
        etas, same = kernels.layers["h"].tempered.split_fields(params, x, s, program.engine.workspace)
        base = [program.engine.device(b) for b in base_rate(program.engine, "h", None)]
        ends = [(t, [t * e + (1 - t) * b for e, b in zip(same, base, strict=True)]) for t in (0.3, 0.4)]
        gains.append(program.engine.host(kernels.layers["h"].tempered.log_partition_difference(etas, *ends)))
    np.testing.assert_allclose(gains[1], gains[0], rtol=1e-3 if dtype == "float32" else 1e-10, atol=1e-5)


def test_chains_do_not_depend_on_the_batch(fast: str) -> None:
    program = ed.loads("visible v[60] : binary\nhidden h[40] : binary\nlayers v -- h").compile(fast)
    params = program.init(0)
    state = program.init_state(params, 50)
    whole = on_host(program, program.gibbs(params, state, 2, rng=ed.Rng(2)))
    rest = {n: a[30:] for n, a in state.items()}
    part = on_host(program, program.gibbs(params, rest, 2, rng=ed.Rng(2, chain=30)))
    for name in whole:
        assert np.mean(whole[name][30:] != part[name]) < 1e-3

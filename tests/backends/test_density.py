"""Densities without a closed form, on every backend, against integrals that share no code with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import integrate, optimize

import energydsl as ed
from energydsl.domains.density import OutOfReach, integrable
from energydsl.program import Program
from energydsl.program.marginals import statistics
from energydsl.program.undirected import Undirected

QUARTIC = "x : real\nparam b\nconst g : positive = 1, m = -1\nenergy = g * x^4 + m * x^2 - b * x"
SHARP = "x : real\nparam b\nconst g : positive = 1\nenergy = g * x^2 - b * abs(2 * x - 1)"
WAVES = "x : real\nparam b, c\nconst g : positive = 1\nenergy = g * x^2 - b * cos(9 * x) - c * x * sin(x)"
ROTOR = "x : interval[-3.141592653589793, 3.141592653589793]\nparam b, c\nenergy = - b * cos(x) - c * sin(x)"
SOFT = "x : positive\nparam b, c\nconst g : positive = 1\nenergy = g * x^3 - b * tanh(2 * x - 1) - c * softplus(x)"
OPEN = "x : interval[-1, 2]\nparam b, c\nenergy = - b * x - c * x^2"
WALLS = "x : real\nparam b, f : nonnegative\nconst g : positive = 1\nenergy = g * x^2 - b * x + f * exp(x) + f * exp(-2 * x)"
BUMPS = "x : real\nparam b, c\nconst g : positive = 1\nenergy = g * x^2 - b * exp(-(3 * x - 9)^2) - c * exp(-x^2)"
DECAY = "x : positive\nparam b, f : nonnegative\nconst g : positive = 1\nenergy = g * x - b * exp(-2 * x) + f * exp(x / 2)^2"
STEEP = "x : interval[0, 3]\nparam b, c\nenergy = - b * exp(x) - c * sigmoid(4 * x) ^ 2"
LARGE = [-40.0, -3.0, 0.5, 40.0]
HOLDING = [-2.0, -0.3, -1.0, -0.05]

# name: the layer, natural parameters by statistic, the statistics, bounds (where nothing is left, if infinite), kinks
CASES: dict[str, tuple[str, list[list[float]], list[Any], tuple[float, float], list[float]]] = {
    "quartic": (QUARTIC, [LARGE, LARGE[::-1], HOLDING], [lambda x: x, np.square, lambda x: x**4], (-30, 30), []),
    "kink": (SHARP, [HOLDING, LARGE], [np.square, lambda x: np.abs(2 * x - 1)], (-900, 900), [0.5]),
    "waves": (
        WAVES,
        [HOLDING, LARGE, LARGE[::-1]],
        [np.square, lambda x: np.cos(9 * x), lambda x: x * np.sin(x)],
        (-500, 500),
        [],
    ),
    "rotor": (ROTOR, [LARGE, LARGE[::-1]], [np.cos, np.sin], (-np.pi, np.pi), []),
    "half-line": (
        SOFT,
        [HOLDING, LARGE[::-1], LARGE],
        [lambda x: x**3, lambda x: np.tanh(2 * x - 1), lambda x: np.logaddexp(0, x)],
        (0, 40),
        [],
    ),
    "upside down": (OPEN, [LARGE, LARGE[::-1]], [lambda x: x, np.square], (-1, 2), []),
    "walls": (
        WALLS,
        [LARGE, HOLDING, [-40.0, -1.0, -1e-3, -1e-9], [-1e-6, -40.0, 0.0, -3.0]],
        [lambda x: x, np.square, np.exp, lambda x: np.exp(-2 * x)],
        (-60, 60),
        [],
    ),
    "bumps": (
        BUMPS,
        [HOLDING, LARGE, LARGE[::-1]],
        [np.square, lambda x: np.exp(-((3 * x - 9) ** 2)), lambda x: np.exp(-x * x)],
        (-40, 40),
        [],
    ),
    "decay": (
        DECAY,
        [HOLDING, LARGE, [-2.0, 0.0, -1e-9, -40.0]],
        [lambda x: x, lambda x: np.exp(-2 * x), np.exp],
        (0, 150),
        [],
    ),
    "steep": (
        STEEP,
        [LARGE, LARGE[::-1]],
        [np.exp, lambda x: (1 / (1 + np.exp(-4 * x))) ** 2],
        (0, 3),
        [],
    ),
}
NAMES = pytest.mark.parametrize("name", CASES)
WHAT = ("log_partition", "mean", "variance", "entropy", "mode")


def program_of(name: str, backend: str = "numpy") -> Program:
    return Program(Undirected(ed.loads("visible " + CASES[name][0]).derived, backend, "float64"))


def etas_of(name: str, program: Program) -> list[np.ndarray]:
    """The natural parameters in the order of the program's statistics."""
    _, etas, functions, (low, high), _ = CASES[name]
    x = np.linspace(max(low, -1.3), min(high, 1.9), 7)
    found = []
    for values in statistics(program.engine, "x", program.engine.device(x)):
        place = next(k for k, t in enumerate(functions) if np.allclose(t(x), program.engine.host(values)))
        found.append(np.array(etas[place]))
    return found


def exact(name: str, row: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Places, what share of the mass each weighs, and log of the integral: Gauss and Kronrod around every local maximum."""
    _, etas, statistics, (low, high), kinks = CASES[name]

    def f(x: np.ndarray) -> np.ndarray:
        return np.asarray(sum(e[row] * t(x) for e, t in zip(etas, statistics, strict=True)))

    grid = np.unique(
        np.concatenate([np.linspace(low, high, 200_001), np.linspace(max(low, -40), min(high, 40), 200_001)])
    )
    top = f(grid).max()
    alive = np.flatnonzero(f(grid) > top - 45)
    ends = np.unique(
        np.concatenate([grid[np.maximum(alive - 1, 0)], grid[alive], kinks, [grid[min(alive[-1] + 1, len(grid) - 1)]]])
    )
    ends = ends[(ends >= low) & (ends <= high)]
    nodes, weights = np.polynomial.legendre.leggauss(5)
    half = np.diff(ends)[:, None] / 2
    x, w = (ends[:-1, None] + half * (nodes + 1)).ravel(), (half * weights).ravel()
    p = w * np.exp(f(x) - top)
    return x, p / p.sum(), float(np.log(p.sum()) + top)


@NAMES
def test_moments_against_integrals(name: str, backend: str) -> None:
    program = program_of(name, backend)
    assert program.derived.conditionals["x"].family == "density"
    etas = [program.engine.device(e) for e in etas_of(name, program)]
    log, mean, variance, entropy, mode = (
        program.engine.host(getattr(program.engine.kernels.layers["x"], what)(*etas)) for what in WHAT
    )
    _, given, statistics, _, _ = CASES[name]
    for row in range(len(LARGE)):
        x, p, log_z = exact(name, row)
        centre = p @ x
        np.testing.assert_allclose(log[row], log_z, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(mean[row], centre, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(variance[row], p @ (x - centre) ** 2, rtol=1e-6, atol=1e-12)
        f = sum(e[row] * t(x) for e, t in zip(given, statistics, strict=True))
        np.testing.assert_allclose(entropy[row], log_z - p @ f, rtol=1e-7, atol=1e-8)
        height = sum(e[row] * t(mode[row]) for e, t in zip(given, statistics, strict=True))
        assert height >= f.max() - 1e-6


@NAMES
def test_draws_invert_the_distribution_function(name: str, backend: str) -> None:
    program = program_of(name, backend)
    etas = etas_of(name, program)
    u = np.concatenate([[1e-9, 1e-4], np.linspace(0.01, 0.99, 23), [1 - 1e-4, 1 - 1e-9]])
    for row in range(len(LARGE)):
        given = [program.engine.device(np.repeat(e[row], len(u))) for e in etas]
        drawn = program.engine.host(
            program.engine.kernels.density_draw(
                program.engine.kernels.layers["x"].density, *given, program.engine.device(u)
            )
        )
        assert (np.diff(drawn) >= 0).all()
        x, p, _ = exact(name, row)
        below = np.concatenate([[0.0], np.cumsum(p)])[np.searchsorted(x, drawn)]
        np.testing.assert_allclose(below, u, atol=2 * p.max() + 1e-12)


@NAMES
def test_backends_agree_to_rounding(name: str, backend: str) -> None:
    plain, program = program_of(name), program_of(name, backend)
    rng = np.random.default_rng(0)
    etas = [np.concatenate([e, e * rng.uniform(0.5, 2.0, len(e))]) for e in etas_of(name, plain)]
    u = rng.random(len(etas[0]))
    for what in ("log", "mean", "variance", "entropy", "draw"):
        given = [*etas, u] if what == "draw" else etas
        wanted = getattr(plain.engine.kernels, f"density_{what}")(plain.engine.kernels.layers["x"].density, *given)
        found = getattr(program.engine.kernels, f"density_{what}")(
            program.engine.kernels.layers["x"].density, *map(program.engine.device, given)
        )
        np.testing.assert_allclose(program.engine.host(found), wanted, rtol=1e-9, atol=1e-10)


def test_what_is_no_density_is_not_a_number(backend: str) -> None:
    program = program_of("quartic", backend)
    etas = [np.array([0.0, np.nan, 0.0, np.inf])] * 2 + [np.array([0.0, -1.0, 1.0, -1.0])]
    for what in ("log", "mean", "variance", "draw"):
        given = [*etas, np.full(4, 0.5)] if what == "draw" else etas
        found = getattr(program.engine.kernels, f"density_{what}")(
            program.engine.kernels.layers["x"].density, *map(program.engine.device, given)
        )
        assert np.isnan(program.engine.host(found)).all()


def test_a_wall_that_gives_way_leaves_what_was_before_it(backend: str) -> None:
    """Without its factor an exp is not there, however far units reach; with one of the wrong sign there is no density."""
    program = program_of("walls", backend)
    etas = [program.engine.device(np.array(e)) for e in ([0.2, 0.2], [-1e-6, -1e-6], [0.0, 1e-9], [0.0, 0.0])]
    mean, variance = (
        program.engine.host(getattr(program.engine.kernels.layers["x"], what)(*etas)) for what in ("mean", "variance")
    )
    np.testing.assert_allclose([mean[0], variance[0]], [1e5, 5e5], rtol=1e-9)
    assert np.isnan([mean[1], variance[1]]).all()


@pytest.mark.parametrize(
    ("text", "etas"),
    [
        ("x : positive\nenergy = 0.01 * x + 100 * exp(-x)", (-0.01, -100.0)),
        ("x : positive\nenergy = 1e-6 * x + 1e4 * exp(-x)", (-1e-6, -1e4)),
        ("x : real\nenergy = 0.5 * (x / 100)^2 + 300 * exp(-x^2)", (-0.5e-4, -300.0)),
        ("x : real\nenergy = 0.01 * x^2 + 800 * exp(-(3 * x - 1)^4)", (-0.01, -800.0)),
        ("x : real\nenergy = 0.1 * x^2 + 2 * exp(-50 * (x - 30)^2)", (-0.1, -2.0)),
    ],
)
def test_a_narrow_exp_in_a_wide_density(text: str, etas: tuple[float, float], backend: str) -> None:
    """An exp costs panels only where it is something: neither NaN nor a draw from nowhere."""
    program = Program(Undirected(ed.loads("visible " + text).derived, backend, "float64"))
    given = [program.engine.device(np.full(2000, e)) for e in etas]
    log, mean, variance = (
        program.engine.host(getattr(program.engine.kernels.layers["x"], w)(*given))[0] for w in WHAT[:3]
    )
    low = 0.0 if "positive" in text else -60.0 / np.sqrt(-etas[0])
    x = np.linspace(low, -60.0 / etas[0] if low == 0.0 else -low, 4_000_001)
    values = statistics(program.engine, "x", program.engine.device(x))
    f = sum(e * program.engine.host(t) for e, t in zip(etas, values, strict=True))
    p = np.exp(f - f.max())
    step = x[1] - x[0]
    assert log == pytest.approx(np.log(p.sum() * step) + f.max(), abs=1e-4)
    p /= p.sum()
    assert mean == pytest.approx(p @ x, rel=1e-4, abs=1e-6)
    assert variance == pytest.approx(p @ (x - p @ x) ** 2, rel=1e-4)
    u = (np.arange(2000) + 0.5) / 2000
    drawn = program.engine.host(
        program.engine.kernels.density_draw(
            program.engine.kernels.layers["x"].density, *given, program.engine.device(u)
        )
    )
    assert drawn.mean() == pytest.approx(mean, abs=0.01 * np.sqrt(variance))
    assert drawn.var() == pytest.approx(variance, rel=0.05)


def test_no_mass_is_ever_missed() -> None:
    """Two peaks, ten thousand times narrower than they are apart, weigh what the Laplace approximation says."""
    program = program_of("quartic")
    scale = 1e8
    linear, square, fourth = (np.array([v]) for v in (0.3, 2 * scale, -scale))
    log = program.engine.kernels.layers["x"].log_partition(linear, square, fourth)[0]
    variance = program.engine.kernels.layers["x"].variance(linear, square, fourth)[0]
    peaks = [float(optimize.newton(lambda x: 0.3 + 4 * scale * (x - x**3), s)) for s in (-1.0, 1.0)]
    width = 0.5 * np.log(2 * np.pi / (8 * scale))
    assert log == pytest.approx(scale + np.logaddexp(-0.3, 0.3) + width, rel=1e-12)
    share = 1 / (1 + np.exp(-0.6))
    assert peaks == pytest.approx([-1.0, 1.0])
    assert variance == pytest.approx(4 * share * (1 - share), rel=1e-6)


def test_the_rotor_is_von_mises() -> None:
    from scipy import special

    program = program_of("rotor")
    sizes = np.array([0.1, 1.0, 8.0, 40.0])
    found = program.engine.kernels.layers["x"].log_partition(*(sizes * s for s in (np.cos(0.7), np.sin(0.7))))
    np.testing.assert_allclose(found, np.log(2 * np.pi * special.ive(0, sizes)) + sizes, rtol=1e-11)


def test_chains_of_a_quartic_field_follow_it() -> None:
    """Two coupled units in double wells: moments of 10,000 chains against a double integral."""
    text = "visible x[2] : real\nenergy = sum(0.5 * x^4 - x^2) - 0.8 * x[0] * x[1]"
    model = ed.loads(text)
    x = program_chains(model, 10_000)

    def weight(a: float, b: float) -> float:
        return float(np.exp(-0.5 * (a**4 + b**4) + a * a + b * b + 0.8 * a * b))

    total, square, cross = (
        integrate.dblquad(lambda a, b, g=g: weight(a, b) * g(a, b), -4, 4, -4, 4)[0]
        for g in (lambda a, b: 1.0, lambda a, b: a * a, lambda a, b: a * b)
    )
    assert (x[:, 0] ** 2).mean() == pytest.approx(square / total, abs=0.02)
    assert (x[:, 0] * x[:, 1]).mean() == pytest.approx(cross / total, abs=0.02)


def program_chains(model: ed.Model, chains: int) -> np.ndarray:
    program = model.compile("numpy", dtype="float64")
    state = program.init_state({}, chains, 0)
    program.engine.sweep({}, state, program.engine.settings(), ed.Rng(3), program.engine.parts(), 12)
    return np.asarray(state["x"])


ACCEPTED = [
    "x[3] : interval[-1, 1]\nenergy = sum(abs(x))",
    "x[3] : real\nenergy = sum(abs(x))",
    "x[2] : interval[-10, 0]\nparam b[2]\nenergy = sum(exp(2 * x)) - b @ x",
    "x[3] : interval[-1, 1]\nenergy = sum[i] tanh(x[i]) * tanh(x[(i + 3) % 3])",
    "x[3] : interval[-1, 1]\nenergy = - sum[i] cos(x[i] - x[(2 * i) % 3])",
    "x[3] : real\nhidden h[2] : real\nparam W[3, 2]\nenergy = sum(x^4) - x @ W @ h + sum(h^2) / 2",
    "x[2] : real\nenergy = sum(x^4) + sum((x - 1)^3)",
    "x[2] : interval[-2, 2]\nenergy = 0.01 * sum(cos(100 * x)) + 0.05 * sum(tanh(100 * x + 30))",
    "x[2] : real\nenergy = 1e-6 * sum(x^4) - sum(x^2)",
    "x[2] : real\nhidden h[2] : binary\nenergy = sum(x^2) + h @ exp(x) + sum(exp(-3 * x)^2)",
    "x[2] : real\nhidden y : real\nenergy = sum(x^2) + y^2 + sum[i] exp(x[i] - y)",
    "x[2] : real\nparam c[2]\nenergy = 0.1 * sum(x^2) - c @ exp(-(3 * x - 1)^2)",
    "x[2] : real\nhidden h[2] : binary\nparam W[2, 2]\nenergy = sum(x^2 + abs((2 * x - 1) / 3 + 0.2)) - x @ W @ h",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_odd_densities_are_proved_without_a_warning(text: str) -> None:
    model = ed.loads("visible " + text)
    assert [d.code for d in model.warnings] == []
    certificate = model.verify()
    assert certificate.ok, str(certificate)


@pytest.mark.parametrize(
    "coupling",
    ["abs(x[i])^3 * abs(y[k])^3", "softplus(x[i])^2 * softplus(y[k])^2", "x[i]^2 * y[k]^2", "x[i]^3 * softplus(y[k])"],
)
def test_couplings_that_may_outgrow_what_holds_the_units_are_warned_of(coupling: str) -> None:
    text = f"visible x[2] : real\nhidden y[2] : real\nparam W[2, 2]\nenergy = sum(x^4) + sum(y^4) - sum[i, k] W[i, k] * {coupling}"
    assert [d.code for d in ed.loads(text).warnings] == ["W0405"]


REFUSED = [
    ("x[2] : real\nparam m\nenergy = m * sum(x^4)", "E0311", "provably positive"),
    ("x[2] : real\nenergy = sum(x^4) + sum(x^5)", "E0311", "sum(x^6)"),
    ("x[2] : real\nenergy = sum(x^2) + sum(x^2 * abs(x))", "E0311", "sum(x^4)"),
    ("x[2] : real\nenergy = sum(x^2 + exp(x^2))", "E0310", "stands alone"),
    ("x[2] : real\nenergy = sum(x^2 + x * exp(x))", "E0310", "stands alone"),
    ("x[2] : real\nenergy = sum(x^2 - exp(x))", "E0311", "positive sign"),
    ("x[2] : real\nparam c\nenergy = sum(x^2) + c * sum(exp(x))", "E0311", ": nonnegative"),
    ("x[2] : real\nhidden y : real\nenergy = sum(x^2) + y^2 + y * sum(exp(x))", "E0311", "outgrows every power"),
    ("x[2] : real\nenergy = sum(exp(x) - x)", "E0311", "sum(x^2)"),
    ("x[2] : real\nparam m\nenergy = sum(x^2) + sum(tanh(m * x))", "E0310", ": positive"),
    ("x[2] : positive\nenergy = sum(x - log(1 + x))", "E0310", "number times the unit"),
    ("x[2] : real\nenergy = sum(x^2 - log(x))", "E0310", "a number plus a square"),
    ("x[2] : interval[1, 2]\nenergy = sum(log(x))", "E0310", "distance from a bound"),
    ("x[2] : interval[0, 2]\nenergy = sum(x * log(x))", "E0310", "stands alone"),
    ("x[2] : positive\nparam a\nenergy = sum(x) - a * sum(log(x))", "E0311", "a parameter that is `: positive`"),
    ("x[2] : interval[-1, 0]\nparam a\nenergy = a * sum(log(-x))", "E0311", "log(0 - x)"),
    (
        "x[2] : positive\nparam a : positive = 1\nenergy = (1 - a) * sum(log(x)) + sum(1 / x)",
        "E0311",
        "holds `x` far out",
    ),
    ("x[2] : positive\nparam a\nenergy = a * sum(1 / x) + sum(x)", "E0311", "near 0 is not provably positive"),
    (
        "x[2] : positive\nparam a\nenergy = sum(log(x)^2) + a * sum(sqrt(x))",
        "E0311",
        "far out is not provably positive",
    ),
    ("x[2] : real\nenergy = sum(x^4 + abs(x^2 - 1))", "E0310", "a unit times a number"),
    ("x[2] : interval[0, 400]\nenergy = sum(exp(x))", "E0310", "exp of values"),
    ("x[2] : real\nenergy = sum(x^2 + tanh(sin(x)))", "E0310", "a function of a function"),
    ("x[2] : interval[-2, 2]\nenergy = sum(cos(1000000 * x))", "E0310", "varies too fast"),
]


@pytest.mark.parametrize(("text", "code", "way_out"), REFUSED)
def test_what_is_out_of_reach_is_refused(text: str, code: str, way_out: str) -> None:
    with pytest.raises(ed.ModelError) as caught:
        ed.loads("visible " + text)
    found = caught.value.diagnostics
    assert {d.code for d in found} == {code}
    assert any(way_out in d.message + (d.help or "") for d in found), [str(d) for d in found]


def test_sums_inside_cosines_are_taken_apart() -> None:
    """cos(a - b - t) in any order of signs, with parameters inside, is what the tree walk says."""
    text = (
        "visible a[2] : interval[-3, 3]\nhidden s : spin\nparam t[2], w\n"
        "energy = - w * cos(a[0] - a[1] - t[0]) + sin(t[1] - a[1] - 2 * a[0]) * s + exp(0.3 * s - t[0])"
    )
    certificate = ed.loads(text).verify()
    assert certificate.ok, str(certificate)


def test_bounds_are_bounds() -> None:
    """|T''| stays below its polynomial bound, and |T| below its own, for random products of functions."""
    from energydsl.domains.density import Factor

    rng = np.random.default_rng(1)
    shapes = {"": lambda y: y, "tanh": np.tanh, "sin": np.sin, "cos": np.cos, "softplus": lambda y: np.logaddexp(0, y)}
    shapes["sigmoid"] = lambda y: 1 / (1 + np.exp(-y))
    x, h = np.linspace(-3, 3, 2001), 1e-4
    for _ in range(60):
        names = rng.choice(list(shapes), 2)
        factors = tuple(
            Factor(n, int(rng.integers(1, 4)), tuple(rng.normal(size=int(rng.integers(2, 4))))) for n in names
        )

        def value(at: np.ndarray, factors: tuple[Factor, ...] = factors) -> np.ndarray:
            total = np.ones_like(at)
            for f in factors:
                total = total * shapes[f.function](np.polynomial.polynomial.polyval(at, f.polynomial)) ** f.power
            return total

        found = integrable([factors], [0], -3.0, 3.0)
        second = (value(x + h) - 2 * value(x) + value(x - h)) / h**2
        bound = np.polynomial.polynomial.polyval(np.abs(x), found.bend[0])
        assert (np.abs(second) <= bound * (1 + 1e-3) + 1e-2).all()
        assert (np.abs(value(x)) <= np.polynomial.polynomial.polyval(np.abs(x), found.growth[0]) + 1e-9).all()
    with pytest.raises(OutOfReach):
        integrable([(Factor("abs", 1, (float(k), 1.0)),) for k in range(9)], [0] * 9, -20.0, 20.0)

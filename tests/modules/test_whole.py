"""What `use` stands for: the same canonical energy as the model written out by hand, in one text that says the same alone."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

import energydsl as ed
from energydsl.diagnostics import Source
from energydsl.modules import rename, whole
from energydsl.modules.bind import Bound
from energydsl.syntax import parse, tree
from tests.conftest import ROOT, ZOO

RBM = """model rbm  # the file's own title
dim I = 30, J = 20
const t : positive = 2
visible v[I] : binary
hidden h[J] : binary
param W[I, J] = normal(sd = 0.01), b[I] = base_rate(v), c[J]
let field = v @ W / t
energy = - b @ v - c @ h
energy coupling = - field @ h - sum[i, j] W[i, j]*v[i]*h[j]
"""
LATTICE = """dim L = 3
graph G = grid(L, L)
visible s[L, L] : spin
param J[G], f[L, L]
energy = - sum[(i, k) in G] J[i, k]*s[i]*s[k] - sum[i, j] f[i, j]*s[i, j]
"""
GRADED = """dim N = 4, K = 3
visible x[N] : categorical[K]
input past[2] : real
hidden z[K] : real
param A[2, N, K], U[N, K, K]
energy prior = 0.5 * sum(z^2)
energy = - sum[n, a, k] x[n, a]*U[n, a, k]*z[k] - sum[m, n, a] past[m]*A[m, n, a]*x[n, a]
"""
OUTER = """import "rbm.energy" as rbm
dim N = 9, M = 2
visible y[N] : binary
hidden q[M] : binary
use rbm(I = N, J = M) as inner on y, q
energy = - sum(y)
"""
FILES = {
    "rbm.energy": RBM,
    "lattice.energy": LATTICE,
    "graded.energy": GRADED,
    "outer.energy": OUTER,
    "layers.energy": "visible v[2] : real\nhidden h[3] : spin, g : categorical[4]\nlayers v -- h (R), h -- g\nschedule (v), (h), (g)\n",
    "arrows.energy": "visible v[2] : binary\nhidden h[3] : binary\nlayers v <- h\n",
    "soft.energy": "visible v[3] : binary\nparam W[3, 2]\nenergy soft = - sum(softplus(v @ W))\naugment soft (z)\n",
    "summed.energy": "visible v[3] : binary\nhidden h[2] : binary\nparam W[3, 2]\nenergy = - v @ W @ h\nmarginalise h\n",
}
V = "visible x[4] : binary\nhidden g[3] : binary, f[2] : binary\n"

# A model that uses files, and the same written out by hand.
PAIRS = {
    "two uses": (
        'import "rbm.energy" as rbm\n' + V + "use rbm(I = 4, J = 3) as lower on x, g\nuse rbm(I = 3, J = 2, t = 1) as upper on g, f\n",
        V + "const lower_t : positive = 2, upper_t : positive = 1\nparam lower_W[4, 3], lower_b[4], lower_c[3], upper_W[3, 2], upper_b[3], upper_c[2]\n"
        "energy lower = - lower_b @ x - lower_c @ g\nenergy lower_coupling = - x @ lower_W @ g / lower_t - x @ lower_W @ g\n"
        "energy upper = - upper_b @ g - upper_c @ f\n"
        "energy upper_coupling = - g @ upper_W @ f / upper_t - g @ upper_W @ f",
    ),
    "by name, a hidden layer of its own": (
        'import "rbm.energy" as r\ndim A = 2\nvisible i[2*A] : binary\nuse r(J = A + 1, I = 2*A) on v = i\n',
        "visible i[4] : binary\nhidden r_h[3] : binary\nconst r_t : positive = 2\nparam r_W[4, 3], r_b[4], r_c[3]\n"
        "energy r = - r_b @ i - r_c @ r_h\nenergy r_coupling = - i @ r_W @ r_h / r_t - i @ r_W @ r_h",
    ),
    "a const of both": (
        'import "rbm.energy" as r\nconst T : positive = 3\n' + V + "use r(I = 4, J = 3, t = T) on x, g\nenergy = - sum(f) / T",
        V + "const T : positive = 3\nparam r_W[4, 3], r_b[4], r_c[3]\nenergy r = - r_b @ x - r_c @ g\n"
        "energy r_coupling = - x @ r_W @ g / T - x @ r_W @ g\nenergy = - sum(f) / T",
    ),
    "a graph, and indices that would hide names": (
        'import "lattice.energy" as a\ndim i = 2, k = 4\nvisible s[i, i] : spin\nuse a(L = i) on s\nenergy = - sum(s) * k',
        "graph a_G = grid(2, 2)\nvisible s[2, 2] : spin\nparam a_J[a_G], a_f[2, 2]\n"
        "energy a = - sum[(i, k) in a_G] a_J[i, k]*s[i]*s[k] - sum[i, j] a_f[i, j]*s[i, j]\nenergy = - 4 * sum(s)",
    ),
    "states, and an input": (
        'import "graded.energy" as c\nvisible n[5] : categorical[2]\ninput w[2] : real\nuse c(N = 5, K = 2) on n, w\n',
        "visible n[5] : categorical[2]\ninput w[2] : real\nhidden c_z[2] : real\nparam c_A[2, 5, 2], c_U[5, 2, 2]\n"
        "energy c_prior = 0.5 * sum(c_z^2)\n"
        "energy c = - sum[n1, a, k] n[n1, a]*c_U[n1, a, k]*c_z[k] - sum[m, n1, a] w[m]*c_A[m, n1, a]*n[n1, a]",
    ),
    "a file that uses another": (
        'import "outer.energy" as o\n' + V + "use o(N = 4, M = 3) as big on x, g\nenergy = - sum(f)",
        V + "const big_inner_t : positive = 2\nparam big_inner_W[4, 3], big_inner_b[4], big_inner_c[3]\n"
        "energy big_inner = - big_inner_b @ x - big_inner_c @ g\n"
        "energy big_inner_coupling = - x @ big_inner_W @ g / big_inner_t - x @ big_inner_W @ g\n"
        "energy big = - sum(x)\nenergy = - sum(f)",
    ),
    "a layer of another use": (
        'import "rbm.energy" as r\nvisible x[4] : binary\nuse r(I = 4, J = 3) as a on x\nuse r(I = 3, J = 2) as b on a_h\n',
        "visible x[4] : binary\nhidden a_h[3] : binary, b_h[2] : binary\nconst a_t : positive = 2, b_t : positive = 2\n"
        "param a_W[4, 3], a_b[4], a_c[3], b_W[3, 2], b_b[3], b_c[2]\n"
        "energy a = - a_b @ x - a_c @ a_h\nenergy a_coupling = - x @ a_W @ a_h / a_t - x @ a_W @ a_h\n"
        "energy b = - b_b @ a_h - b_c @ b_h\nenergy b_coupling = - a_h @ b_W @ b_h / b_t - a_h @ b_W @ b_h",
    ),
    "layers": (
        'import "layers.energy" as l\nvisible x[2] : real\nhidden s[3] : spin\nuse l on x, s\nlayers x -- s\n',
        "visible x[2] : real\nhidden s[3] : spin, l_g : categorical[4]\nparam l_R[2, 3], l_W_h_g[3, 4], l_b_v[2], l_b_h[3], l_b_g[4]\n"
        "energy l_layers = 0.5 * sum((x - l_b_v)^2) - l_b_h @ s - l_b_g @ l_g - x @ l_R @ s - s @ l_W_h_g @ l_g\nlayers x -- s",
    ),
    "arrows": (
        'import "arrows.energy" as a\nimport "rbm.energy" as r\nvisible x[2] : binary\nhidden h[3] : binary, f[2] : binary\n'
        "use a on x, h\nuse r(I = 3, J = 2) on h, f\n",
        "visible x[2] : binary\nhidden h[3] : binary, f[2] : binary\nconst r_t : positive = 2\n"
        "param a_W_v_h[2, 3], a_b_v[2], a_b_h[3], a_r_h[3], a_R_v_h[2, 3], r_W[3, 2], r_b[3], r_c[2]\n"
        "energy a_layers = - a_b_h @ h\nenergy x | h = - a_b_v @ x - x @ a_W_v_h @ h\nrecognition h | x = - a_r_h @ h - x @ a_R_v_h @ h\n"
        "energy r = - r_b @ h - r_c @ f\nenergy r_coupling = - h @ r_W @ f / r_t - h @ r_W @ f",
    ),
    "auxiliary units, and a layer summed out": (
        'import "soft.energy" as a\nimport "summed.energy" as s\nvisible x[3] : binary\nuse a on x\nuse s on x\n',
        "visible x[3] : binary\nhidden a_z[2] : binary\nparam a_W[3, 2], s_W[3, 2]\nenergy a_soft = - x @ a_W @ a_z\n"
        "energy s = - sum(softplus(x @ s_W))",
    ),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def differs(folder: Path, name: str) -> bool:
    """Whether the sides of a pair are not one model: their energies, parameters, layers and parts."""
    text, by_hand = PAIRS[name]
    other = ed.loads(by_hand)
    try:
        model = ed.loads(text, folder=folder)
    except ed.ModelError:
        return True
    return facts(model) != facts(other)


def facts(model: ed.Model) -> dict[str, object]:
    """What two texts of one model have in common."""
    return {
        "energy": model.energy,
        "layers": {n: (x.role, x.shape, x.domain) for n, x in model.layers.items()},
        "params": {n: (p.shape, p.constraints) for n, p in sorted(model.params.items())},
        "consts": {n: (c.value, c.constraints) for n, c in sorted(model.resolved.consts.items())},
        "directed": sorted((d.keyword, d.targets, d.given) for d in model.resolved.directed),
    }


@pytest.mark.parametrize("name", PAIRS)
def test_a_use_is_what_it_stands_for(folder: Path, name: str) -> None:
    assert not differs(folder, name)


@pytest.mark.parametrize("name", PAIRS)
def test_one_text_says_the_same_alone(folder: Path, name: str) -> None:
    """It is that of the model, which has no folder any more; pickling keeps it."""
    model = ed.loads(PAIRS[name][0], folder=folder)
    alone = ed.loads(model.source.text)
    assert "\nimport" not in model.source.text
    assert facts(alone) == facts(model)
    written = whole.written_out(parse(Source("m.energy", PAIRS[name][0])), model.overrides)
    assert written.module.statements == written.alone.statements
    assert facts(copy.deepcopy(model)) == facts(model)


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_derived_of_several_files_is_proved(folder: Path, name: str) -> None:
    assert ed.loads(PAIRS[name][0], folder=folder).verify().ok


def unprefixed(self: Bound) -> dict[str, str]:
    there = {e.name.id for s in self.flat.statements if isinstance(s, tree.Declaration) for e in s.entries}
    return {n: n for n in there if n not in self.layers and n not in self.shared}


def test_mutants_are_caught(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefixes forgotten, dims or layers bound in another order, values or constraints lost, indices that hide names."""
    bind = whole.bind

    def swapped(what: str) -> object:
        def other(*args: object) -> Bound:
            bound = bind(*args)  # type: ignore[arg-type]
            pairs = getattr(bound, what)
            return rename.replace(bound, **{what: dict(zip(pairs, reversed(pairs.values()), strict=True))})

        return other

    mutants = [
        (Bound, "new", property(unprefixed), "two uses"),
        (whole, "bind", swapped("values"), "two uses"),
        (whole, "bind", swapped("values"), "states, and an input"),
        (whole, "bind", swapped("layers"), "two uses"),
        (whole, "_valued", lambda statement, values: statement, "two uses"),
        (whole, "_as_block", lambda source, sections, problems: sections, "layers"),
        (rename.Renaming, "_index", lambda self, name: name, "a graph, and indices that would hide names"),
        (rename.Renaming, "label", lambda self, name, span: name, "a file that uses another"),
    ]
    for owner, name, mutant, pair in mutants:
        assert not differs(folder, pair)
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, mutant)
            assert differs(folder, pair), (name, pair)


@pytest.mark.parametrize("path", ZOO, ids=lambda p: p.stem)
def test_any_model_can_be_a_block(path: Path) -> None:
    """All layers of a model of the zoo bound to layers like them: its own energy, under other names of its parameters."""
    model = ed.load(path)
    layers = [
        f"{x.role} x{k}{list(x.shape) or ''} : {x.domain}".replace("3.14159", "pi")
        for k, x in enumerate(model.layers.values())
    ]
    bound = ", ".join(f"{name} = x{k}" for k, name in enumerate(model.layers))
    text = f'import "{path.name}" as m\n' + "\n".join(layers) + f"\nuse m on {bound}\n"
    used = ed.loads(text, folder=path.parent)
    assert sorted(used.params) == sorted(f"m_{n}" for n in model.params)
    assert len(used.energy.terms) == len(model.energy.terms)
    assert facts(ed.loads(used.source.text, folder=path.parent)) == facts(used)
    program, other = (m.compile("numpy", "float64") for m in (used, model)) if model.params else (None, None)
    if program is None or sum(p.size for p in program.init(seed=0).values()) > 2e6:
        return
    drawn = np.random.default_rng(1).random
    params = {n: p if model.params[n].constraints else drawn(p.shape) for n, p in other.init(seed=0).items()}
    given = {n: np.ones((3, *x.shape)) for n, x in model.layers.items() if x.role == "input"}
    state = other.init_state(other.init(seed=0), batch=3, seed=1, given=given)
    renamed = {f"x{k}": state[n] for k, n in enumerate(model.layers)}
    found = program.energy({f"m_{n}": p for n, p in params.items()}, renamed)
    np.testing.assert_allclose(found, other.energy(params, state), rtol=1e-9)


def test_the_example_is_a_deep_machine() -> None:
    """`layers v -- h1 -- h2` but for the bias of the middle layer, which it has from both files."""
    model = ed.load(ROOT / "models/stacked_rbm.energy")
    assert [str(p) for p in model.schedule()[0]] == ["v", "h2"]
    assert sorted(model.params) == ["lower_W", "lower_b", "lower_c", "upper_W", "upper_b", "upper_c"]


def test_a_const_that_came_with_a_use_is_shared_with_the_next(tmp_path: Path) -> None:
    (tmp_path / "c.energy").write_text("const t = 1\nvisible v[2] : binary\nenergy = - t * sum(v)\n")
    text = 'import "c.energy" as c\nvisible v[2] : binary\nuse c as one on v\nuse c(t = one_t) as two on v\n'
    program = ed.loads(text, folder=tmp_path).compile("numpy")
    v = {"v": np.ones((1, 2))}
    assert program.energy({}, v) == -4.0
    assert program.energy({}, v, consts={"one_t": 3.0}) == -12.0

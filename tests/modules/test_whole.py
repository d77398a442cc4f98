"""What `use` stands for: the same canonical energy as the model written out by hand, in one text that says the same alone."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import energydsl as ed
from energydsl.modules import rename, whole
from energydsl.modules.bind import Bound
from energydsl.syntax import tree
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
        "energy lower = - lower_b @ x - lower_c @ g\nenergy upper = - upper_b @ g - upper_c @ f\n"
        "energy lower_coupling = - x @ lower_W @ g / lower_t - x @ lower_W @ g\n"
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


def energies(folder: Path, name: str) -> tuple[object, object]:
    """The canonical energies of both sides of a pair, terms apart from their order and their places."""
    used, by_hand = (ed.loads(text, folder=folder) for text in PAIRS[name])
    assert set(used.params) == set(by_hand.params)
    return tuple(sorted((t.label, str(t.monomial), str(t.coefficient)) for t in m.energy.terms) for m in (used, by_hand))  # type: ignore[return-value]

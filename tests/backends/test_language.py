"""What the language can say, verified on every backend: one small model for each form."""

from __future__ import annotations

from pathlib import Path

import pytest

import energydsl as ed

MODELS = {
    "index: levels": "visible v[2] : binary\nhidden h[2, 3] : binary\nparam b[2]\nenergy = sum[j, n] (n + 0.5)*h[j, n] - sum[j, n] b[j]*h[j, n]*v[j]",
    "index: distances": "visible s[6] : spin\nenergy = - sum[i < k] s[i]*s[k] / (k - i)^2",
    "index: distances, scaled": "visible s[5] : spin\nconst T = 2\nenergy = sum[i < k] s[i]*s[k] / (T * (k - i))",
    "index: differences": "visible s[5] : spin\nparam a\nenergy = sum[i, k] s[i]*s[k] * (i - 2*k) * a",
    "index: functions": "visible v[4] : binary\nconst T = 2\nparam a\nenergy = sum[n] exp(-n / 3)*v[n] + sum[n] exp(-a * n / T)*v[n] + sum[n in range(1, 4)] log(n)*v[n]",
    "index: powers": "visible v[4] : binary\nparam a\nenergy = sum[n] 2^n * v[n] + sum[n] (n + 1)^-0.5 * v[n] + 3^(2 * a) * sum(v)",
    "index: precisions": "visible x[3] : real\nhidden h[3] : binary\nparam W[3, 3]\nenergy = sum[n] (n^2 + 1)*x[n]^2 - x @ W @ h",
    "index: function of a unit": "visible v[3] : binary\nenergy = sum[n] softplus(n * v[n] - 1)",
    "index: edges": "graph G = chain(4)\nvisible s[4] : spin\nenergy = sum[(i, k) in G] (k + 2*i)*s[i]*s[k]",
    "index: ring": "visible s[5] : spin\nenergy = sum[i] (i - 2)*s[i]*s[(i + 1) % 5]",
    "index: lattice": "dim L = 4\nvisible s[L, L] : spin\nenergy = - 0.4 * sum[i, j] (s[i, j]*s[(i + 1) % L, j] + s[i, j]*s[i, (j + 1) % L]) - 0.1 * sum[i, j] (i + 2*j)*s[i, j] - sum[i, j in range(L - 1)] exp(-j / 2)*s[i, j]*s[i, j + 1]",
    "index: table": "visible n[3] : integer[0, 2]\nenergy = sum[i] (i + 1)*n[i]^2 - sum[i] n[i]*exp(i)",
    "index: own sums inside": "visible v[3] : binary\nenergy = sum[n] v[n]*log(1 + sum[k in range(4)] k*n)",
    "order: three in a row": "visible s[5] : spin\nparam J[5, 5, 5]\nenergy = sum[i < j < k] J[i, j, k]*s[i]*s[j]*s[k]",
    "order: or equal": "visible s[4] : binary\nparam J[4, 4, 4], L[4, 4]\nenergy = sum[i <= j < k] J[i, j, k]*s[i]*s[k] - sum[i <= k] s[i]*L[i, k]*s[k]",
    "order: twice or equal": "visible s[3] : integer[0, 2]\nparam J[3, 3, 3]\nenergy = sum[i <= j <= k] J[i, j, k]*s[i]*s[j]*s[k]",
    "numbers: pi, e and sizes": "dim I = 4, J = sqrt(I)\nconst w = 2 * pi / 3\nvisible s[I] : spin\nhidden h[J] : binary\nparam W[I, J] = normal(sd = 1 / sqrt(I))\nenergy = - s @ W @ h / I - pi * sum(h) - w * sum[n] cos(2 * pi * n / I)*s[n] - e^(1 / J) * sum(s)",
    "numbers: names of one's own": "visible e[3] : spin\nparam pi\nenergy = pi * sum(e)",
    "edges: states": "graph G = chain(4)\nvisible x[4] : categorical[3]\nparam J[G, 3, 3], g[4, 3]\nenergy = - sum[(i, k) in G, a, b] J[i, k, a, b]*x[i, a]*x[k, b] - sum[i, a] g[i, a]*x[i, a]",
    "edges: channels": "dim C = 2\ngraph G = chain(3)\nvisible x[3, C] : spin\nparam J[G, C, C]\nenergy = sum[(u, v) in G, c, d] J[u, v, c, d]*x[u, c]*x[v, d]",
    "edges: one channel": "dim C = 2\ngraph G = grid(2, 3)\nvisible x[6, C] : spin\nparam J[G, C]\nenergy = sum[(u, v) in G, c] J[u, v, c]*x[u, c]*x[v, c]",
    "edges: joined axes": "dim C = 2\ngraph G = grid(2, 2)\nvisible x[2, 2, C] : spin\nparam J[G, C, C]\nenergy = sum[(u, v) in G, c, d] J[u, v, c, d]*x[u, c]*x[v, d]",
    "edges: joined axes and states": "dim C = 2\ngraph G = grid(2, 2)\nvisible x[2, 2, C] : categorical[2]\nparam J[G, C], L[G, 2, 2]\nenergy = sum[(u, v) in G, c, a] J[u, v, c]*x[u, c, a]*x[v, c, a] + sum[(u, v) in G, c, a, b] L[u, v, a, b]*x[u, c, a]*x[v, c, b]",
    "edges: real channels": "dim L = 2\ngraph G = grid(L, L)\nvisible x[L, L, 2] : real\nenergy = sum[(u, v) in G, c] (x[u, c] - x[v, c])^2 + sum(x^2)",
    "products: of a range": "visible s[5] : spin\nparam J\nenergy = J * prod[i] s[i] + prod[i in range(1, 3)] (s[i] - 2) - sum[k in range(5)] prod[i in range(3)] s[(i + k) % 5]",
    "products: of pairs": "visible x[4] : binary\nenergy = prod[i < k] (1 - x[i]*x[k] / 2)",
    "products: over a sparse input": "input B[3, 4] : binary\nvisible s[4] : spin\nenergy = - sum[c] prod[i in range(4)] (1 - B[c, i] + B[c, i]*s[i])",
    "parents: a function of several": "visible v[3] : binary\nhidden z[2] : real\nparam W[3, 2], U[2, 2]\nenergy = 0.5 * z @ z\nenergy v | z = - v @ W @ tanh(U @ z)",
    "inputs: a function of several": "visible v[3] : binary\ninput x[2] : real\nparam W[3, 2], U[2, 2], b[2]\nenergy = - v @ W @ tanh(U @ x + b) - sum(v) / (1 + exp(-sum(x)))",
}  # fmt: skip
HYPER = {
    "parity": "visible s[6] : spin\nparam J[H], f[6]\nenergy = - sum[c in H] J[c] * prod[i in c] s[i] - f @ s",
    "syndrome": "visible x[6] : binary\nconst K = 1\nenergy = K * sum[c in H] (1 - prod[i in c] (1 - 2*x[i])) / 2",
    "a latent for each": "visible x[6] : binary\nhidden h[4] : spin\nparam W[H, 6]\nenergy = sum[c in H] (c + 1)*(sum[i in c] x[i])^2 - sum[c in H, i in c] W[c, i]*x[i]*h[c]",
    "states": "visible x[6] : categorical[2]\nparam J[H]\nenergy = sum[c in H, a] J[c] * prod[i in c] x[i, a]",
    "joined axes": "visible x[2, 3] : spin\nparam J[H]\nenergy = sum[c in H] J[c] * prod[i in c] x[i]",
}  # fmt: skip
CHECKS = [[0, 1, 2], [2, 3, 4, 5], [1, 4], [0, 3, 5]]


@pytest.mark.parametrize("name", HYPER)
def test_hyperedges(name: str, backend: str, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("".join(",".join(map(str, c)) + "\n" for c in CHECKS))
    (tmp_path / "m.energy").write_text(f'graph H = hyperedges("c.csv")\n{HYPER[name]}')
    certificate = ed.load(tmp_path / "m.energy").verify(backend=backend)  # type: ignore[arg-type]
    assert certificate.ok, str(certificate)


@pytest.mark.parametrize("name", MODELS)
def test_certificate(name: str, backend: str) -> None:
    certificate = ed.loads(MODELS[name]).verify(backend=backend)  # type: ignore[arg-type]
    assert certificate.ok, str(certificate)

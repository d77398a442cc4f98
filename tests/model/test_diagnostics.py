"""Bad programs: `«` marks where the culprit begins; code, line and column must be right."""

from __future__ import annotations

import numpy as np
import pytest

import energydsl as ed
from energydsl.api import check
from energydsl.diagnostics import Diagnostic, Source
from energydsl.model.resolve import Overrides

V = "visible v[4] : binary\n"
VH = V + "hidden h[3] : binary\n"
W = "param W[4, 3]\n"
X = "visible x[4] : real\n"
S = "visible s[4, 5] : spin\n"
G = "graph G = chain(4)\n"

SYNTAX = [
    ("E0101", "«foo"),
    ("E0101", "«3"),
    ("E0101", V + "energy = sum(v) «)"),
    ("E0101", V + "energy = (sum(v«)"),
    ("E0101", V + "energy = «* v"),
    ("E0101", V + "energy = sum(v) +«"),
    ("E0101", V + "energy = sum(v) «2"),
    ("E0101", V + "energy = 2 «v"),
    ("E0101", V + "energy «+ 3"),
    ("E0101", V + "energy = «= 3"),
    ("E0101", V + "energy = v*«*2"),
    ("E0101", V + "energy = sum[i,«] v"),
    ("E0101", V + "energy = sum[«] v"),
    ("E0101", V + "energy = sum[i < j <«] v[i]*v[j]"),
    ("E0101", V + "energy = sum[i «> j] v[i]*v[j]"),
    ("E0101", V + "energy = sum[i < «= j] v[i]*v[j]"),
    ("E0101", V + "energy = sum[i] v[i] * sum[k] v[k] «@"),
    ("E0101", V + "energy = v[i % 4 «% 2]"),
    ("E0101", V + "energy = v[i + 1 «% 4]"),
    ("E0101", V + "energy = 3 «% 2"),
    ("E0101", V + "energy = sum(v)«;"),
    ("E0101", V + "energy = «{v}"),
    ("E0101", V + "energy = v «! 2"),
    ("E0101", V + "energy = v «$ 2"),
    ("E0101", V + "energy = 1.e5«.5"),
    ("E0101", V + "energy = «1e999"),
    ("E0101", "dim I «4"),
    ("E0101", "dim I = 4«, "),
    ("E0101", "dim «= 4"),
    ("E0101", "dim I = «, J = 3"),
    ("E0101", "visible v[4] «binary"),
    ("E0101", "visible v[4 «: binary"),
    ("E0101", "visible v[«] : binary"),
    ("E0101", "visible v : «3"),
    ("E0101", "hidden «[4] : binary"),
    ("E0101", "param W[4] «normal(sd = 1)"),
    ("E0101", "param W[4] : positive & «= 3"),
    ("E0101", "const c : «positive"),
    ("E0101", "graph G «complete(3)"),
    ("E0101", 'graph G = edges(«"a.csv)'),
    ("E0101", VH + "layers v «-"),
    ("E0101", VH + "layers v «- - h"),
    ("E0101", VH + "layers v «< - h"),
    ("E0101", VH + "layers v -- h («)"),
    ("E0101", VH + "layers «-- h"),
    ("E0101", VH + "schedule «v, h"),
    ("E0101", VH + "schedule (v, h«"),
    ("E0101", VH + "schedule («)"),
    ("E0101", VH + "energy v | «= sum(v)"),
    ("E0101", VH + "recognition h «= sum(h)"),
    ("E0101", V + "energy = sum[i in «dom(3)] v[i]"),
    ("E0101", V + "energy = sum[(i «k) in G] v[i]"),
    ("E0101", V + "energy = sum(v)\n«model late"),
    ("E0101", "model a\n«model b\n" + V + "energy = sum(v)"),
    ("E0101", "visible v[4] : binar«y"),
    ("E0101", "energy = " + "(" * 60 + "«(" + "1" + ")" * 61),
    ("E0101", "model 2«"),
    ("E0102", "dim «sum = 3"),
    ("E0102", "visible «in[3] : binary"),
    ("E0102", "hidden «energy[3] : binary"),
    ("E0102", "param «where[3]"),
    ("E0102", "const «for = 3"),
    ("E0102", "let «prod = 3"),
    ("E0102", "graph «import = chain(3)"),
    ("E0102", "model «model"),
    ("E0102", "param W[3], «true[4]"),
    ("E0102", V + "param «exp[4]\nenergy = sum(v)"),
    ("E0102", V + "param «range[4]\nenergy = sum(v)"),
    ("E0102", "visible «lgamma[4] : binary\nenergy = 1"),
    ("E0102", "dim I = 2, «hidden = 3"),
    ("E0102", V + "energy «visible = sum(v)"),
    ("E0101", V + "energy = sum(v) «..."),
    ("E0101", V + "energy = v2«. + 1"),
    ("E0101", V + 'energy = sum(v) «... "open'),
    ("E0101", V + "energy = 1.«."),
    ("E0101", V + "energy = «b'v".replace("«b'v", "b'«v")),
    ("E0101", V + "energy = " + "-" * 100 + "«" + "-" * 9 + "sum(v)"),
    ("E0102", V + "energy = sum[«if] v[if]"),
]

NAMES = [
    ("E0201", V + "energy = «b @ v"),
    ("E0201", V + "energy = sum(«vv)"),
    ("E0201", "visible v[«I] : binary\nenergy = sum(v)"),
    ("E0201", "dim I = «J\nvisible v[I] : binary\nenergy = sum(v)"),
    ("E0201", V + "param b[4] = base_rate(«u)\nenergy = - b @ v"),
    ("E0201", V + "energy = sum[(i, k) in «G] v[i]*v[k]"),
    ("E0201", V + G + "energy = sum(v) + «G"),
    ("E0201", VH + "layers v -- «k"),
    ("E0201", VH + "energy = sum(v) + sum(h)\nschedule (v), («k)"),
    ("E0201", VH + "energy v | «k = sum(v)"),
    ("E0201", V + "let u = «w\nenergy = sum(v)"),
    ("E0201", V + "const c = «d\nenergy = c * sum(v)"),
    ("E0201", "visible e[2] : binary\nconst c = «e\nenergy = c * sum(e)"),
    ("E0201", V + "param b[4] = normal(sd = «s)\nenergy = - b @ v"),
    ("E0201", V + "param J[«G]\nenergy = sum(v)"),
    ("E0201", V + "energy = sum(v) + «h[2]"),
    ("E0202", V + "visible «v[3] : binary\nenergy = sum(v)"),
    ("E0202", V + "param «v[3]\nenergy = sum(v)"),
    ("E0202", "dim I = 3, «I = 4\n" + V + "energy = sum(v)"),
    ("E0202", V + "let «v = 3\nenergy = sum(v)"),
    ("E0202", V + "param b[4]\nconst «b = 3\nenergy = sum(v)"),
    ("E0202", VH + "energy = sum(v)+sum(h)\nschedule (v), (h)\n«schedule (h), (v)"),
    ("E0203", "dim I = J, J = «I\nvisible v[2] : binary\nenergy = sum(v)"),
    ("E0203", "dim I = «I\nvisible v[2] : binary\nenergy = sum(v)"),
    ("E0203", V + "let a = b, b = «a\nenergy = sum(v)"),
    ("E0203", V + "const p = «p\nenergy = sum(v)"),
]

INDICES = [
    ("E0204", VH + "energy = sum[i] v[i]*h[«i]"),
    ("E0204", VH + "param W[3, 4]\nenergy = sum[i, j] v[i]*W[i, j]*h[j]".replace("W[i", "W[«i")),
    ("E0204", S + "energy = sum[i] s[i, «i]"),
    ("E0204", V + "energy = sum[«i] v[(i + 1) % 4]"),
    ("E0204", VH + "energy = sum[i < k] v[i]*h[«k]"),
    ("E0205", V + "energy = v[«i]"),
    ("E0205", V + "energy = sum[i] v[i]*v[«k]"),
    ("E0205", V + "energy = sum[i] v[i] + v[«i]"),
    ("E0204", V + "energy = sum(v) + sum[«i] i"),
    ("E0205", V + "let u = v[«i]\nenergy = sum[i] v[i]*u"),
    ("E0205", V + "energy = v[«i + 1]"),
    ("E0206", V + "energy = sum[i, «j] v[i]"),
    ("E0206", V + "energy = sum[«i] sum(v)"),
    ("E0206", V + "energy = sum[i] sum[«i] v[i]"),
    ("E0206", V + "energy = sum[i, «i] v[i]"),
    ("E0206", V + "energy = sum[«v] v[v]"),
    ("E0206", V + G + "energy = sum[(i, «k) in G] v[i]"),
    ("E0206", V + G + "energy = sum[(i, «i) in G] v[i]"),
    ("E0206", V + "energy = sum[i < «i] v[i]"),
    ("E0207", V + "energy = sum[i] v[i]*v[«i + 1]"),
    ("E0207", V + "energy = sum[i] v[i]*v[«i - 1]"),
    ("E0207", V + "energy = sum[i in range(5)] v[«i]"),
    ("E0207", V + "energy = v[«4]"),
    ("E0207", V + "energy = v[«-1]"),
    ("E0207", V + "energy = sum[i] v[i]*v[«(i + 1) % 5]"),
    ("E0207", V + "energy = sum[«i in range(0)] v[i]"),
    ("E0207", V + "energy = sum[«i in range(3, 2)] v[i]"),
    ("E0207", V + "param K[3]\nenergy = sum[i, p] v[i]*K[p]*v[«i + p]"),
    ("E0207", V + "energy = sum[i in range(3)] v[i]*v[«2 * i]"),
    ("E0208", V + "energy = «v[1, 2]"),
    ("E0208", S + "energy = «s[1]"),
    ("E0208", V + "param b\nenergy = «b[1] * sum(v)"),
    ("E0208", V + "energy = v[«1.5]"),
    ("E0208", V + "param b\nenergy = v[«b]"),
    ("E0208", V + "energy = sum[i] v[«i * i]"),
    ("E0208", V + "energy = sum[i] v[i]*v[«exp(i)]"),
    ("E0208", V + G + "param J[G]\nenergy = sum[i] «J[i]*v[i]"),
    ("E0208", V + G + "param J[G]\nenergy = sum[i, k] «J[i, k]*v[i]*v[k]"),
    ("E0208", V + "graph «G[2, 2]\nenergy = sum(v)"),
    ("E0208", "visible y : categorical[3]\nenergy = sum[i, k] «y[i, k]"),
]

SHAPES = [
    ("E0209", VH + "energy = v @ «h"),
    ("E0209", VH + W + "energy = h @ «W @ v"),
    ("E0209", VH + "energy = sum(v + «h)"),
    ("E0209", V + "energy = v @ «3"),
    ("E0209", V + "energy = «v' @ v"),
    ("E0209", S + "param T[2, 2, 2]\nenergy = sum(s @ «T)"),
    ("E0209", S + "energy = sum(s * «s')"),
    ("E0209", V + "param b[3] = base_rate(«v)\nenergy = sum(v)+sum(b)"),
    ("E0209", VH + "param U[3, 4]\nlayers v -- h («U)"),
    ("E0209", V + "energy = sum[i] «v * v[i]"),
    ("E0209", "dim A = 2 @ «3\n" + V + "energy = sum(v)"),
    ("E0210", V + "energy = «v"),
    ("E0210", VH + W + "energy = «v @ W"),
    ("E0210", V + "param b[4]\nenergy = «- b * v"),
    ("E0210", V + "energy part = «2 * v"),
    ("E0210", V + "param b[4]\nenergy = sum(v)\n  - «b * v\n  + sum(b)"),
    ("E0211", "dim I = «0\n" + V + "energy = sum(v)"),
    ("E0211", "dim I = «-3\n" + V + "energy = sum(v)"),
    ("E0211", "dim I = «7 / 2\n" + V + "energy = sum(v)"),
    ("E0211", "dim I = «1e10\n" + V + "energy = sum(v)"),
    ("E0211", "visible v[«2.5] : binary\nenergy = sum(v)"),
    ("E0211", "visible y : categorical[«0]\nenergy = sum(y)"),
    ("E0211", "visible «v[2000000000, 2000000000] : binary\nenergy = sum(v)"),
    ("E0211", V + "param «b[2000000000, 2000000000]\nenergy = sum(v)"),
    ("E0211", "dim I = 3, J = «I - 3\n" + V + "energy = sum(v)"),
    ("E0211", V + "energy = sum[i] v[i]*v[(i + 1) % «0]"),
    ("E0212", "visible v[4] : «bernoulli\nenergy = sum(v)"),
    ("E0212", "visible v[4] : «binary[3]\nenergy = sum(v)"),
    ("E0212", "visible v[4] : «categorical\nenergy = sum(v)"),
    ("E0212", "visible v[4] : «interval[1]\nenergy = sum(v)"),
    ("E0212", "visible v[4] : «interval[2, 1]\nenergy = sum(v)"),
    ("E0212", V + "param b[4] : «sparse\nenergy = - b @ v"),
    ("E0212", V + "const c : «symmetric = 3\nenergy = c * sum(v)"),
    ("E0212", V + "param b[4] = «gaussian(sd = 1)\nenergy = - b @ v"),
    ("E0212", V + "param b[4] = normal(«0.1)\nenergy = - b @ v"),
    ("E0212", V + "param b[4] = normal(scale = «0.1)\nenergy = - b @ v"),
    ("E0212", V + "param b[4] = «normal(sd = -1)\nenergy = - b @ v"),
    ("E0212", V + "param b[4] = «file(4)\nenergy = - b @ v"),
    ("E0212", V + 'param b[4] = file(«"b.txt")\nenergy = - b @ v'),
    ("E0402", V + 'param b[4] = file(«"no such file.csv")\nenergy = - b @ v'),
    ("E0212", V + "param b[4] = rademacher(«2)\nenergy = - b @ v"),
    ("E0212", V + "param b[4] = «rademacher(scale = -2)\nenergy = - b @ v"),
    ("E0212", V + "param b[4] = normal(sd = «sqrt(-1))\nenergy = - b @ v"),
    ("E0212", V + "const c = «exp(1000)\nenergy = c * sum(v)"),
    ("E0212", V + "const c = «sqrt(1, 2)\nenergy = c * sum(v)"),
    ("E0211", V + G + "param J[3, «G]\nenergy = sum(v)"),
    ("E0208", V + G + "param J[G, 3]\nenergy = sum[(i, k) in G] «J[i, k]*v[i]*v[k]"),
    ("E0208", V + G + "param J[G, 3]\nenergy = sum[(i, k) in G, a, b] «J[i, k, a, b]*v[i]*v[k]"),
    ("E0204", V + G + "param J[G, 3], b[2]\nenergy = sum[(i, k) in G, a] J[i, k, a]*v[i]*v[k]*b[«a]"),
    (
        "E0214",
        V
        + S
        + G
        + "energy = sum[(i, k) in G] s[«i, 0]*s[k, 0]".replace("s[«i, 0]*s[k, 0]", "s[i, 0]*s[k, 0]*v[0]*s[0, «i]"),
    ),
    ("E0208", G + "visible w[2, 2, 3] : spin\nenergy = sum[(i, k) in G] «w[i, 0, 0, 0]*w[k, 0]"),
    ("E0201", V + "energy = sum[c in «H] prod[i in c] v[i]"),
    ("E0208", V + G + "energy = sum[«c in G] v[c]"),
    ("E0208", V + "energy = sum[k] v[k] * prod[i in «k] v[i]"),
    ("E0212", V + "graph H = «hyperedges(3)\nenergy = sum(v)"),
    ("E0402", V + 'graph H = hyperedges(«"none.csv")\nenergy = sum(v)'),
    ("E0310", V + G + "energy = prod[(«i, k) in G] v[i]*v[k]"),
    ("E0209", V + "energy = prod[i in range(3)] «i * v"),
    (
        "E0101",
        V + "energy = prod[i] v[i] * «prod[k] v[k] * sum(v)".replace("«prod[k] v[k] * sum(v)", "prod[k] v[k] «@"),
    ),
    ("E0310", "visible w[200] : binary\nenergy = prod[i] «(w[i] - 2)".replace("prod[i] «(", "«prod[i] (")),
    ("E0209", V + "param W[3, 4, 4]\nenergy = sum(W @ «v)"),
    ("E0211", "dim I = «pi\nvisible v[I] : binary\nenergy = sum(v)"),
    ("E0212", V + "param b[4] = «uniform(low = 2, high = 1)\nenergy = - b @ v"),
    ("E0212", VH + "param b[3] = base_rate(«h)\nenergy = sum(v) - b @ h"),
    ("E0212", V + "graph G = «ring(4)\nenergy = sum(v)"),
    ("E0212", V + "graph G = «3\nenergy = sum(v)"),
    ("E0212", V + "graph G = «chain(2, 3)\nenergy = sum(v)"),
    ("E0212", V + "graph G = chain(4, closed = «true)\nenergy = sum(v)"),
    ("E0212", V + "graph G = chain(4, periodic = «2)\nenergy = sum(v)"),
    ("E0212", V + "graph G = «random_regular(degree = 3)\nenergy = sum(v)"),
    ("E0212", V + "graph G = «random_regular(degree = 5, nodes = 4)\nenergy = sum(v)"),
    ("E0212", V + "graph G = «random_regular(degree = 3, nodes = 5)\nenergy = sum(v)"),
    ("E0212", V + "graph G = «complete(100000)\nenergy = sum(v)"),
    ("E0212", V + "graph «G\nenergy = sum(v)"),
    ("E0212", V + "energy = sum(«erf(v))"),
    ("E0212", V + "energy = sum(«exp(v, v))"),
    ("E0212", V + "energy = «exp(x = 3)"),
    ("E0212", V + "energy = sum(v^«v)"),
    ("E0212", V + "param a\nenergy = sum[i] a^«i * v[i]"),
    ("E0212", V + "energy = sum(v^«100)"),
    ("E0212", V + "energy = sum(v) / «0"),
    ("E0212", "dim I = 4 / «0\n" + V + "energy = sum(v)"),
    ("E0212", V + "energy = sum(v) + «true"),
    ("E0212", V + "param b[4]\nenergy = sum(b)\n  - «1e308*10*b @ v"),
    ("E0212", V + "energy = «sum(v)*(1e-200)^-2"),
    ("E0211", "visible «v[" + ", ".join("1" * 31) + "] : binary\nenergy = sum(v)"),
    ("E0213", VH + "param W[4, 3] : «symmetric\nenergy = - v @ W @ h"),
    ("E0213", V + "param b[4] : «zero_diagonal\nenergy = - b @ v"),
    ("E0213", V + "param «b[4] : positive\nenergy = - b @ v"),
    ("E0213", V + "param b[4] : positive = «0\nenergy = - b @ v"),
    ("E0213", V + "param b[4] : nonnegative = «-1\nenergy = - b @ v"),
    ("E0213", V + "const c : positive = «-1\nenergy = c * sum(v)"),
    ("E0213", V + "param «b[4, 4] : positive & zero_diagonal = 1\nenergy = - sum(b)"),
    ("E0214", "graph G = chain(5)\n" + V + "energy = sum[(i, k) in G] v[«i]*v[k]"),
    ("E0214", V + "graph «G[3] = chain(4)\nenergy = sum(v)"),
]

MEANING = [
    ("E0301", VH + W + "energy = - v @ W @ h\nschedule («v, h)"),
    ("E0301", V + "energy = - sum[i < k] v[i]*v[k]\nschedule («v)"),
    ("E0301", "visible v[4] : spin\nenergy = - sum[i in range(3)] softplus(v[i] + v[i + 1])\nschedule («v)"),
    ("E0302", VH + W + "energy = - v @ W @ h\n«schedule (v)"),
    ("E0302", VH + W + "energy = - v @ W @ h\nschedule (v), («v), (h)"),
    ("E0302", V + "input x[2] : real\nenergy = sum(v)*sum(x)\nschedule (v), («x)"),
    ("E0201", V + "energy t = - sum(v)\naugment «tt"),
    ("E0202", V + "energy t = - softplus(sum(v))\naugment t, «t"),
    ("E0202", V + "energy t = - softplus(sum(v))\naugment t («v)"),
    ("E0320", V + "energy t = - sum(v)\naugment «t"),
    ("E0320", V + "energy t = - sum(v) «+ softplus(sum(v))\naugment t".replace("«+ ", "+ «")),
    ("E0320", V + "param c\nenergy t = - softplus(sum(v)) - «c * sum(v)^3\naugment t"),
    ("E0320", V + "energy t = - softplus(sum(v))\naugment t (a, «b)"),
    ("E0201", VH + "energy = - sum(v)*sum(h)\nmarginalise «g"),
    ("E0321", VH + "energy = - sum(v)*sum(h)\nmarginalise «v"),
    ("E0321", VH + "energy = - sum(v)*sum[i < k] h[i]*h[k]\nmarginalise «h"),
    ("E0101", VH + "energy = - sum(v)*sum(h)\nmarginalise «(h)"),
    ("E0101", V + "energy t = - softplus(sum(v))\naugment t «= h"),
    ("E0102", V + "energy t = - softplus(sum(v))\naugment «energy"),
    ("E0303", VH + "energy v | h = - sum(v) - «sum[i < k] v[i]*v[k]"),
    ("E0303", VH + "«energy v | h = - sum(v)\nenergy h | v = - sum(h)"),
    ("E0303", VH + "hidden k[2] : binary\nenergy v | h = - sum(v)*sum(«k)"),
    ("E0303", V + "energy v | v = - «sum[i, k] v[i]*v[k]"),
    ("E0303", VH + "energy v, h | «v = - sum(v)*sum(h)"),
    ("E0303", V + "input x[2] : real\nenergy «x | v = - sum(x)"),
    ("E0303", V + "input x[2] : real\nlayers x «<- v"),
    ("E0311", X + "energy = «sum(x^3) + sum(x^2)"),
    ("E0310", X + "energy = sum(«x^-3) + sum(x^2)"),
    ("E0310", X + "energy = sum(x^2) + «sum(exp(x^2))"),
    ("E0310", X + "energy = sum(x^2) + sum[i] «sqrt(x[i])"),
    ("E0310", X + "energy = sum(x^4) + «sum[i] abs(x[i]^2 - 1)"),
    ("E0310", X + "param a\nenergy = sum(x^2) + «sum(tanh(a * x))"),
    ("E0310", "visible n[3] : count\nenergy = sum(lgamma(n + 1)) + «exp(sum(n))"),
    ("E0310", V + "energy = «log(sum(v))"),
    ("E0310", V + "param a[4]\nenergy = «(a @ v)^0.5"),
    ("E0310", V + "param a[4]\nenergy = «1 / (1 + a @ v)"),
    ("E0310", V + "energy = sum(«log(v))"),
    ("E0310", V + "energy = «sum[i] v[i] / i"),
    ("E0310", V + "energy = «sum[i, k] v[i]*v[k] / (i - k)^2"),
    ("E0310", V + "energy = «sum[i] exp(300 * i)*v[i]"),
    ("E0310", V + "energy = sum(«1 / v)"),
    ("E0310", X + "energy = sum(x^2) + sum(«x^0.5)"),
    ("E0311", X + "energy = sum(x^2) + «sum[i] x[i]*x[i]^2"),
    ("E0311", X + "param a\nenergy = «a * sum(x^4)"),
    (
        "E0311",
        "visible x[4] : real\nparam J[4, 4] : zero_diagonal & symmetric, f[4]\nenergy = - f @ x - «0.5 * x @ J @ x",
    ),
    ("E0311", "visible n[3] : count\nenergy = sum(lgamma(n + 1)) - «sum(n^2)"),
    (
        "E0310",
        "visible n[3] : count\nhidden z[3] : binary\nenergy = - sum(z)\nenergy n | z = sum(lgamma(n + 1)) - «log(sum(z))*sum(n)",
    ),
    ("E0311", X + "energy = «sum(x)"),
    ("E0311", X + "energy = -«sum(x^2)"),
    ("E0311", X + "param a[4]\nenergy = «sum(a * x^2)"),
    ("E0311", X + "param a[4, 4] : symmetric\nenergy = «x @ a @ x"),
    ("E0311", X + "energy = «sum[i in range(3)] x[i]^2"),
    ("E0311", X + "const t = 1\nenergy = «t * sum(x^2)"),
    (
        "E0311",
        "visible n[3] : count\nhidden m[2] : count\nparam W[3, 2]\n"
        "energy = sum(lgamma(n + 1)) + sum(lgamma(m + 1)) - «n @ W @ m",
    ),
    ("E0311", "visible t[3] : positive\nenergy = - «sum(t)"),
]

WARNINGS = [
    ("W0401", V + "param «b[4]\nenergy = sum(v)"),
    ("W0402", V + "param J[4, 4] : symmetric\nenergy = «- v @ J @ v"),
    ("W0402", V + "param J[4, 4] : symmetric & zero_diagonal\nenergy = - «sum[i, k] v[i]*J[i, k]*v[k]"),
    ("W0403", V + "visible «u[2] : binary\nenergy = sum(v)"),
    ("W0404", V + "«hidden h[2] : binary\nenergy = sum(v) + sum(h)".replace("«hidden h", "hidden «h")),
    ("W0407", X + "param T\nenergy = sum(x^2) - «sum(x) / T"),
    ("W0407", X + "param T, U = 1\nenergy = sum(x^2) - «sum(x) / (T * U - T)"),
    ("W0407", X + "param T\nenergy = sum(x^2) - «log(T) * sum(x)"),
    ("W0405", X + "param J[4, 4] : symmetric & zero_diagonal\nenergy = sum(x^2) - «0.5 * x @ J @ x"),
    ("W0406", X + "hidden h[3] : binary\nlayers x -- h\nenergy = «0.5 * sum(x^2)"),
    ("W0406", VH + "layers v -- h\nenergy = «- v @ W_v_h @ h"),
]  # fmt: skip

TABLE = SYNTAX + NAMES + INDICES + SHAPES + MEANING + WARNINGS


def diagnose(text: str) -> list[Diagnostic]:
    return check(Source("bad.energy", text), Overrides({}, {}, {}))


def test_the_table_is_long_enough() -> None:
    assert len(TABLE) >= 150


@pytest.mark.parametrize(("code", "marked"), TABLE, ids=[f"{n}-{c}" for n, (c, _) in enumerate(TABLE)])
def test_code_and_place(code: str, marked: str) -> None:
    place = marked.index("«")
    text = marked.replace("«", "")
    wanted = (code, *Source("", text).locate(min(place, max(0, len(text) - 1))))
    found = [(d.code, d.span.line, d.span.column) for d in diagnose(text) if d.span]
    assert wanted in found, "\n".join(d.render() for d in diagnose(text))
    assert all(d.message and d.render() for d in diagnose(text))


def test_all_independent_errors_in_one_report() -> None:
    text = "dim I = 0\nvisible v[4] : bin\nparam W[Q], b[4] = nrmal(sd = 1)\nenergy = = 3\nlayers a -\n"
    codes = [d.code for d in diagnose(text)]
    assert codes == ["E0101", "E0101"]
    fixed = text.replace("energy = = 3\nlayers a -\n", "energy = sum(x) + v[9]\n")
    assert [d.code for d in diagnose(fixed)] == ["E0211", "E0212", "E0201", "E0212", "E0201"]


def test_a_comment_silences_a_warning_on_its_line() -> None:
    text = V + "param J[4, 4] : symmetric\nenergy = - v @ J @ v{}\n"
    assert [d.code for d in diagnose(text.format(""))] == ["W0402"]
    assert diagnose(text.format("  # allow: W0402")) == []
    assert [d.code for d in diagnose(text.format("  # allow: W0401"))] == ["W0402"]


HELP = [
    (V + "param b[4]\nenergy = b'v", "`b @ v` is the inner product"),
    (V + "energy = 2 v", "a product is written out"),
    (V + "param b[4]\nenergy = b v", "a product is written out"),
    (VH + W + "energy = sum(v*W*h)", "`@` contracts: v @ W"),
    (V + "param b[4]\nenergy = b * v", "`@` contracts"),
    (V + "energy visible = sum(v)", "choose another name"),
    (X + "energy = -sum(x^2)", "another model"),
    (X + "param a[4]\nenergy = sum(a * x^2)", "the same form"),
    (V + "param W[3, 4, 4]\nenergy = sum(W @ v)", "sum[k] W[i, j, k]*v[k]"),
    (V + "param W[4, 3, 2]\nenergy = sum((2 * v) @ W)", "sum[i] (2 * v)[i]*W[i, j, k]"),
    (V + "param W[3, 4, 4]\nenergy = sum(v @ W)", "for more axes there is the index form"),
    (X + "energy = sum(x)", "add 0.5 * sum(x^2) to the energy: that is another model"),
]


@pytest.mark.parametrize(("text", "help"), HELP, ids=[h for _, h in HELP])
def test_the_way_out(text: str, help: str) -> None:
    assert any(help in d.help for d in diagnose(text)), [d.help for d in diagnose(text)]


def test_numbers_from_outside_are_numbers() -> None:
    text = "dim I = 2\nconst c = 1\nconst d = c * 2\n" + "visible v[I] : binary\nenergy = d * sum(v)"
    assert ed.loads(text, dims={"I": np.int64(3)}, consts={"c": np.float32(0.5)}).layers["v"].shape == (3,)
    for value in ("4", None, float("nan"), [3]):
        with pytest.raises(ed.ArgumentError, match="dim `I`"):
            ed.loads(text, dims={"I": value})  # type: ignore[dict-item]
        with pytest.raises(ed.ArgumentError, match="const `c`"):
            ed.loads(text, consts={"c": value})  # type: ignore[dict-item]
    with pytest.raises(ed.ModelError, match="E0211"):
        ed.loads(text, dims={"I": 2.5})  # type: ignore[dict-item]


def test_layers_say_which_term_is_their_own() -> None:
    text = X + "hidden h[3] : binary\nhidden n[2] : count\nlayers x -- h -- n\nenergy = sum(x){}"
    assert diagnose(text.format("")) == []
    assert diagnose(text.format(" + 0.5*sum(x^2)  # allow: W0406")) == []
    model = ed.loads(text.format(""))
    assert "`x`, real, has its own term 0.5 * sum((x - b_x)^2)" in model.explain()
    assert model.explain("json")["own_terms"]["n"] == "sum(lgamma(n + 1)) - sum(b_n * n)"


def test_a_shape_error_names_both_places() -> None:
    (diagnostic,) = diagnose(VH + "energy = v @ h")
    assert [n.span.column for n in diagnostic.notes if n.span] == [10, 14]
    as_data = diagnostic.as_dict()
    assert (as_data["line"], as_data["column"], as_data["end_column"]) == (3, 14, 15)
    assert as_data["severity"] == "error"


def test_unknown_names_get_a_suggestion() -> None:
    (diagnostic,) = diagnose("visible image[4] : binary\nenergy = sum(imge)")
    assert "image" in diagnostic.help


def test_absent_graph_is_an_error_of_compiling_not_of_checking() -> None:
    text = "graph G[4]\nvisible s[4] : spin\nparam J[G]\nenergy = - sum[(i, k) in G] J[i, k]*s[i]*s[k]"
    assert diagnose(text) == []
    with pytest.raises(ed.ModelError) as caught:
        ed.loads(text).compile()
    assert caught.value.diagnostics[0].code == "E0402"

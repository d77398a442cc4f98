"""Mutants of the compiler: each is one mistake that people make by hand, switched on by replacing one function.

`MUTANTS` maps a name to (model text, patch). A patch takes pytest's monkeypatch.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import energydsl.derive
import energydsl.derive.directed.problems
import energydsl.derive.fields
import energydsl.graph.colouring
import energydsl.graph.lattice
import energydsl.model.in_order
import energydsl.verification.certificate
from energydsl.augment import expand as auxiliary
from energydsl.augment.rule import Match
from energydsl.augment.write import number, times
from energydsl.backends.numpy.printer import Printer
from energydsl.backends.text import Printed
from energydsl.derive import conditionals, differences
from energydsl.derive.directed.network import Factor
from energydsl.derive.records import BlockPart
from energydsl.domains import DOMAINS, FAMILIES, mapped
from energydsl.domains.scalar import Num, Op, apply
from energydsl.domains.table import ETA1, ETA2, HIGH, LOW, UNIFORM
from energydsl.energy import expand, rules, separate, statistics, targets, terms
from energydsl.energy.expand import Expander
from energydsl.energy.terms import At, Energy, Term
from energydsl.functions import FUNCTIONS
from energydsl.graph.colouring import UnitColouring
from energydsl.model import ordering
from energydsl.model.indices import Index
from energydsl.program import elimination, exact, gaussian, gradients, marginals
from energydsl.program.directed import Conditional, Directed
from energydsl.program.lines import nodes, scan
from energydsl.program.marginals import summed_out
from energydsl.syntax import tree

lowering = importlib.import_module("energydsl.kernels.lower")
dense = importlib.import_module("energydsl.kernels.dense")
Patch = Callable[[Any], None]

MEETING = (
    "visible v[2] : real\nhidden z : binary\nparam b[2], c\nenergy = sum(v^2) - 0.5 * v[0]*v[1] - b @ v - c * v[0]*z"
)
RBM = "dim I = 5, J = 5\nvisible v[I] : binary\nhidden h[J] : binary\nparam W[I, J], b[I], c[J]\nenergy = - b @ v - c @ h - v @ W @ h"
SPIN_RBM = RBM.replace("binary", "spin")
DBM = "visible v[5] : binary\nhidden h1[4] : binary\nhidden h2[3] : binary\nlayers v -- h1 -- h2"
TRIANGLE = "visible a[3] : spin\nhidden b[3] : spin\nhidden c[3] : spin\nparam U[3, 3], V[3, 3], T[3, 3]\nenergy = - a @ U @ b - b @ V @ c - c @ T @ a"
HOPFIELD = "dim N = 5\nvisible x[N] : binary\nparam J[N, N] : symmetric & zero_diagonal, a[N]\nenergy = - a @ x - 0.5 * x @ J @ x"
SQUARE = "dim N = 5\nvisible x[N] : binary\nparam J[N, N]\nenergy = - x @ J @ x"
SPIN_SQUARE = SQUARE.replace("binary", "spin")
GAUSS = "dim I = 4, J = 3\nvisible v[I] : real\nhidden h[J] : binary\nparam W[I, J], b[I], c[J], sigma[I] : positive = 1\nenergy = sum((v - b)^2 / (2 * sigma^2)) - c @ h - (v / sigma) @ W @ h"
ISING = "dim L = 5\nconst K = 0.4\nvisible s[L, L] : spin\nenergy = - K * sum[i, j] (s[i, j]*s[(i + 1) % L, j] + s[i, j]*s[i, (j + 1) % L])"
RING = "dim L = 5\nvisible s[L] : spin\nparam J[L]\nenergy = - sum[i] J[i]*s[i]*s[(i + 1) % L]"
GLASS = "graph G = random_regular(degree = 3, nodes = 8)\nvisible s[8] : spin\nparam J[G], f[8]\nenergy = - sum[(i, k) in G] J[i, k]*s[i]*s[k] - f @ s"
POTTS = "dim N = 3, K = 3\nvisible x[N] : categorical[K]\nhidden h[2] : binary\nparam W[N, K, 2], g[N, K]\nenergy = - sum[n, a] g[n, a]*x[n, a] - sum[n, a, j] x[n, a]*W[n, a, j]*h[j]"
PAIRS = (
    "dim N = 3, K = 3\nvisible x[N] : categorical[K]\nparam W[K, K]\nenergy = - sum[i, k, a, b] x[i, a]*W[a, b]*x[k, b]"
)
NAMED = "visible v[4] : binary\nhidden h[3] : binary\nparam W[4, 3], b[4]\nenergy bias = - b @ v\nenergy coupling = - v @ W @ h"
CURVED = "visible v[3] : binary\nparam w[3] : positive = 1\nenergy = - sum(v * w^3) - sum(exp(w) * v)"
CONV = "dim N = 4, K = 2, M = N - K + 1\nvisible v[N] : binary\nhidden h[M] : binary\nparam W[K]\nenergy = - sum[i, p] h[i]*W[p]*v[i + p]"
INNER = "visible x[4] : binary\nparam a[4]\nenergy = sum(exp(a * x)) / (1 + exp(sum(a)))"
IN_ORDER = "visible v[4] : binary\nparam W[4, 4], b[4]\nenergy v | v = - b @ v - sum[j < i] v[i]*W[i, j]*v[j]"
BELIEF = "visible v[3] : binary\nhidden h1[2] : binary\nhidden h2[2] : binary\nlayers v <- h1 -- h2"
WAITING = "visible x[3] : positive\nparam a[3] : positive = 1\nenergy = a @ x"
RECTIFIED = (
    "visible x[2] : positive\nhidden h[2] : binary\nparam a[2], W[2, 2]\nenergy = 0.5 * sum(x^2) - a @ x - x @ W @ h"
)
BOUNDED = "visible x[2] : interval[-1, 2]\nhidden h[2] : binary\nparam a[2], W[2, 2]\nenergy = - a @ x - x @ W @ h"
QUARTIC = (
    "visible v[2] : binary\nhidden x[2] : real\nparam W[2, 2], g : positive = 1\n"
    "energy = g * sum(x^4) - 2 * sum(x^2) - v @ W @ x"
)
ROTORS = "visible a[2] : interval[-3, 3]\nparam K\nenergy = - K * sin(a[0] - a[1]) - sum(cos(2 * a))"
COX = "visible n : count\nhidden x[2] : real\nenergy = lgamma(n + 1) - n * sum(x) + sum(exp(x)) + 0.5 * sum(x^2)"
POISSON = (
    "visible n[2] : count\nhidden h[2] : binary\nparam b[2], W[2, 2]\nenergy = sum(lgamma(n + 1)) - b @ n - n @ W @ h"
)
GEOMETRIC = "visible n[2] : count\nparam a[2] : positive = 1\nenergy = a @ n"
FACTORED = "dim I = 60, J = 50, F = 40\nvisible v[I] : binary\nhidden h[J] : spin\nparam A[I, F], B[I, F], C[J, F]\nenergy = - sum((v @ A) * (v @ B) * (h @ C))"
JOINED = "graph G = complete(3)\nvisible x[3] : categorical[2]\nparam J[G, 2, 2]\nenergy = - sum[(i, k) in G, a, b] J[i, k, a, b]*x[i, a]*x[k, b]"
BINOMIAL = "visible n[2] : integer[0, 4]\nhidden h[2] : binary\nparam W[2, 2]\nenergy = sum(lgamma(n + 1)) + sum(lgamma(5 - n)) - n @ W @ h"
ORDINAL = "visible x[2] : integer[-1, 2]\nhidden h[2] : binary\nparam W[2, 2], d[2]\nenergy = sum(d * x^2) - x @ W @ h"
GAMMA = "visible x[2] : positive\nparam a[2] : positive = 2, b[2] : positive = 1\nenergy = sum((1 - a) * log(3 * x)) + b @ x"
BETA = "visible x[2] : interval[0, 1]\nparam a[2] : positive = 2, b[2] : positive = 1\nenergy = sum((1 - a) * log(x)) + sum((1 - b) * log(1 - x))"
SHIFTED = (
    "visible x[2] : real\nparam m[2], b[2] : positive = 1, w[2]\nenergy = sum(b * abs(x - m)) + 0.5 * sum(x^2) - w @ x"
)
STEEP = "visible x[2] : real\nparam a[2] : positive = 1\nenergy = 0.5 * sum(x^2) - sum(tanh(a * x))"
STUDENTS = "visible x[2] : real\nparam b[2] : positive = 1\nenergy = 3 * sum(log(1 + x^2 / b)) + 0.1 * sum(x^2)"
BUNCHED = "visible n[2] : count\nparam a[2] : positive = 1\nenergy = sum(lgamma(n + 1)) - sum(lgamma(n + 2.5)) + a @ n"
SHAPED_COUNT = "visible n[2] : count\nparam r[2] : positive = 1\nenergy = sum(lgamma(n + 1)) - sum(lgamma(n + r + 3)) + 0.7 * sum(n)"
SQUASHED = "visible v[3] : binary\nparam w[3] = 0.5\nenergy = - sigmoid(0.7) * sum(v * tanh(w))"
NUMBERED = "visible s[5] : spin\nenergy = sum[n] (n + 0.5)*s[n] + sum[i < k] s[i]*s[k] / (k - i)^2"
ORDERED = "visible s[4] : binary\nparam J[4, 4, 4]\nenergy = sum[i <= j < k] J[i, j, k]*s[i]*s[j]*s[k]"
CHANNELS = "dim C = 2\ngraph G = grid(2, 2)\nvisible x[2, 2, C] : spin\nparam J[G, C, C]\nenergy = sum[(u, v) in G, c, d] J[u, v, c, d]*x[u, c]*x[v, d]"
PARITY = "visible s[4] : spin\nparam J\nenergy = J * prod[i] s[i] + sum(s)"
INPUT = "input x[3] : real\nvisible v[3] : binary\nparam A[3, 3], b[3]\nenergy = - b @ v - x @ A @ v"

FORM = "dim I = 3, J = 2\nvisible x[I] : spin\nparam W[I, J], c[J], g[J] : positive = 1\nlet u = c + x @ W\nenergy t = {}\naugment t"
SOFT = FORM.format("- sum(softplus(u)) - sum(x)")
COSH = FORM.format("- sum(logcosh(u))")
MIXED = FORM.format("- log(sum[j] g[j]*exp(c[j] + sum[i] x[i]*W[i, j]))")
SQUARED = FORM.format("- 1.5 * sum(g * u^2)")
STUDENT = FORM.format("sum(log(1 + u^2 / 2))")
SHAPED = FORM.format("g @ log(1 + u^2 / 2)")
MEMORY = "dim N = 5, P = 2\nvisible s[N] : spin\nparam X[P, N]\nenergy = - 0.1 * sum[p] (sum[i] X[p, i]*s[i])^4"
EXPERTS = "visible v[4] : binary\nparam W[4, 3], c[3]\nenergy = - sum(softplus(c + v @ W))"
NETWORK = "visible x[2] : integer[0, 2]\nparam W[2, 3], U[3, 2], d[2]\nenergy = - d @ tanh(tanh(x @ W) @ U)"
EXPONENTIAL = "visible s[4] : spin\nparam X[3, 4]\nenergy = - log(sum[p] exp(2 * sum[i] X[p, i]*s[i]))"
BESIDE = "visible x[3] : spin\nparam W[3, 2]\nenergy = - sum[i, j] x[i] * softplus(sum[l] x[l]*W[l, j])"
TABLES = "visible x[3] : categorical[3]\nparam W[3, 3, 2]\nenergy = sum[j] exp(0.3 * sum[i, a] W[i, a, j]*x[i, a])"
NAMES = "dim N = 3\nvisible s[N] : spin\nenergy = - 0.1 * sum[p in range(N)] (sum[i] (i - p)*s[i])^4"
WINDOWS = (
    "visible x[2, 4] : binary\nparam W[2, 2]\nenergy = sum[j in range(3)] log(1 + (sum[p, q] W[p, q]*x[p, j + q])^2)"
)
DEEP = "visible x[5] : integer[0, 1]\nparam A[2], B[2]\nenergy = sum[k in range(3)] softplus(sum[j] B[j]*tanh(sum[i] A[i]*x[k + i + j]))"
TWO_FORMS = "visible x[6] : spin\nparam A[2]\nenergy = sum[k in range(3)] tanh(sum[i] A[i]*x[k + i])*tanh(sum[i] A[i]*x[k + 2 + i])"
BESIDE_WINDOWS = "visible x[5] : spin\nparam W[2]\nenergy = - sum[k in range(4)] x[k] * softplus(sum[i] x[k + i]*W[i])"
ENERGETIC = "visible x[2] : real\nparam W[2, 3], c[3]\nenergy = sum(x^2) + sum(softplus(c + x @ W))"

LEANING = "visible x[2] : real\nparam W[2, 2]\nenergy = 0.05 * sum(x^2) - 30 * sum(softplus(x @ W))"
HALF_LINE = "visible x[2] : positive\nhidden h : spin\nparam W[2, 2]\nenergy = 0.3 * sum(log(x)) + 2 * sum(x^2) + sum(softplus(x @ W)) - h * tanh(sum(x))"


def set_to(module: Any, name: str, make: Callable[[Any], Any]) -> Patch:
    """Replace `module.name` by what `make` makes of it."""
    return lambda monkeypatch: monkeypatch.setattr(module, name, make(getattr(module, name)))


def backwards(monkeypatch: Any) -> None:
    """Places in the order from the last to the first, everywhere."""
    for module in (energydsl.model.in_order, energydsl.derive.directed.problems):
        monkeypatch.setattr(module, "before", lambda a, b, *rest: ordering.before(b, a, *rest))


def innermost_apart(original: Any) -> Any:
    """A second entry of an inner form, and not one of another inner form in the same function."""

    def mutant(entry: Any) -> Any:
        inner = original(replace(entry, loops=entry.loops[-1:]))
        return replace(inner, loops=(*entry.loops[:-1], *inner.loops))

    return mutant


def without_parts(original: Any) -> Any:
    def mutant(self: Any, *args: Any, **kwargs: Any) -> Any:
        parts, self.generative = self.generative, ()
        try:
            return original(self, *args, **kwargs)
        finally:
            self.generative = parts

    return mutant


def lost_below(original: Any) -> Any:
    def mutant(self: Any, beta: float = 1.0, *args: Any, **kwargs: Any) -> Any:
        found = original(self, beta, *args, **kwargs)
        return replace(found, parts=original(self, 1.0, *args, **kwargs).parts)

    return mutant


def family(name: str, **changes: Any) -> Patch:
    """A family with changed formulas, in every domain that has it."""

    def patch(monkeypatch: Any) -> None:
        for domain in list(DOMAINS.values()):
            changed = tuple(replace(f, **changes) if f.name == name else f for f in domain.families)
            monkeypatch.setitem(DOMAINS, domain.name, replace(domain, families=changed))

    return patch


def function(name: str, **changes: Any) -> Patch:
    """An entry of the table of elementary functions, changed."""
    return lambda monkeypatch: monkeypatch.setitem(FUNCTIONS, name, replace(FUNCTIONS[name], **changes))


def energy(change: Callable[[Term], Term | None]) -> Patch:
    """Every term of the canonical energy changed, or dropped."""

    def make(original: Any) -> Any:
        def mutant(*args: Any) -> Any:
            found, warnings = original(*args)
            return Energy(tuple(t for t in map(change, found.terms) if t is not None)), warnings

        return mutant

    return set_to(energydsl.verification.certificate, "canonicalise", make)


def scaled(term: Term, factor: float) -> Term:
    return replace(term, monomial=term.monomial.scaled(factor))


def units(term: Term) -> int:
    return len(term.monomial.units())


def rule(unit: str, change: Callable[[Match], Match]) -> Patch:
    """What the rule of one kind of auxiliary unit finds, changed."""

    def make(rules: Any) -> Any:
        def changed(original: Any) -> Any:
            def mutant(*args: Any) -> Match | None:
                found = original(*args)
                return found and change(found)

            return mutant

        return tuple(replace(r, match=changed(r.match)) if r.unit == unit else r for r in rules)

    return set_to(auxiliary, "RULES", make)


def unit_terms(change: Callable[[Any, list[Any]], list[Any]]) -> Callable[[Match], Match]:
    """The signed terms of an auxiliary unit, changed."""
    return lambda match: replace(match, terms=lambda z: change(z, list(match.terms(z))))


def doubled(z: Any, found: list[Any]) -> list[Any]:
    (sign, first), *rest = found
    return [(sign, times(number(first.span, 2.0), first)), *rest]


def source(old: str, new: str, count: int = -1) -> Patch:
    """The printed module with a text replaced."""

    def make(original: Any) -> Any:
        def mutant(*args: Any) -> Printed:
            text = original(*args).text
            assert old in text, f"the mutant finds nothing to change: {old}"
            return Printed("", text.replace(old, new, count))

        return mutant

    return set_to(Printer, "module", make)


def fields(change: Callable[[Any, tuple[Any, ...]], tuple[Any, ...]]) -> Patch:
    """The parts of every field changed, before they are merged."""

    def make(original: Any) -> Any:
        return lambda parts, rules: original(change(rules, tuple(parts)), rules)

    def patch(monkeypatch: Any) -> None:
        for module in (conditionals, energydsl.derive.fields):
            set_to(module, "merge", make)(monkeypatch)

    return patch


def schedule(change: Callable[[Any], Any]) -> Patch:
    def make(original: Any) -> Any:
        return lambda *args: change(original(*args))

    return set_to(energydsl.derive._schedule, "schedule", make)


def flipped_part(rules: Any, parts: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(replace(p, monomial=p.monomial.scaled(-1.0)) for p in parts)


def without_top_down(rules: Any, parts: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(p for p in parts if "h2" not in p.monomial.layers())


def only_first_occurrence(rules: Any, parts: tuple[Any, ...]) -> tuple[Any, ...]:
    seen: set[tuple[int, str]] = set()
    kept = []
    for part in parts:
        key = (part.term, part.label)
        if key not in seen:
            kept.append(part)
        seen.add(key)
    return tuple(kept)


def without_predicates(rules: Any, parts: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(replace(p, monomial=replace(p.monomial, predicates=())) for p in parts)


def one_block(blocks: Any) -> Any:
    return (tuple(part for block in blocks for part in block),) if blocks else blocks


def whole_layers(blocks: Any) -> Any:
    return tuple(tuple(dict.fromkeys(BlockPart(p.layer) for p in block)) for block in blocks)


def two_colours_by_parity(original: Any) -> Any:
    def mutant(shape: Any, offsets: Any) -> Any:
        return np.broadcast_to(sum(np.indices(shape)) % 2, shape)

    return mutant


def whole_parts(original: Any) -> Any:
    return lambda *args: UnitColouring("whole")


def transposed_access(original: Any) -> Any:
    def mutant(self: Any, atom: At, exponent: float, sizes: Any, fixed: Any) -> Any:
        access = original(self, atom, exponent, sizes, fixed)
        if atom.name == "W" and len(access.letters) == 2:
            return replace(access, letters=access.letters[::-1])
        return access

    return mutant


def no_power_rule(original: Any) -> Any:
    def mutant(monomial: Any, param: str, fresh: Any) -> Any:
        for derivative, target in original(monomial, param, fresh):
            worst = max((abs(e) for _, e in monomial.factors), default=1.0)
            yield derivative.scaled(1.0 / worst if worst > 1 else 1.0), target

    return mutant


def no_chain_rule(original: Any) -> Any:
    def mutant(atom: Any, part: Any) -> Any:
        return [(1.0, ())] if atom.function == "exp" else original(atom, part)

    return mutant


def doubled_symmetric(original: Any) -> Any:
    def mutant(engine: Any, param: Any, gradient: Any) -> Any:
        found = original(engine, param, gradient)
        return found * 2 if "symmetric" in param.constraints else found

    return mutant


def treats_all_as_symmetric(original: Any) -> Any:
    def mutant(atom: Any, rules: Any) -> Any:
        if isinstance(atom, At) and atom.kind == "param":
            return replace(atom, indices=tuple(sorted(atom.indices)))
        return original(atom, rules)

    return mutant


def wrong_shift(original: Any) -> Any:
    def mutant(inner: Index, modulus: int) -> Index:
        return original(Index(inner.terms, -inner.constant), modulus)

    return mutant


def one_hot_states_together(original: Any) -> Any:
    def mutant(monomial: Any, meeting: Any, rules: Any, around: Any) -> Any:
        return [separate._where_equal(monomial, *meeting, rules, around)]

    return mutant


def half_of_the_states(original: Any) -> Any:
    def mutant(self: Any, listed: Any) -> Any:
        for chunk in original(self, listed):
            yield {n: a[: len(a) // 2] for n, a in chunk.items()}

    return mutant


def ends_mixed_up(original: Any) -> Any:
    """The other end of the edge wherever one stands."""

    def mutant(self: Any, index: Index) -> Index:
        found = self.ends((index,))
        return Index.of(next(x for x in self.nodes if x != found[0])) if found else original(self, index)

    return mutant


def captures(original: Any) -> Any:
    """An index bound inside a function taken for one of the same name outside."""
    return lambda monomial, mapping: monomial.replace_binders(mapping)


_real = FAMILIES["normal"]
_truncated = FAMILIES["truncated_normal"]
_half = Op("multiply", (Num(0.5), ETA1))

MUTANTS: dict[str, tuple[str, Patch]] = {
    "the least eliminated in place of the largest": (RING, set_to(elimination, "_largest", lambda f: (lambda xp, v, axis: v.min(axis=axis)))),
    # the energy
    "coupling with the wrong sign": (RBM, energy(lambda t: scaled(t, -1.0) if units(t) == 2 else t)),
    "bias dropped": (RBM, energy(lambda t: None if units(t) == 1 else t)),
    "coupling counted twice": (RBM, energy(lambda t: scaled(t, 2.0) if units(t) == 2 else t)),
    "factor 1/2 forgotten": (HOPFIELD, energy(lambda t: scaled(t, 2.0) if t.monomial.predicates else t)),
    "diagonal counted twice": (SQUARE, energy(lambda t: scaled(t, 2.0) if units(t) == 1 else t)),
    "diagonal dropped": (SQUARE, energy(lambda t: None if units(t) == 1 else t)),
    "constant dropped": (GAUSS, energy(lambda t: None if units(t) == 0 else t)),
    "one triangle of a square form dropped": (
        SQUARE,
        energy(lambda t: None if t.monomial.predicates and t.monomial.predicates[0].left[0].plain == "i0" else t),
    ),
    "x^2 = 1 for {0, 1}": (SQUARE, set_to(rules, "_folded", lambda f: lambda p, e: f((-1.0, 1.0), e))),
    "x^2 = x for {-1, 1}": (SPIN_SQUARE, set_to(rules, "_folded", lambda f: lambda p, e: f((0.0, 1.0), e))),
    "every matrix taken as symmetric": (SQUARE, set_to(rules, "_symmetric", treats_all_as_symmetric)),
    "index inside a function mixed up": (INNER, set_to(terms, "_replace_under", captures)),
    "every diagonal taken as zero": (SQUARE, set_to(rules, "_on_zero_diagonal", lambda f: lambda a, r: len(a.indices) == 2 and a.indices[0] == a.indices[1])),
    "two states of one unit at once": (PAIRS, set_to(separate, "_split", one_hot_states_together)),
    # auxiliary units
    "softplus with twice the field": (SOFT, rule("binary", unit_terms(doubled))),
    "softplus of spins": (SOFT, rule("binary", lambda m: replace(m, domain="spin"))),
    "log cosh of binary units": (COSH, rule("spin", lambda m: replace(m, domain="binary"))),
    "log cosh without the constant": (COSH, rule("spin", lambda m: replace(m, constant=0.0))),
    "weights of a log-sum-exp forgotten": (MIXED, rule("categorical", unit_terms(lambda z, found: [(s, t if not hasattr(t, "tail") else replace(t, tail=(("*", t.tail[-1][1].head),))) for s, t in found]))),
    "square of variance 1/2": (SQUARED, rule("real", unit_terms(doubled))),
    "square coupled with the wrong scale": (SQUARED, rule("real", unit_terms(lambda z, found: [*found[:1], *doubled(z, found[1:])]))),
    "rate of an auxiliary unit without its form": (STUDENT, rule("positive", unit_terms(lambda z, found: [*found[:1], (found[1][0], times(number(found[1][1].span, 0.5), found[1][1])), *found[2:]]))),
    "log of an auxiliary unit forgotten": (SHAPED, rule("positive", unit_terms(lambda z, found: found[:-1]))),
    "what has no auxiliary unit dropped": (SOFT, set_to(auxiliary, "added", lambda f: lambda at, found: f(at, [p for p in found if "z_t" in {n.id for n in tree.names(p[1])}]))),
    "index counted from one": (NUMBERED, set_to(expand, "index_values", lambda f: lambda i: f(i + Index(constant=1)))),
    "power of an index lost": (NUMBERED, set_to(lowering, "_numbers", lambda f: lambda a, e, *rest: f(a, 1.0, *rest))),
    "equal indices left out of i <= k": (ORDERED, set_to(Expander, "_summed", lambda f: lambda self, n, b: self._summed_where(n, b, {}))),
    "a factor of a product lost": (PARITY, set_to(Expander, "_values", lambda f: lambda self, b, bound: list(f(self, b, bound))[1:])),
    # functions of several units
    "forms left as they were after a draw": (MEMORY, source("        change_forms__s(p, x, s, w, new, o0)\n", "")),
    "forms changed by the new value alone": (MEMORY, set_to(lowering, "changes", lambda f: differences.gains)),
    "old value left in a difference": (MEMORY, set_to(differences, "changes", lambda f: differences.gains)),
    "difference with the wrong sign": (EXPERTS, set_to(conditionals, "by_difference", lambda f: lambda *args: [replace(p, monomial=p.monomial.scaled(-1.0)) for p in f(*args)])),
    "difference of two spins not halved": (MEMORY, set_to(conditionals, "by_difference", lambda f: lambda *args: [replace(p, monomial=p.monomial.scaled(2.0)) for p in f(*args)])),
    "values of a binary unit taken for those of a spin": (EXPERTS, set_to(differences, "_points", lambda f: lambda layer: (-1.0, 1.0))),
    "unit of a table at its old value": (TABLES, set_to(differences, "_at_value", lambda f: lambda m, u, layer, value, *rest: f(m, u, layer, value, *rest).scaled(0.0 if value is None else 1.0))),
    "inner network left as it was": (NETWORK, set_to(differences, "holds_forms", lambda f: lambda a: f(a) and not any(m.joint_layers() for m in a.argument))),
    "slope of an inner function forgotten": (NETWORK, function("tanh", derivative=((1.0, ()),))),
    "shares of a log-sum-exp forgotten": (EXPONENTIAL, set_to(targets, "_slopes", lambda f: lambda a, part: [(1.0, ())] if a.function == "logsumexp" else f(a, part))),
    "largest exponent dropped": (EXPONENTIAL, source("return top + np.log(total)", "return np.log(total)")),
    "unit beside a function of its own layer held still": (BESIDE, set_to(separate, "_absorbed", lambda f: lambda m: m)),
    "coupling through a nested form overlooked": (DEEP, set_to(energydsl.graph.colouring, "_apart", innermost_apart)),
    "coupling between the factors of a product of functions overlooked": (TWO_FORMS, set_to(energydsl.graph.colouring, "held", lambda f: lambda m, layer: f(m, layer)[:1])),
    "boxes shorter than windows": (WINDOWS, set_to(energydsl.graph.lattice, "_boxes", lambda f: lambda shape, offsets, rings: np.indices(shape).sum(axis=0) % 2)),
    "forms left as they were after a block": (WINDOWS, source("x[name][rows] += change[rows][:, numbers[colour]] * gains[name][colour, point - 1]", "pass")),
    "forms with their block as it was": (WINDOWS, source("form = form - self.having(now, point)[:, numbers[colour]] * gains[name][colour, point - 1]", "pass")),
    "unit beside a function of its block held still": (BESIDE_WINDOWS, source("self.layer: self.at_point(first[self.layer], colour, point)", "self.layer: first[self.layer]")),
    "units of a block mixed up": (WINDOWS, source("rank[inside] = np.arange(len(inside))", "rank[inside] = len(inside) - 1 - np.arange(len(inside))")),
    "loops of equal names taken for one": (NAMES, set_to(lowering, "_apart", lambda f: lambda m, taken: m)),
    "unit displaced the other way along its line": (ENERGETIC, set_to(nodes.Form, "value", lambda f: lambda self, t, owner: 2 * nodes.of_chains(self.now, owner) - f(self, t, owner))),
    "bound of the slope along a line forgotten": (LEANING, set_to(scan.Along, "far", lambda f: lambda self, chains: (f(self, chains)[0], 0.0))),
    "forms left behind along a line": (ENERGETIC, set_to(nodes.Line, "went", lambda f: lambda self, new, found: f(self, new, []))),
    "density along a line without the slope of its variable": (HALF_LINE, set_to(scan.Density, "log_slope", lambda f: lambda self, y: 0.0)),
    "slope along a real unit forgotten": (ENERGETIC, function("softplus", derivative=((1.0, ()),))),
    # the fields
    "field with the wrong sign": (RBM, fields(flipped_part)),
    "top-down input forgotten": (DBM, fields(without_top_down)),
    "only one end of a pair gets the field": (RING, fields(only_first_occurrence)),
    "a unit coupled to itself": (SPIN_SQUARE, fields(without_predicates)),
    "neighbour taken on the wrong side": (RING, set_to(targets, "wrapped", wrong_shift)),
    "weights transposed": (RBM, set_to(lowering._Lowering, "_access", transposed_access)),
    "scatter overwrites in place of adding": (CONV, source("np.add.reduceat(values[..., self.order], self.starts, axis=-1)", "values[..., self.order][..., self.starts]")),
    # blocks
    "channels of one site mixed up": (CHANNELS, set_to(energydsl.derive, "unit_colouring", whole_parts)),
    "all layers in one block": (RBM, schedule(one_block)),
    "two blocks for an odd cycle of layers": (TRIANGLE, schedule(lambda blocks: (*blocks[:1], tuple(p for b in blocks[1:] for p in b)))),
    "coupled units drawn together": (HOPFIELD, set_to(energydsl.derive, "unit_colouring", whole_parts)),
    "checkerboard on an odd torus": (ISING, set_to(energydsl.graph.colouring, "lattice_colours", two_colours_by_parity)),
    "one colour for a graph": (GLASS, set_to(energydsl.derive, "unit_colouring", whole_parts)),
    "a layer never visited": (RBM, schedule(lambda blocks: blocks[:1])),
    "colours of the layer visited as a whole": (RING, schedule(whole_layers)),
    # domains
    "sigmoid of minus the field": (RBM, family("bernoulli", mean=apply("sigmoid", -ETA1))),
    "draws below the wrong side": (RBM, family("bernoulli", sample=1.0 - FAMILIES["bernoulli"].sample)),
    "log-partition of the wrong sign": (RBM, family("bernoulli", log_partition=apply("softplus", -ETA1))),
    "spin drawn at half the field": (SPIN_RBM, family("spin", sample=2.0 * apply("less", 2.0 * UNIFORM - 1.0, apply("tanh", _half)) - 1.0)),
    "spin log-partition without the factor 2": (SPIN_RBM, family("spin", log_partition=apply("softplus", ETA1))),
    "variance without the factor 1/2": (GAUSS, family("normal", variance=-1.0 / ETA2)),
    "mean not multiplied by the variance": (GAUSS, family("normal", mean=ETA1 + 0.0 * ETA2)),
    "Gaussian drawn without noise": (GAUSS, family("normal", sample=_real.mean + 0.0 * UNIFORM)),
    "standard deviation taken for the variance": (GAUSS, family("normal", sample=_real.mean + _real.variance * apply("ndtri", UNIFORM))),
    "states shifted by one": (POTTS, source("out[..., 1:] -= above[..., :-1]", "out[..., 1:] -= above[..., :-1]; out[...] = np.roll(out, 1, axis=-1)")),
    "softmax without its normalisation": (POTTS, family("categorical", log_partition=0.0 * FAMILIES["categorical"].log_partition)),
    "exponential of the rate taken for the mean": (WAITING, family("exponential", sample=-ETA1 * apply("log1p", -UNIFORM))),
    "truncated normal not truncated": (RECTIFIED, family("truncated_normal", mean=_real.mean, variance=_real.variance)),
    "truncation forgotten in the draw": (RECTIFIED, family("truncated_normal", sample=apply("clip", _real.sample, LOW, HIGH))),
    "truncation forgotten in the free energy": (RECTIFIED, family("truncated_normal", log_partition=_real.log_partition)),
    "interval drawn from the wrong end": (BOUNDED, family("truncated_exponential", sample=apply("truncated_exponential_draw", -ETA1, LOW, HIGH, UNIFORM))),
    "rate taken for its logarithm": (POISSON, family("poisson", mean=ETA1)),
    "Poisson drawn at twice the rate": (POISSON, family("poisson", sample=apply("poisson_draw", ETA1 + 0.693, UNIFORM))),
    "base measure multiplied by beta": (POISSON, set_to(marginals, "exponent", lambda f: (lambda terms, s: f(terms, s) + (s.beta - 1.0) * terms.get("", 0.0)))),
    "geometric counted from one": (GEOMETRIC, family("geometric", sample=1.0 + FAMILIES["geometric"].sample)),
    "factorial of a finite layer left untempered": (BINOMIAL, set_to(marginals, "exponent", lambda f: (lambda terms, s: f(terms, s) + 0.1 * (1.0 - s.beta) * terms["energy"]))),
    "table counted from zero": (ORDINAL, family("table", sample=apply("pick_last", ETA1, UNIFORM, 0.0))),
    "values of a table shifted": (ORDINAL, source("np.arange(-1, ", "1.0 + np.arange(-1, ")),
    # products of sums
    "diagonal of a product of sums counted twice": (FACTORED, set_to(lowering, "_all_less_equal", lambda f: lambda m, s: (lambda p: p and (p[0], p[1].scaled(-1.0)))(f(m, s)))),
    "diagonal of a product of sums left in": (FACTORED, set_to(lowering, "_all_less_equal", lambda f: lambda m, s: (lambda p: p and p[:1])(f(m, s)))),
    # sums over edges as sums over pairs of nodes
    "ends of an edge mixed up": (JOINED, set_to(dense._Sum, "at_node", ends_mixed_up)),
    "pairs that no edge joins coupled": (JOINED, source("out = np.zeros(self.shape, values.dtype)", "out = np.full(self.shape, values.max(), values.dtype)")),
    # densities without a closed form
    "sine added like a cosine": (ROTORS, set_to(Expander, "_added", lambda f: lambda self, name, a, s: f(self, "cos" if name == "sin" else name, a, s))),
    "power of a statistic lost": (QUARTIC, set_to(statistics, "_factor", lambda f: lambda a, e, *rest: f(a, 1.0, *rest))),
    "statistics of one unit mixed up": (QUARTIC, source("for e, t in zip(eta, density.along(x, density.unit(x)), strict=True)", "for e, t in zip(eta[::-1], density.along(x, density.unit(x)), strict=True)")),
    "mass that no panel holds": (QUARTIC, source("np.log(self.mass)", "np.log(0.99 * self.mass)")),
    "far wells dropped": (QUARTIC, source("PANEL_DEEP = 40.0", "PANEL_DEEP = 4.0")),
    "wall put too near": (COX, source("(np.log(most / ", "(np.log(0.02 * most / ")),
    "panels left coarse": (QUARTIC, source("0.25, 5.0, 2.0, 1e-15", "25.0, 500.0, 200.0, 1e-15")),
    "drawn evenly within a panel": (QUARTIC, source("for _ in range(PANEL_NEWTON):", "for _ in range(0):")),
    # densities over another variable than the unit
    "dx of a half-line forgotten": (GAMMA, source("return (1.0 + self.tilt) * y", "return self.tilt * y")),
    "dx between bounds by one end alone": (BETA, source("return log_sigmoid(y) + log_sigmoid(-y) if", "return log_sigmoid(y) if")),
    "the variable of integration drawn for the unit": (GAMMA, source("self.density.unit(np.where(np.isnan(edge), x, edge))", "np.where(np.isnan(edge), x, edge)")),
    "distance from the wrong bound": (BETA, set_to(mapped, "_between", lambda f: lambda n, s, a, b: ((replace(f(n, s, a, b)[0][0], polynomial=(0.0, -f(n, s, a, b)[0][0].polynomial[1])),), f(n, s, a, b)[1]))),
    "a constant inside a logarithm lost": (GAMMA, set_to(mapped, "_on_half_line", lambda f: lambda n, s: (f(n, s)[0], 0.0))),
    "an end cut off too near": (GAMMA, source("- np.log(len(orders) * m)", "- np.log(0.01 * m)")),
    # location and scale
    "location from the wrong place": (SHIFTED, source("m: Any = given[len(powers)] if", "m: Any = given[0] if")),
    "square not moved with the location": (SHIFTED, source("math.comb(p, j) * etas[k]", "0.0 * etas[k]")),
    "what a location adds to the exponent lost": (SHIFTED, source("above + etas[k] * m**p", "above")),
    "draw without its location": (SHIFTED, source('put(m + s * summed("draw"', 'put(s * summed("draw"')),
    "scale taken for its inverse": (STEEP, source("s: Any = given[-1] if scale else 1.0", "s: Any = 1.0 / given[-1] if scale else 1.0")),
    "dx of a scale forgotten": (STEEP, source("wide + np.log(s) if density.relocated[2] else wide", "wide")),
    "dx of the whole line forgotten": (STUDENTS, source("return (1.0 + self.tilt) * log_cosh(y)", "return self.tilt * log_cosh(y)")),
    "log of a square at half its place": (STUDENTS, source("2.0 * log_cosh(0.5 * y)", "log_cosh(0.5 * y)")),
    # counts by a table
    "n! left out of a table": (BUNCHED, source("return -lgamma(n + 1.0) if weighted", "return 0.0 * n if weighted")),
    "table ended too early": (BUNCHED, source("np.floor(np.exp(high)) + 3.0", "np.floor(np.exp(0.5 * high)) + 3.0")),
    "what is added to a count subtracted": (SHAPED_COUNT, source("z = (x - moved[0] if location", "z = (x + moved[0] if location")),
    "count drawn one too low": (BUNCHED, source("(below[:, :-1] <= (u * below[:, -1])[:, None])", "(below[:, :-2] <= (u * below[:, -1])[:, None])[:, 1:]")),
    "shift inside lgamma lost": (BUNCHED, set_to(statistics, "_factor", lambda f: lambda a, e, *rest: replace(f(a, e, *rest), polynomial=(1.0, 1.0)) if f(a, e, *rest).function else f(a, e, *rest))),
    # directed parts
    "conditional part not normalised": (BELIEF, set_to(Conditional, "log_probability", lambda f: lambda self, p, x, s: -summed_out(self.engine, self.params(p), {n: x[n] for n in self.engine.model.layers}, s, ()))),
    "beta lost in the directed parts": (BELIEF, set_to(Directed, "settings", lambda f: lost_below(f))),
    "a directed part left out of the joint": (BELIEF, set_to(Directed, "log_weights", lambda f: without_parts(f))),
    # units drawn in order
    "units in order drawn all at once": (IN_ORDER, set_to(Factor, "derive", lambda f: lambda self: energydsl.derive.derive(self.model, self.energy))),
    "units in order drawn from the last": (IN_ORDER, backwards),
    "units before left out of the likelihood": (IN_ORDER, set_to(Conditional, "inputs", lambda f: lambda self, x: {n: np.zeros_like(a) for n, a in f(self, x).items()})),
    # beta, weights, kernels
    "beta lost in one direction": (RBM, source('scale = s.beta * s.weights["energy"]', 'scale = s.weights["energy"]', 1)),
    "term weight lost in the field": (NAMED, source('s.weights["coupling"]', "1.0", 1)),
    "beta lost in the free energy": (RBM, set_to(marginals, "exponent", lambda f: (lambda terms, s: f(terms, s) / s.beta))),
    "input forgotten": (INPUT, fields(lambda r, parts: tuple(p for p in parts if len(p.monomial.factors) < 2))),
    "a unit left out of log Z": (DBM, set_to(exact, "joint_states", half_of_the_states)),
    "determinant of a joint density wrong": (MEETING, set_to(gaussian, "_cholesky", lambda f: lambda *args: 1.1 * f(*args))),
    # gradients
    "power rule without the exponent": (CURVED, set_to(targets, "_derivatives", no_power_rule)),
    "chain rule forgotten": (CURVED, set_to(targets, "_slopes", no_chain_rule)),
    "derivative of a function of the table wrong": (SQUASHED, function("tanh", derivative=((1.0, ()),))),
    "value of a function of the table wrong": (SQUASHED, function("sigmoid", value=math.tanh)),
    "gradient of a symmetric matrix doubled": (HOPFIELD, set_to(gradients, "projected", doubled_symmetric)),
    "gradient with the wrong sign": (RBM, set_to(energydsl.derive._gradients, "merge", lambda f: lambda parts, rules: f(flipped_part(rules, tuple(parts)), rules))),
    # slopes
    "slope of a pair by its first unit alone": (GLASS, set_to(energydsl.derive._slopes, "by_layer", lambda f: lambda *args: f(*args)[:1])),
    "slope without beta": (RBM, source('-1.0 * s.beta * s.weights["energy"] * p["b"]', '-1.0 * s.weights["energy"] * p["b"]')),
    "score of the wrong sign": (QUARTIC, set_to(gradients, "score", lambda f: lambda *args: {n: -g for n, g in f(*args).items()})),
    "chain rule forgotten in a slope": (COX, set_to(targets, "_slopes", no_chain_rule)),
    "base measure of a slope times beta": (POISSON, source("    total += t0\n", "    total += s.beta * t0\n")),
}  # fmt: skip

"""The oracle: energies by walking the resolved tree, everything else by enumeration. Slow, plain, independent.

Shares no code with `energy/` and what comes after it; a derivation is right when it agrees with this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from energydsl.model import expressions as ex
from energydsl.model.indices import Index
from energydsl.model.records import Layer, Resolved

Array = NDArray[Any]
# How far below the greatest value a density is nothing, and how little an integral still moves.
_DEEP, _STILL = 60.0, 1e-11

_FUNCTIONS: dict[str, Any] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "tanh": np.tanh,
    "sigmoid": special.expit,
    "softplus": lambda x: np.logaddexp(0.0, x),
    "sin": np.sin,
    "cos": np.cos,
    "lgamma": special.gammaln,
    "logcosh": lambda x: np.logaddexp(x, -x) - np.log(2.0),
}
_ARITHMETIC: dict[type, Any] = {ex.Added: np.add, ex.Multiplied: np.multiply, ex.Divided: np.divide}


class Oracle:
    """Energies of a model with given consts, term weights and edges."""

    def __init__(
        self,
        model: Resolved,
        edges: Mapping[str, Any],
        consts: Mapping[str, float] | None = None,
        weights: Mapping[str, float] | None = None,
    ):
        self.model = model
        self.edges = edges
        self.consts = {n: c.value for n, c in model.consts.items()} | dict(consts or {})
        self.weights = dict(weights or {})

    def energy(
        self, params: Mapping[str, Any], state: Mapping[str, Any], own: Mapping[str, Any] | None = None
    ) -> Array:
        """E of each row of a state, shape (rows,). own: parameters of which every row has its own values, (rows, *shape)."""
        return self._weighted(_Walk(self, params, state, own).scalar, self.base(params, state))

    def _weighted(self, value: Callable[[ex.Expression], Array], base: Array) -> Array:
        """The sum of the energy terms, by what each is, times their weights, but for the base measure."""
        total = (1.0 - self._weight_of_base()) * base
        for term in self.model.energies:
            total = total + self.weights.get(term.name, 1.0) * value(term.expression)
        return total

    def value(self, part: ex.Expression, params: Mapping[str, Any], state: Mapping[str, Any]) -> Array:
        """The value of a part of the energy, without weights, shape (rows,)."""
        return _Walk(self, params, state).scalar(part)

    def _weight_of_base(self) -> float:
        """The weight of the energy term that holds the base measure, which is not to be weighted."""
        weighed = self._weighed()
        holders = [t.name for t in self.model.energies if any(n in weighed for n, _ in _base_layers(t.expression))]
        return self.weights.get(holders[0], 1.0) if holders else 1.0

    def _weighed(self) -> list[str]:
        """Layers whose base measure is in the energy: with the factor 1, all signs added up."""
        total: dict[str, float] = {}
        for term in self.model.energies:
            for name, sign in _base_layers(term.expression):
                total[name] = total.get(name, 0.0) + sign
        return [n for n, factor in total.items() if factor == 1.0 and self.model.layers[n].domain.name == "count"]

    def base(self, params: Mapping[str, Any], state: Mapping[str, Any]) -> Array:
        """The sum of lgamma(x + 1) over count layers whose energy holds it: it is not multiplied by beta."""
        rows = len(next(iter(state.values())))
        total = np.zeros(rows)
        for name in self._weighed():
            total = total + log_factorial(np.asarray(state[name], float)).reshape(rows, -1).sum(axis=1)
        return total

    def exponent(self, params: Mapping[str, Any], state: Mapping[str, Any], beta: float) -> Array:
        """-log of what each row of a state weighs: beta E, but for the base measure."""
        base = self.base(params, state)
        return beta * (self.energy(params, state) - base) + base

    def changes(self, params: Mapping[str, Any], state: Mapping[str, Any], beta: float) -> Array:
        """The exponent of each row less that of the first, shape (rows,); no large number that both have counts by its rounding."""
        base = self.base(params, state)
        base = base - base[0]
        return np.asarray(beta * (self._weighted(_Walk(self, params, state).change, base) - base) + base)

    def kinks(self, given: Mapping[str, Any]) -> list[float]:
        """Where an absolute value of a unit times a number plus a number has its kink, for any entry of parameters and inputs, which are given."""
        found = [line for t in self.model.energies for line in _lines_in_abs(t.expression, given)]
        return [float(k) for b, a in found for k in np.ravel(-b / np.where(a == 0.0, np.nan, a)) if np.isfinite(k)]


def _lines_in_abs(node: Any, given: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """b, a of every abs(a x + b)."""
    if isinstance(node, ex.Applied) and node.function == "abs" and (line := _line(node.operand, given)) is not None:
        yield line
    for part in vars(node).values() if hasattr(node, "span") else ():
        if hasattr(part, "span"):
            yield from _lines_in_abs(part, given)


def _line(node: ex.Expression, given: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """b, a of an expression a x + b of numbers, parameters and one unit x; None for any other."""
    match node:
        case ex.Constant(value=value):
            return value, 0.0
        case ex.Reference(name=name) | ex.Element(base=ex.Reference(name=name)) if name in given:
            return np.asarray(given[name], float).ravel(), 0.0
        case ex.Reference(kind="layer") | ex.Element(base=ex.Reference(kind="layer")):
            return 0.0, 1.0
        case ex.Negated(operand=operand):
            line = _line(operand, given)
            return None if line is None else (-line[0], -line[1])
        case ex.Added() | ex.Multiplied() | ex.Divided():
            first, second = _line(node.left, given), _line(node.right, given)
            return None if first is None or second is None else _combined(node, first, second)
    return None


def _combined(
    node: ex.Added | ex.Multiplied | ex.Divided, first: tuple[Any, Any], second: tuple[Any, Any]
) -> tuple[Any, Any] | None:
    """b, a of what two lines make; None where that is no line."""
    (b, a), (d, c) = first, second
    if isinstance(node, ex.Added):
        return b + d, a + c
    if isinstance(node, ex.Multiplied):
        return None if np.any(a) and np.any(c) else (b * d, a * d + b * c)
    return (b / d, a / d) if np.all(d) and not np.any(c) else None


class _Walk:
    """One evaluation; every value has a leading axis of rows (length 1 where it does not depend on the state)."""

    def __init__(
        self,
        oracle: Oracle,
        params: Mapping[str, Any],
        state: Mapping[str, Any],
        own: Mapping[str, Any] | None = None,
    ):
        self.oracle, self.rows = oracle, len(next(iter(state.values())))
        self.params = {n: np.asarray(v, float)[None] for n, v in params.items()} | dict(own or {})
        self.state = {n: np.asarray(v, float) for n, v in state.items()}

    def scalar(self, part: ex.Expression) -> Array:
        """The value of a part of the energy, shape (rows,)."""
        return np.broadcast_to(self.value(part, {}), (self.rows,))

    def change(self, part: ex.Expression) -> Array:
        """By how much a part of the energy differs from what it is in the first row, shape (rows,)."""
        return np.broadcast_to(self.difference(part, {}), (self.rows,))

    def difference(self, node: ex.Expression, env: Mapping[str, int]) -> Array:
        """The value of an expression less that in the first row, of sums as the sum of the differences."""
        match node:
            case ex.Added(left=left, right=right):
                a, b = _of_one_rank(self.difference(left, env), self.difference(right, env))
                return np.asarray(a + b)
            case ex.Negated(operand=operand):
                return -self.difference(operand, env)
            case ex.Totalled(operand=operand):
                whole = self.difference(operand, env)
                return np.asarray(whole.reshape(len(whole), -1).sum(axis=1))
            case ex.Summed(body=body):
                return sum((self.difference(body, at) for at in self.places(node, env)), start=np.zeros(1))
            case ex.Multiplied(left=left, right=right):
                for factor, other in ((left, right), (right, left)):
                    if (fixed := self.fixed(factor, env)) is not None:
                        a, b = _of_one_rank(fixed, self.difference(other, env))
                        return np.asarray(a * b)
            case ex.Divided(left=left, right=right) if (fixed := self.fixed(right, env)) is not None:
                a, b = _of_one_rank(self.difference(left, env), fixed)
                return np.asarray(a / b)
        value = self.value(node, env)
        return np.asarray(value - value[:1])

    def fixed(self, node: ex.Expression, env: Mapping[str, int]) -> Array | None:
        """The value of an expression that is the same in all rows, with one; None for any other."""
        value = self.value(node, env)
        return value[:1] if (value == value[:1]).all() else None

    def value(self, node: ex.Expression, env: Mapping[str, int]) -> Array:
        """An expression where indices have the values of `env`."""
        match node:
            case ex.Constant() | ex.Reference() | ex.Element() | ex.EdgeElement() | ex.IndexValue():
                return self.leaf(node, env)
            case ex.Added() | ex.Multiplied() | ex.Divided():
                return self.elementwise(node, env)
            case ex.Negated(operand=operand):
                return -self.value(operand, env)
            case ex.Contracted(left=left, right=right):
                return self.contracted(self.value(left, env), self.value(right, env))
            case ex.Transposed(operand=operand):
                return np.swapaxes(self.value(operand, env), 1, 2)
            case ex.Raised(base=base, exponent=exponent):
                return np.asarray(self.value(base, env) ** exponent)
            case ex.Applied(function="log", operand=operand):
                return self.logarithm(operand, env)
            case ex.Applied(function=function, operand=operand):
                return np.asarray(_FUNCTIONS[function](self.value(operand, env)))
            case ex.Totalled(operand=operand):
                whole = self.value(operand, env)
                return np.asarray(whole.reshape(len(whole), -1).sum(axis=1))
            case ex.Summed() | ex.ProductOver():
                return self.reduced(node, env)
        raise AssertionError(node)

    def logarithm(self, node: ex.Expression, env: Mapping[str, int]) -> Array:
        """log of an expression; where exp in it overflows, from the logs of its parts."""
        with np.errstate(over="ignore"):
            found = np.asarray(np.log(self.value(node, env)))
        if not np.isinf(found).any():
            return found
        match node:
            case ex.Applied(function="exp", operand=operand):
                return self.value(operand, env)
            case ex.Added(left=left, right=right):
                return np.asarray(np.logaddexp(self.logarithm(left, env), self.logarithm(right, env)))
            case ex.Multiplied(left=left, right=right):
                return np.asarray(self.logarithm(left, env) + self.logarithm(right, env))
            case ex.Totalled(operand=operand):
                whole = self.logarithm(operand, env)
                return np.asarray(np.logaddexp.reduce(whole.reshape(len(whole), -1), axis=1))
            case ex.Summed():
                logs = [self.logarithm(node.body, inner) for inner in self.places(node, env)]
                return np.asarray(np.logaddexp.reduce(np.broadcast_arrays(*logs)))
        return found

    def leaf(
        self,
        node: ex.Constant | ex.Reference | ex.Element | ex.EdgeElement | ex.IndexValue,
        env: Mapping[str, int],
    ) -> Array:
        """A number, an array, or an entry of one."""
        match node:
            case ex.Constant(value=value):
                return np.full(1, value)
            case ex.Reference(kind="const", name=name):
                return np.full(1, self.oracle.consts[name])
            case ex.Reference(kind=kind, name=name):
                return self.params[name] if kind == "param" else self.state[name]
            case ex.Element():
                return self.element(node, env)
            case ex.IndexValue(index=index):
                return np.full(1, float(_number(index, env)))
            case ex.EdgeElement(param=param, graph=graph, left=left, right=right, indices=further):
                pair = sorted((env[left], env[right]))
                number = next(k for k, e in enumerate(self.oracle.edges[graph]) if list(e) == pair)
                at: tuple[Any, ...] = (slice(None), number, *(_number(i, env) for i in further))
                return np.asarray(self.params[param][at])

    def elementwise(self, node: ex.Added | ex.Multiplied | ex.Divided, env: Mapping[str, int]) -> Array:
        """A sum, product or quotient; a side of fewer axes has its entries repeated along the others."""
        return np.asarray(
            _ARITHMETIC[type(node)](*_of_one_rank(self.value(node.left, env), self.value(node.right, env)))
        )

    @staticmethod
    def contracted(a: Array, b: Array) -> Array:
        spec = {(2, 2): "ri,ri->r", (2, 3): "ri,rij->rj", (3, 2): "rij,rj->ri", (3, 3): "rij,rjk->rik"}[a.ndim, b.ndim]
        rows = max(len(a), len(b))
        a, b = (np.broadcast_to(x, (rows, *x.shape[1:])) for x in (a, b))
        return np.asarray(np.einsum(spec, a, b))

    def element(self, node: ex.Element, env: Mapping[str, int]) -> Array:
        whole = self.value(node.base, env)
        at: list[Any] = [_number(i, env) for i in node.indices]
        if node.flat:
            states = whole.shape[-(len(at) - 1) :] if len(at) > 1 else ()
            whole = whole.reshape(len(whole), -1, *states)
        index: tuple[Any, ...] = (slice(None), *at)
        return np.asarray(whole[index])

    def reduced(self, node: ex.Summed | ex.ProductOver, env: Mapping[str, int]) -> Array:
        """The sum, or product, of the body over all that the binders run over."""
        adds = isinstance(node, ex.Summed)
        total = np.zeros(1) if adds else np.ones(1)
        for inner in self.places(node, env):
            value = self.value(node.body, inner)
            total = total + value if adds else total * value
        return total

    def places(self, node: ex.Summed | ex.ProductOver, env: Mapping[str, int]) -> Iterator[dict[str, int]]:
        """All that the binders of a sum or product run over, in their order."""
        above = [b for b in node.binders if isinstance(b, ex.Range) and b.above is not None]
        for inner in self.every(node.binders, dict(env)):
            if all(inner[str(b.above)] + b.strict <= inner[b.name] for b in above):
                yield inner

    def every(self, binders: tuple[ex.AnyBinder, ...], env: dict[str, int]) -> Iterator[dict[str, int]]:
        """All values of the indices of some binders, beside those of `env`."""
        if not binders:
            yield env
            return
        for part in self.choices(binders[0], env):
            yield from self.every(binders[1:], env | part)

    def choices(self, binder: ex.AnyBinder, env: Mapping[str, int]) -> list[dict[str, int]]:
        """The values of the indices of one binder, in turn."""
        if isinstance(binder, ex.Hyperedges):
            return [{binder.name: n} for n in range(len(self.oracle.edges[binder.graph]))]
        if isinstance(binder, ex.Members):
            return [{binder.name: int(u)} for u in self.oracle.edges[binder.graph][env[binder.of]] if u >= 0]
        if isinstance(binder, ex.Edges):
            return [{binder.left: int(i), binder.right: int(k)} for i, k in self.oracle.edges[binder.graph]]
        return [{binder.name: n} for n in range(binder.low, binder.high)]


def _of_one_rank(a: Array, b: Array) -> tuple[Array, Array]:
    """Two arrays, the one of fewer axes with axes of length 1 behind its own."""
    rank = max(a.ndim, b.ndim)
    return a.reshape(a.shape + (1,) * (rank - a.ndim)), b.reshape(b.shape + (1,) * (rank - b.ndim))


def _base_layers(node: Any, coefficient: float = 1.0) -> Iterator[tuple[str, float]]:
    """Layers of which lgamma(x + 1) stands in a sum, with its sign."""
    match node:
        case ex.Added(left=left, right=right):
            yield from _base_layers(left, coefficient)
            yield from _base_layers(right, coefficient)
        case ex.Negated(operand=operand):
            yield from _base_layers(operand, -coefficient)
        case ex.Summed(body=inner) | ex.Totalled(operand=inner):
            yield from _base_layers(inner, coefficient)
        case ex.Applied(function="lgamma", operand=ex.Added(left=left, right=right)):
            unit, other = (left, right) if isinstance(right, ex.Constant) else (right, left)
            base = unit.base if isinstance(unit, ex.Element) else unit
            one = isinstance(other, ex.Constant) and other.value == 1.0
            if one and isinstance(base, ex.Reference) and base.kind == "layer":
                yield base.name, coefficient


def _number(index: Index, env: Mapping[str, int]) -> int:
    return int(index.value(env, lambda *_: None))


def unit_values(layer: Layer, points: Array | None = None) -> Array:
    """The values one unit of a layer can take, one row each; for infinitely many, `points` in (0, 1) moved into its domain."""
    match layer.domain.name:
        case "binary":
            return np.array([0.0, 1.0])
        case "spin":
            return np.array([-1.0, 1.0])
        case "categorical":
            return np.eye(layer.energy_shape[-1])
        case "integer":
            return np.arange(layer.domain.arguments[0], layer.domain.arguments[1] + 1)
    assert points is not None
    match layer.domain.name:
        case "count":
            return np.asarray(np.floor(5 * points))
        case "positive":
            return np.asarray(3 * points)
        case "interval":
            low, high = layer.domain.arguments
            return np.asarray(low + (high - low) * points)
    return np.asarray(4 * points - 2)


def log_factorial(values: Array) -> Array:
    """log x!, the base measure of whole numbers."""
    return np.asarray(special.gammaln(values + 1))


def quadrature(layer: Layer, kinks: list[float], exponent: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Places and log weights that sum or integrate over the domain of one unit, each of shape (places,).

    exponent: -log of the density, up to a constant, at some places for some surroundings of the unit, (cases, places). A
    coarse grid says where the mass is; panels there, which end at kinks, are halved until integrals and moments stand still. But between
    bounds where the density is finite, all in a variable on the whole line, in which it is smooth and falls faster than a power.
    """
    if layer.domain.name == "count":
        return np.arange(400.0), np.zeros(400)
    whole = True
    if layer.domain.name == "interval":
        with np.errstate(all="ignore"):
            whole = not np.isfinite(exponent(np.array(layer.domain.arguments))).all()
    grid = _coarse_grid(layer, whole)
    if grid is None:
        values = unit_values(layer)
        return values, np.zeros(len(values))
    places, slope = _unit_of(layer, grid, whole)
    with np.errstate(all="ignore"):
        depth = np.nan_to_num(exponent(places) - slope, nan=np.inf)
    parts = _massive(grid, depth)
    bends = [_variable_of(layer, k) if whole else k for k in kinks]
    before, rule = np.full((3, len(depth)), np.inf), (places, slope)
    for count in (12 << n for n in range(8)):
        at, weights = _panels(parts, count, bends)
        places, slope = _unit_of(layer, at, whole)
        finer = places, weights + slope
        logits = finer[1] - exponent(finer[0])
        found = np.array([np.logaddexp.reduce(logits + k * np.log1p(np.abs(places)), axis=1) for k in range(3)])
        if (np.abs(found - before) < _STILL + 1e-15 * np.abs(found)).all():
            break
        before, rule = found, finer
    return rule


def _unit_of(layer: Layer, t: Array, whole: bool) -> tuple[Array, Array]:
    """A unit x at values of a variable t on the whole line, and log dx/dt there; between bounds t is x, where it is not `whole`."""
    match layer.domain.name:
        case "positive":
            return np.exp(t), t
        case "real":
            return np.sinh(t), np.logaddexp(t, -t) - np.log(2.0)
        case "interval" if whole:
            low, high = layer.domain.arguments
            near, far = special.expit(t), special.expit(-t)
            x = np.where(t < 0, low + (high - low) * near, high - (high - low) * far)
            x = x.clip(np.nextafter(low, high), np.nextafter(high, low))
            return x, np.log(high - low) + special.log_expit(t) + special.log_expit(-t)
    return t, np.zeros(len(t))


def _variable_of(layer: Layer, x: float) -> float:
    """The value of that variable at which a unit is x; infinite where it never is."""
    match layer.domain.name:
        case "positive":
            return float(np.log(x)) if x > 0 else -np.inf
        case "real":
            return float(np.arcsinh(x))
        case "interval":
            low, high = layer.domain.arguments
            return float(special.logit((x - low) / (high - low))) if low < x < high else np.inf
    return x


def _coarse_grid(layer: Layer, whole: bool) -> Array | None:
    """Values of x, or of a variable on the whole line, fine near 0 and far-reaching; None for a domain of single values."""
    match layer.domain.name:
        case "real":
            return np.concatenate(
                [-np.geomspace(30, 700, 200)[::-1], np.linspace(-29.95, 29.95, 1199), np.geomspace(30, 700, 200)]
            )
        case "positive":
            return np.concatenate(
                [-np.geomspace(14, 700, 200)[::-1], np.linspace(-13.95, 14, 560), np.geomspace(14.1, 700, 200)]
            )
        case "interval":
            t = np.concatenate([-np.geomspace(36, 700, 200)[::-1], np.linspace(-35.9, 36, 4001)])
            low, high = layer.domain.arguments
            return t if whole else np.linspace(low, high, 513)
    return None


def _massive(grid: Array, depth: Array) -> list[tuple[float, float]]:
    """The intervals of a grid where the density is not nothing in every case. depth: its -log, (cases, places)."""
    alive = (depth <= depth.min(axis=1, keepdims=True) + _DEEP).any(axis=0)
    near = np.convolve(alive, np.ones(5), mode="same") > 0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], near.astype(int), [0]])))
    return [(grid[a], grid[b - 1]) for a, b in edges.reshape(-1, 2)]


def _panels(parts: list[tuple[float, float]], count: int, kinks: list[float]) -> tuple[Array, Array]:
    """Gauss and Legendre's rule on about `count` panels in some intervals."""
    nodes, weights = np.polynomial.legendre.leggauss(10)
    whole, places, logs = sum(b - a for a, b in parts), [], []
    for a, b in parts:
        even = np.linspace(a, b, 2 + int(count * (b - a) / whole))
        ends = np.unique(np.concatenate([even, [k for k in kinks if a < k < b]]))
        half = np.diff(ends)[:, None] / 2
        places.append((ends[:-1, None] + half * (nodes + 1)).ravel())
        logs.append(np.log(half * weights).ravel())
    return np.concatenate(places), np.concatenate(logs)


def enumerate_states(
    layers: Mapping[str, Layer], values_of: Mapping[str, Array]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """All joint states of units with given values: by layer, and for each layer the number of the value of each unit."""
    units = [(n, k) for n, layer in layers.items() for k in range(layer.size)]
    counts = [len(values_of[n]) for n, _ in units]
    total = int(np.prod(counts, dtype=np.int64)) if counts else 1
    digits = np.array(np.unravel_index(np.arange(total), counts)).T if counts else np.zeros((1, 0), int)
    codes: dict[str, Array] = {}
    values: dict[str, Array] = {}
    for name, layer in layers.items():
        columns = [c for c, (n, _) in enumerate(units) if n == name]
        codes[name] = digits[:, columns]
        values[name] = values_of[name][codes[name]].reshape(total, *layer.energy_shape)
    return values, codes

"""Greedy layer-wise training: a model of many layers begins as a stack of models of two (Hinton, Osindero & Teh 2006).

Every stage is an ordinary model, written out as text: the layers below are its data. In a directed model the stage of a pair
p(a | b), q(b | a) has the energy of p and the bias of b, and gives both directions their weights. In an undirected one a
layer in the middle gets input from both sides, of which a stage has but one: so the stage has the missing side as a copy of
the one it has, with the same weights, or where both layers lack one, weights that are halved (Salakhutdinov & Hinton 2009).
A parameter of several stages becomes the mean of them, as a bias does: the energy of a chain is then half the sum of its stages'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from energydsl.api import Model
from energydsl.backends.interface import Arrays
from energydsl.data.sources import Data
from energydsl.derive import Derived
from energydsl.derive.directed.network import Factor, Network
from energydsl.derive.directed.split import inlined, names, take_apart, written
from energydsl.diagnostics import ArgumentError, NotApplicable, Source
from energydsl.learning import defaults
from energydsl.learning.centred import centred_pairs
from energydsl.learning.methods import CD, Method
from energydsl.learning.optimizers import SGD, Optimizer
from energydsl.model.records import Resolved
from energydsl.model.resolve import Overrides
from energydsl.program import Engine, Program
from energydsl.program.states import check_params
from energydsl.random import Rng, seed_of, stream
from energydsl.syntax import tree
from energydsl.syntax.printer import print_module

if TYPE_CHECKING:
    from energydsl.learning.loop import Report, Run

_ROWS = 1000


@dataclass(frozen=True)
class Greedy:
    """epochs: of each stage, the last number for all that follow. method and optimizer: of every stage."""

    epochs: tuple[int, ...]
    method: Method = field(default_factory=CD)
    optimizer: Optimizer = field(default_factory=lambda: SGD(schedule=defaults.GREEDY_SCHEDULE))

    def __post_init__(self) -> None:
        if not self.epochs or min(self.epochs) < 0:
            raise ArgumentError("greedy takes a number of epochs for each stage, none negative")


@dataclass(frozen=True)
class Stage:
    """A model to be trained for itself.

    text: the model. gives: (parameter of the whole, parameter of the stage, factor). latent: the layers whose means are
    data for the next stage. copies: layers that hold the same data as another.
    """

    text: str
    gives: tuple[tuple[str, str, float], ...]
    latent: tuple[str, ...]
    copies: Mapping[str, str] = field(default_factory=dict)


def stages(program: Engine) -> list[Stage]:
    """The stages of a model, from the data upwards. Raises `NotApplicable`."""
    derived = program.derived
    if not isinstance(derived, Network):
        return list(_undirected(derived))
    verdict = next(v for v in derived.verdicts if v.name == "wake-sleep")
    if not verdict.ok:
        raise NotApplicable(f"greedy training needs recognition: {verdict.why}")
    found = [_pair(derived, factor) for factor in derived.factorisation.recognition]
    core = derived.factorisation.core.model
    text = print_module(written(take_apart(derived.model).core, derived.model))
    return [*found, Stage(text, tuple((n, n, 1.0) for n in core.params), ())]


def _pair(network: Network, recognition: Factor) -> Stage:
    """p(a | b) and q(b | a) as one undirected model of a and b."""
    partners = [
        p for p in network.factorisation.generative if set(p.targets) == set(recognition.given) & set(network.drawn)
    ]
    partners = [p for p in partners if set(recognition.targets) == set(p.given)]
    if len(partners) != 1:
        raise NotApplicable(f"{recognition.name} has no generative counterpart to be trained with")
    generative = partners[0]
    model = network.model
    down, up = (_statement(model, p) for p in (generative, recognition))
    own = tuple(t for t in _additive(up.value, "+") if not set(recognition.given) & set(names(t[1])))
    value = tree.Sum(down.span, down.value, own) if own else down.value
    roles = dict.fromkeys(generative.targets, "visible") | dict.fromkeys(recognition.targets, "hidden")
    energy = tree.Energy(down.span, "energy", None, (), (), value)
    text = print_module(written(tree.Module(model.module.source, (energy,), ()), model, roles))
    gives = [(n, n, 1.0) for n in generative.model.params]
    lower, upper = generative.derive(), recognition.derive()
    for name in recognition.model.params:
        if name in {n for _, term in own for n in names(term)}:
            gives.append((name, name, 1.0))
            continue
        twins = [n for n in generative.model.params if _statistic(lower, n) == _statistic(upper, name)]
        if not twins:
            raise NotApplicable(
                f"greedy training has no value for `{name}`: nothing in {generative.name} multiplies what it multiplies in "
                f"{recognition.name}, index by index"
            )
        gives.append((name, twins[0], 1.0))
    return Stage(text, tuple(dict.fromkeys(gives)), recognition.targets)


def _undirected(derived: Derived) -> Iterator[Stage]:
    """Pairs of layers along a tree of layers, from the first visible layer upwards."""
    model = derived.model
    energies = [s for s in (*model.module.statements, *model.expanded) if isinstance(s, tree.Energy)]
    terms = [term for s in energies for term in _additive(inlined(s.value, model), "+")]
    layers = [(set(names(t)) & set(model.layers), sign, t) for sign, t in terms]
    near: dict[str, set[str]] = {n: set() for n in model.random_layers()}
    for met, _, _ in layers:
        for name in met:
            near[name] |= met - {name}
    hidden = model.by_role("hidden")
    simple = all(len(met) <= 2 for met, _, _ in layers) and not model.by_role("input")
    if not hidden or not simple or sum(map(len, near.values())) != 2 * (len(near) - 1):
        raise NotApplicable("greedy training is for layers that form a tree, coupled in pairs")
    below, done = model.by_role("visible")[0], set()
    queue = [below]
    while queue:
        lower = queue.pop(0)
        done.add(lower)
        for upper in [n for n in model.random_layers() if n in near[lower] and n in hidden and n not in done]:
            queue.append(upper)
            beside = {n for n in near[upper] if n not in hidden and n != lower}
            yield _link(model, layers, lower, upper, beside, near)


def _link(
    model: Resolved,
    terms: list[tuple[set[str], str, tree.Expr]],
    lower: str,
    upper: str,
    beside: set[str],
    near: Mapping[str, set[str]],
) -> Stage:
    """The stage of two layers, with the visible layers that hang on the upper one."""
    up = bool(near[upper] - {lower} - beside)
    down = bool(near[lower] - {upper})
    inside = {lower, upper, *beside}
    own = [(sign, t, met) for met, sign, t in terms if met <= inside]
    copied = {lower, *beside} if up and not down else {upper} if down and not up else set()
    tail = [(sign, t) for sign, t, _ in own]
    for name in sorted(copied):
        tail += [(sign, _renamed(t, name, f"{name}_copy")) for sign, t, met in own if name in met]
    span = tail[0][1].span
    (sign, head), *rest = tail
    value = tree.Sum(span, tree.Negate(span, head) if sign == "-" else head, tuple(rest))
    roles = {n: "hidden" if n == upper else "visible" for n in inside}
    energy = tree.Energy(span, "energy", None, (), (), value)
    copies = {f"{n}_copy": n for n in copied}
    text = print_module(written(tree.Module(model.module.source, (energy,), ()), model, roles, copies))
    factors: dict[str, float] = {}
    for _, term, met in own:
        for name in set(names(term)) & set(model.params):
            factors[name] = max(factors.get(name, 0.0), 0.5 if up and down and len(met) == 2 else 1.0)
    gives = tuple((n, n, f) for n, f in factors.items())
    return Stage(text, gives, (upper,), {f"{n}_copy": n for n in copied if n != upper})


def _renamed(node: Any, old: str, new: str) -> Any:
    """A tree with one name replaced."""
    if isinstance(node, tree.Name):
        return replace(node, id=new) if node.id == old else node
    if isinstance(node, tuple):
        return tuple(_renamed(n, old, new) for n in node)
    if not isinstance(node, tree.Node):
        return node
    return replace(node, **{k: _renamed(v, old, new) for k, v in vars(node).items() if k != "span"})


def _statement(model: Resolved, factor: Factor) -> tree.Energy:
    """The conditional energy as it was written."""
    energies = (s for s in (*model.module.statements, *model.expanded) if isinstance(s, tree.Energy))
    found = next(
        s for s in energies if s.keyword == factor.keyword and tuple(n.id for n in s.targets) == factor.targets
    )
    return replace(found, value=inlined(found.value, model))


def _statistic(derived: Any, param: str) -> Any:
    """What a parameter multiplies, whatever the parameter and the roles of layers are called."""
    return {
        (p.monomial.coefficient, p.target, frozenset((a.name, a.indices, e) for a, e in p.monomial.factors))
        for p in derived.gradients[param].parts
        if all(hasattr(a, "indices") for a, _ in p.monomial.factors)
    }


def _additive(node: tree.Expr, sign: str) -> Iterator[tuple[str, tree.Expr]]:
    """The signed terms of a sum."""
    flip = {"+": "-", "-": "+"}
    match node:
        case tree.Sum(head=head, tail=tail):
            yield from _additive(head, sign)
            for own, term in tail:
                yield from _additive(term, sign if own == "+" else flip[sign])
        case tree.Negate(operand=operand):
            yield from _additive(operand, flip[sign])
        case tree.Product(head=tree.Negate(operand=operand)):
            yield flip[sign], replace(node, head=operand)
        case _:
            yield sign, node


def pretrain(
    program: Engine,
    data: Data,
    greedy: Greedy,
    params: Arrays,
    seed: int,
    batch: int,
    folder: Path | None,
    resume: bool,
    report: Report | None,
) -> tuple[Arrays, Run | None]:
    """Parameters after all stages, and the run that was interrupted, if one was.

    Each stage is a run of its own, in `greedy-1`, `greedy-2`, ... of the folder, and is gone on with like any run.
    """
    from energydsl.learning.checkpoint import found as checkpoints
    from energydsl.learning.loop import train

    if len(data.complete()) < len(data):
        raise NotApplicable("greedy stages take whole rows: train those with missing entries without them")
    model, params = program.model, dict(params)
    summed: Counter[str] = Counter()
    graphs = {n: g for n, g in model.graphs.items() if g.kind == "edges"}
    given = Overrides({}, {n: c.value for n, c in model.consts.items()}, graphs)
    todo = stages(program)
    if len(greedy.epochs) > len(todo):
        raise ArgumentError(f"{len(greedy.epochs)} numbers of epochs for {len(todo)} stages")
    for number, stage in enumerate(todo, 1):
        own = Model(Source(f"{model.name}.energy", stage.text), given)
        small = own.compile(program.backend, program.dtype.name, program.precision)
        sources = {n: stage.copies.get(n, n) for n in _taken(own)}
        rows = data.only(set(sources.values()))
        if stage.copies:  # copies hold the same draw, so grey values are drawn once
            drawn = rows.drawn(seed)
            rows = Data({n: drawn[source] for n, source in sources.items()}, data.name)
        out = folder / f"greedy-{number}" if folder is not None else None
        going_on = resume and out is not None and bool(checkpoints(out))
        epochs = greedy.epochs[min(number, len(greedy.epochs)) - 1]
        run = train(
            small, rows, _fitting(greedy.method, small.engine), greedy.optimizer, epochs, out, seed_of(seed, "greedy stage", number),
            batch=batch, validation=0.0, resume=going_on, report=_reported(report, f"stage {number}/{len(todo)}", epochs),
        )  # fmt: skip
        if not run.finished:
            return params, run
        for name, source, factor in stage.gives:
            if "frozen" not in model.params[name].constraints:
                summed[name] += 1
                before = params[name] if summed[name] > 1 else 0.0
                params[name] = before + (program.device(factor * run.params[source]) - before) / summed[name]
        if stage.latent:
            rng = Rng(stream(seed, "greedy latents", number))
            means = _means(small, run.params, rows.drawn(seed), stage.latent, rng)
            grey = data.grey | {n for n in stage.latent if model.layers[n].domain.name == "binary"}
            data = Data({**data.arrays, **means}, data.name, "sample" if grey else data.binarise, grey)
    return params, None


def _fitting(method: Method, program: Engine) -> Method:
    """The method, not centred for a stage that has nothing to centre."""
    return (
        method
        if not method.centred or centred_pairs(program, list(program.model.params))
        else replace(method, centred=False)
    )


def _reported(report: Report | None, stage: str, epochs: int) -> Report | None:
    """Reports that say which stage they are of."""
    return None if report is None else lambda row: report({**row, "stage": stage, "epochs": epochs})


def _taken(model: Model) -> list[str]:
    return [n for n, layer in model.layers.items() if layer.role != "hidden"]


def _means(program: Program, params: Arrays, x: Mapping[str, Any], wanted: Sequence[str], rng: Rng) -> dict[str, Any]:
    """Conditional means of latents given data, and latents drawn where these are coupled; some rows at a time."""
    engine = program.engine
    p, settings = check_params(engine, params), engine.settings()
    count = len(next(iter(x.values())))
    found: dict[str, list[Any]] = {n: [] for n in wanted}
    for start in range(0, count, _ROWS):
        rows = {n: a[start : start + _ROWS] for n, a in x.items()}
        state = engine.with_latents(p, rows, settings, rng)
        for name in wanted:
            found[name].append(engine.host(program.mean(p, state, name)).astype(np.float32))
    return {n: np.concatenate(parts) for n, parts in found.items()}

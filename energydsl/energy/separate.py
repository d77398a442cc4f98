"""Separation: factors that may name the same unit are split into the part where they do and the parts where they do not.

Where two factors of one layer may name the same unit (x_i J_ik x_k with i = k), the monomial is split: i = k, folded by the
domain, and i < k, k < i. So the diagonal is counted once and both triangles of a form that is not symmetric are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from energydsl.diagnostics import Diagnostic, Span
from energydsl.energy.rules import Rules, collect
from energydsl.energy.terms import At, Function, Loop, Monomial, Predicate, entries, is_joint, with_entry
from energydsl.model.constants import DiagnosticError
from energydsl.model.indices import EdgeEnd, Index, Wrap

MAX_MONOMIALS = 5000

Ranges = Mapping[str, tuple[int, int]]


def separated(
    monomials: Iterable[Monomial], rules: Rules, span: Span, warnings: list[Diagnostic], around: Ranges
) -> Iterator[Monomial]:
    """Monomials in the statistics of distinct units. around: the ranges of binders that are free in them.

    Raises `DiagnosticError` (E0310) where they are too many.
    """
    todo = collect(monomials, rules)
    warned = False
    for _ in range(MAX_MONOMIALS):
        if not todo:
            break
        monomial = todo.pop()
        meeting = _meeting_pair(monomial, rules, around)
        if meeting is None:
            yield _absorbed(monomial)
            continue
        if not warned and _counts_pairs_twice(monomial, meeting, rules):
            warnings.append(_full_square(monomial, span))
            warned = True
        todo += collect(_split(monomial, meeting, rules, around), rules)
    else:
        raise DiagnosticError("E0310", f"this separates into more than {MAX_MONOMIALS} terms", span)


def _full_square(monomial: Monomial, span: Span) -> Diagnostic:
    return Diagnostic(
        "W0402",
        f"this full square of a symmetric parameter has the factor {abs(monomial.coefficient):g}, not 1/2: "
        "each pair counts twice",
        span,
        "write 0.5 * x @ J @ x, or sum[i < k] for each pair once",
    )


Pairs = list[tuple[Index, Index]]
# Two factors, the index pairs that decide whether they name the same unit, and whether these name states of one unit.
Meeting = tuple[At, At, Pairs, bool]


def _meeting_pair(monomial: Monomial, rules: Rules, around: Ranges) -> Meeting | None:
    """The first two factors that may name the same unit, with the index pairs that decide it."""
    units = monomial.distinct_units()
    rules.budget.spend(5 * len(units) ** 2 * (1 + len(monomial.predicates)))
    ranges = {**around, **{loop.name: (loop.low, loop.high) for loop in monomial.loops}}
    for n, a in enumerate(units):
        for b in units[n + 1 :]:
            if a.name != b.name:
                continue
            first, second = _comparable(a, b, rules)
            sites = rules.sites(first)
            open_pairs = _undecided(first.indices[:sites], second.indices[:sites], monomial, ranges, rules)
            if open_pairs is None:
                continue
            if not open_pairs and len(first.indices) > sites:
                states = _undecided(first.indices[sites:], second.indices[sites:], monomial, ranges, rules)
                return a, b, states or [], bool(states)
            return a, b, open_pairs, False
    return None


def _comparable(a: At, b: At, rules: Rules) -> tuple[At, At]:
    """Both entries with flat indices where one of them is flat."""
    if a.flat == b.flat:
        return a, b
    return _flattened(a, rules), _flattened(b, rules)


def _flattened(atom: At, rules: Rules) -> At:
    if atom.flat:
        return atom
    shape = rules.model.layers[atom.name].shape
    flat = Index()
    for index, size in zip(atom.indices, shape, strict=False):
        flat = flat * size + index
    return replace(atom, indices=(flat, *atom.indices[len(shape) :]), flat=True)


def _undecided(
    left: tuple[Index, ...],
    right: tuple[Index, ...],
    monomial: Monomial,
    ranges: Ranges,
    rules: Rules,
) -> list[tuple[Index, Index]] | None:
    """Index pairs that decide whether the tuples are equal: none where they are, None where they never are."""
    for predicate in monomial.predicates:
        tuples = {predicate.left, predicate.right}
        if predicate.kind in ("less", "differ") and tuples == {left, right}:
            return None
    pairs = []
    for a, b in zip(left, right, strict=True):
        if _apart(a, b, monomial, ranges, rules):
            return None
        if not _same(a, b):
            pairs.append(_reduced(a, b))
    decided = {frozenset((p.left, p.right)) for p in monomial.predicates if p.kind in ("less", "differ")}
    if frozenset((tuple(a for a, _ in pairs), tuple(b for _, b in pairs))) in decided:
        return None
    known = {
        frozenset(pair) for p in monomial.predicates if p.kind == "equal" for pair in zip(p.left, p.right, strict=True)
    }
    return [(a, b) for a, b in pairs if frozenset((a, b)) not in known]


def _reduced(a: Index, b: Index) -> tuple[Index, Index]:
    """Two indices without what they share: i + k = j + k where i = j."""
    shared = {atom: min(m, n) for atom, m in a.terms for other, n in b.terms if atom == other and min(m, n) > 0}
    both = Index(constant=min(a.constant, b.constant))
    for atom, count in shared.items():
        both = both + Index.of(atom) * count
    return (a - both, b - both) if shared else (a, b)


def _same(a: Index, b: Index) -> bool:
    difference = a - b
    return not difference.terms and difference.constant == 0


def _apart(a: Index, b: Index, monomial: Monomial, ranges: Ranges, rules: Rules) -> bool:
    """Whether two indices can never be equal."""
    difference = a - b
    low, high = difference.bounds(ranges, rules.nodes)
    if low > 0 or high < 0:
        return True
    if _offset_on_ring(a, b, ranges):
        return True
    for predicate in monomial.predicates:
        if predicate.kind in ("less", "differ") and len(predicate.left) == 1:
            gap = predicate.left[0] - predicate.right[0]
            if gap in (difference, difference * -1):
                return True
    return _ends_of_one_edge(difference, ranges, rules)


def _ends_of_one_edge(difference: Index, ranges: Ranges, rules: Rules) -> bool:
    """m (i - k) + rest with i, k the ends of one edge: never 0 where the rest is smaller than m."""
    ends = [(atom, count) for atom, count in difference.terms if isinstance(atom, EdgeEnd)]
    if len(ends) != 2:
        return False
    (a, m), (b, n) = ends
    rest = Index(tuple(t for t in difference.terms if t not in ends), difference.constant)
    low, high = rest.bounds(ranges, rules.nodes)
    return a.binder == b.binder and a.side != b.side and m == -n and -abs(m) < low and high < abs(m)


def _offset_on_ring(a: Index, b: Index, ranges: Ranges) -> bool:
    """(i + c) % n against (i + d) % n, or against i itself over the whole ring: apart unless c = d (mod n)."""
    rings = [_on_ring(index, ranges) for index in (a, b)]
    modulus = next((m for _, m in rings if m), 0)
    inner = []
    for index, (content, own) in zip((a, b), rings, strict=True):
        if own not in (0, modulus):
            return False
        if own == 0:
            binder = index.plain
            if binder is None or ranges.get(binder) != (0, modulus):
                return False
        inner.append(content)
    if not modulus:
        return False
    gap = inner[0] - inner[1]
    return not gap.terms and gap.constant % modulus != 0


def _on_ring(index: Index, ranges: Ranges) -> tuple[Index, int]:
    """The content and the modulus of a wrapped index, or the index itself and 0."""
    if len(index.terms) == 1 and index.constant == 0 and index.terms[0][1] == 1:
        atom = index.terms[0][0]
        if isinstance(atom, Wrap):
            return atom.inner, atom.modulus
    return index, 0


def _split(monomial: Monomial, meeting: Meeting, rules: Rules, around: Ranges) -> list[Monomial]:
    """The cases of a meeting: same unit (folded), or different ones."""
    first, second, pairs, parameter_per_state = meeting
    a, b = _comparable(first, second, rules)
    sites = rules.sites(a)
    states_apart = (
        len(a.indices) > sites and not parameter_per_state and not pairs and not _same(a.indices[-1], b.indices[-1])
    )
    if states_apart:
        return []  # one unit is never in two states
    same = _where_equal(monomial, first, second, pairs, parameter_per_state, rules, around)
    if parameter_per_state:
        return [same]
    return [same, *_where_different(monomial, pairs)] if pairs else [same]


def _where_equal(
    monomial: Monomial,
    first: At,
    second: At,
    pairs: list[tuple[Index, Index]],
    parameter_per_state: bool,
    rules: Rules,
    around: Ranges,
) -> Monomial:
    """The part where all pairs are equal, by substitution where a loop can be eliminated, else by predicate."""
    sites, sites_of_second = rules.sites(first), rules.sites(second)
    for a, b in pairs:
        ranges = {loop.name: loop for loop in monomial.loops}
        solved = _solve(a, b, ranges, rules, around) or _solve(b, a, ranges, rules, around)
        if solved is None:
            monomial = replace(monomial, predicates=(*monomial.predicates, Predicate("equal", (a,), (b,))))
            continue
        name, value = solved
        mapping = {name: value}
        monomial = monomial.replace_binders(mapping)
        monomial = replace(monomial, loops=tuple(loop for loop in monomial.loops if loop.name != name))
        first, second = (replace(u, indices=tuple(i.replace(mapping) for i in u.indices)) for u in (first, second))
        pairs = [(x.replace(mapping), y.replace(mapping)) for x, y in pairs]
    met = (
        first
        if parameter_per_state
        else replace(first, indices=first.indices[:sites] + second.indices[sites_of_second:])
    )
    factors = tuple((with_entry(atom, second, met), e) for atom, e in monomial.factors)
    return replace(monomial, factors=factors)


def _solve(a: Index, b: Index, loops: Mapping[str, Loop], rules: Rules, around: Ranges) -> tuple[str, Index] | None:
    """The loop `a` expressed by `b`, where `b` never leaves its range."""
    name = a.plain
    if name is None or name not in loops or loops[name].graph or name in b.binders():
        return None
    low, high = b.bounds({**around, **{n: (loop.low, loop.high) for n, loop in loops.items()}}, rules.nodes)
    return (name, b) if low >= loops[name].low and high < loops[name].high else None


def _where_different(monomial: Monomial, pairs: list[tuple[Index, Index]]) -> list[Monomial]:
    left, right = tuple(a for a, _ in pairs), tuple(b for _, b in pairs)
    if all(a.plain and b.plain for a, b in pairs):
        orders = [Predicate("less", left, right), Predicate("less", right, left)]
        return [replace(monomial, predicates=(*monomial.predicates, p)) for p in orders]
    return [replace(monomial, predicates=(*monomial.predicates, Predicate("differ", left, right)))]


def _counts_pairs_twice(monomial: Monomial, meeting: Meeting, rules: Rules) -> bool:
    """A full square x_i J_ik x_k of a symmetric J, with a factor that is not 1/2."""
    pairs = meeting[2]
    if len(pairs) != 1 or abs(monomial.coefficient) == 0.5 or len(monomial.factors) != 3:
        return False
    return any(
        isinstance(atom, At)
        and atom.kind == "param"
        and rules.has(atom.name, "symmetric")
        and set(atom.indices) == set(pairs[0])
        for atom, _ in monomial.factors
    )


def _absorbed(monomial: Monomial) -> Monomial:
    """Units that stand beside a joint function of their own layer are taken into it: all of them move together."""
    joint = [f for f in monomial.factors if is_joint(f[0])]
    inside = monomial.joint_layers()
    beside = [
        (a, e)
        for a, e in monomial.factors
        if not is_joint(a) and any(x.name in inside for x in entries(a) if x.kind == "layer")
    ]
    if not joint or not beside:
        return monomial
    rest = tuple(f for f in monomial.factors if f not in joint and f not in beside)
    together = Function("", (Monomial(1.0, factors=(*beside, *joint)),))
    return replace(monomial, factors=(*rest, (together, 1.0)))

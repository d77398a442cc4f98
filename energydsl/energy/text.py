"""Formulas as text, the way lecture notes print them: `c_j + sum_i v_i W_ij`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from energydsl.energy.order import reduced
from energydsl.energy.terms import At, Atom, Factor, Function, Loop, Monomial, Predicate
from energydsl.model.indices import Atom as IndexAtom
from energydsl.model.indices import EdgeEnd, Index, Wrap
from energydsl.model.records import Resolved

_POOL = "ijklmnpqrstuvw"


class Letters:
    """One letter for every axis of the model: that of its dim where it has one, else the next free."""

    def __init__(self, model: Resolved):
        self.model = model
        self.of_axis: dict[tuple[str, int], str] = {}
        by_name: dict[str, str] = {}
        for name, layer in model.layers.items():
            axes = list(layer.axes) + [f"states of {name}"] * (len(layer.field_shape) - len(layer.shape))
            for position, axis in enumerate(axes):
                letter = by_name.get(axis) if not axis[0].isdigit() else None
                if letter is None:
                    wanted = axis.lower() if len(axis) == 1 and axis.isalpha() else ""
                    taken = set(self.of_axis.values()) | set(by_name.values())
                    pool = [wanted, *("kabc" if axis.startswith("states") else ""), *_POOL]
                    letter = next((c for c in pool if c and c not in taken), "i")
                    by_name[axis] = letter
                self.of_axis[name, position] = letter

    def target(self, layer: str) -> list[str]:
        """The letters of a layer's axes, made distinct."""
        found: list[str] = []
        for position in range(len(self.model.layers[layer].field_shape)):
            found.append(_free(self.of_axis.get((layer, position), "i"), found))
        return found

    def name_loops(self, monomial: Monomial, taken: Mapping[str, str]) -> dict[str, str]:
        """Letters for the loops of a monomial, beside those already given."""
        names = dict(taken)
        for loop in monomial.loops:
            if loop.name not in names:
                names[loop.name] = _free(self._wanted(loop, monomial), names.values())
        return names

    def _wanted(self, loop: Loop, monomial: Monomial) -> str:
        if loop.graph:
            return "e"
        for atom, _ in sorted(monomial.factors, key=lambda f: not (isinstance(f[0], At) and f[0].kind != "param")):
            if isinstance(atom, At) and not atom.flat:
                for position, index in enumerate(atom.indices):
                    if index.plain == loop.name and (atom.name, position) in self.of_axis:
                        return self.of_axis[atom.name, position]
        return "i"


def _free(wanted: str, taken: Iterable[str]) -> str:
    used = set(taken)
    if wanted not in used:
        return wanted
    later = _POOL[_POOL.index(wanted) :] if wanted in _POOL else _POOL
    return next((c for c in later + _POOL if c not in used), wanted + "'")


def show_number(value: float) -> str:
    return f"{value:.6g}"


def show_index(index: Index, names: Mapping[str, str]) -> str:
    """An index with its binders named; a step back on a ring is shown as one."""

    def name(atom: IndexAtom) -> str:
        if isinstance(atom, EdgeEnd):
            return names.get(f"{atom.binder}.{atom.side}", f"{'ik'[atom.side]}({names.get(atom.binder, atom.binder)})")
        return names.get(str(atom), str(atom))

    if len(index.terms) == 1 and isinstance(index.terms[0][0], Wrap):
        wrap = index.terms[0][0]
        constant = wrap.inner.constant
        if constant > wrap.modulus // 2:
            return f"({Index(wrap.inner.terms, constant - wrap.modulus).show(name)}) % {wrap.modulus}"
    return index.show(name)


def show_atom(atom: Atom, names: Mapping[str, str], letters: Letters) -> str:
    """One entry or function: `v_i`, `W_ij`, `s[(i + 1) % 64, j]`, `exp(...)`."""
    if isinstance(atom, Function):
        inner = show_sum([(m, _visible(names, m)) for m in atom.argument], letters)
        return f"{atom.function}({inner})"
    if not atom.indices:
        return atom.name
    if atom.kind == "support":
        return show_index(atom.indices[0], names)
    indices = atom.indices
    graph = letters.model.params[atom.name].graph if atom.kind == "param" else None
    if graph is not None and indices[0].plain is not None:
        indices = tuple(Index.of(EdgeEnd(graph, side, indices[0].plain)) for side in (0, 1))
    shown = [show_index(i, names) for i in indices]
    if all(len(s) == 1 for s in shown):
        return f"{atom.name}_{''.join(shown)}"
    return f"{atom.name}[{', '.join(shown)}]"


def _visible(names: Mapping[str, str], monomial: Monomial) -> dict[str, str]:
    """Letters in scope inside a function: those its own loops do not hide."""
    own = {loop.name for loop in monomial.loops}
    return {name: letter for name, letter in names.items() if name not in own}


def show_factors(factors: Sequence[Factor], names: Mapping[str, str], letters: Letters, target: str = "") -> str:
    """A product; units of layers declared before the target stand before the parameters, the others after."""
    place = {n: k for k, n in enumerate(letters.model.layers)}

    def rank(factor: Factor) -> tuple[int, int]:
        atom = factor[0]
        if isinstance(atom, At) and atom.kind in ("layer", "input"):
            before = place[atom.name] < place.get(target, -1)
            return (1 if before else 3), place[atom.name]
        constant = isinstance(atom, At) and atom.kind == "const"
        return (0 if constant else 2), 0

    above: list[str] = []
    below: list[str] = []
    for atom, exponent in sorted(factors, key=rank):
        text = show_atom(atom, names, letters)
        size = abs(exponent)
        shown = text if size == 1 else f"{text}^{show_number(size)}"
        (below if exponent < 0 else above).append(shown)
    text = " ".join(above) or ("1" if below else "")
    if len(below) == 1:
        return f"{text} / {below[0]}"
    return f"{text} / ({' '.join(below)})" if below else text


def show_monomial(monomial: Monomial, names: Mapping[str, str], letters: Letters, target: str = "") -> tuple[str, str]:
    """The sign and the unsigned text of a monomial; `names` holds the letters already in use."""
    named = dict(letters.name_loops(monomial, names))
    for loop in monomial.loops:
        if loop.graph:
            for side, letter in enumerate("ik"):
                key = f"{loop.name}.{side}"
                named.setdefault(key, _free(letter, named.values()))
    product = show_factors(monomial.factors, named, letters, target)
    size = abs(monomial.coefficient)
    if size != 1 or not product:
        product = product.removeprefix("1 ") if product.startswith("1 /") else product
        product = f"{show_number(size)} {product}".strip()
    binders = [_show_loop(loop, named) for loop in monomial.loops if loop.name not in names]
    conditions = _chained(_show_predicate(p, named) for p in reduced(monomial.predicates))
    inside = "".join(binders) if all(len(b) == 1 for b in binders) and not conditions else ""
    if not binders:
        text = f"{product} [{', '.join(conditions)}]" if conditions else product
    elif inside:
        text = f"sum_{inside} {product}" if len(inside) == 1 else f"sum_{{{inside}}} {product}"
    else:
        text = f"sum_{{{', '.join(_merged(binders, conditions))}}} {product}"
    return ("-" if monomial.coefficient < 0 else "+"), text


def _chained(conditions: Iterable[str]) -> list[str]:
    """`i < j`, `j < k` shown as `i < j < k`."""
    found: list[str] = []
    for condition in conditions:
        first, sign, rest = condition.partition(" < ")
        before = next((k for k, c in enumerate(found) if sign and c.endswith(f" < {first}")), None)
        if before is None:
            found.append(condition)
        else:
            found[before] += sign + rest
    return found


def _merged(binders: list[str], conditions: list[str]) -> list[str]:
    """`i, j, i < j` shown as `i < j`."""
    covered = {b for b in binders for c in conditions if b in c.split()}
    return [b for b in binders if b not in covered] + conditions


def _show_loop(loop: Loop, names: Mapping[str, str]) -> str:
    if loop.graph:
        return f"({names[f'{loop.name}.0']},{names[f'{loop.name}.1']}) in {loop.graph}"
    return names[loop.name]


def _show_predicate(predicate: Predicate, names: Mapping[str, str]) -> str:
    sign = {"less": "<", "equal": "=", "differ": "!="}[predicate.kind]
    sides = [", ".join(show_index(i, names) for i in side) for side in (predicate.left, predicate.right)]
    shown = [f"({s})" if "," in s else s for s in sides]
    return f"{shown[0]} {sign} {shown[1]}"


def show_sum(parts: Iterable[tuple[Monomial, Mapping[str, str]]], letters: Letters, target: str = "") -> str:
    """A sum of monomials with its signs."""
    text = ""
    for monomial, names in parts:
        sign, shown = show_monomial(monomial, names, letters, target)
        if not text:
            text = shown if sign == "+" else f"-{shown}"
        else:
            text += f" {sign} {shown}"
    return text or "0"

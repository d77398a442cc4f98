"""The steps of a section as NumPy statements: one small function a node of the kernel program."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from energydsl.backends.numpy.formulas import call
from energydsl.backends.text import Lines
from energydsl.energy.terms import At, Atom, Monomial, Predicate
from energydsl.kernels.program import BATCH, Access, Contract, Define, KernelProgram, Matmul, Matrix, Section, Step
from energydsl.model.indices import EdgeEnd, Index, Wrap

Letters = tuple[str, ...]
# Indices that are held fixed, by letter: the text of their values.
Fixed = Mapping[str, str]


@dataclass
class Steps:
    """What prints sections; `constants` collects module-level arrays by their text."""

    program: KernelProgram
    constants: dict[str, str] = field(default_factory=dict)

    def constant(self, text: str, kind: str) -> str:
        """A module-level array, made once for equal texts."""
        return self.constants.setdefault(text, f"{kind}_{len(self.constants)}")

    # --- sections

    def value(self, section: Section, fixed: Fixed) -> tuple[Lines, str]:
        """Statements that compute a section, and the expression of its result."""
        lines = [line for step in section.steps for line in self.step(step, section, fixed)]
        return lines, self.access(section.result, section, fixed) if section.result else "1.0"

    def factors(
        self, section: Section, otherwise: Callable[[Step, Section], Lines | None] | None = None
    ) -> tuple[Lines, str, str]:
        """The statements before the last product of a section, and its two matrices. otherwise: a step in other words, where there are."""
        product = section.product
        assert product is not None
        lines: Lines = []
        for step in section.steps[:-1]:
            lines += (otherwise and otherwise(step, section)) or self.step(step, section, {})
        return lines, self.matrix(product.left, section, {}), self.matrix(product.right, section, {})

    def step(self, step: Define | Contract | Matmul, section: Section, fixed: Fixed) -> Lines:
        """One step."""
        match step:
            case Define():
                return self.define(step, fixed)
            case Contract():
                return [f"    {step.out} = {self.contract(step, section, fixed)}"]
            case Matmul():
                return [f"    {step.out} = {self.matmul(step, section, fixed)}"]

    def define(self, step: Define, fixed: Fixed) -> Lines:
        """A function of a sum of products."""
        lines: Lines = []
        parts = []
        for section in step.sections:
            steps, value = self.value(section, fixed)
            lines += steps
            own = tuple(x for x in section.letters if x not in step.letters)
            parts.append(align(times(value, section, ""), section.letters, (*step.letters, *own)))
        if step.aggregate:
            return [*lines, f"    {step.out} = {call(step.function, [str(len(step.letters)), *parts])}"]
        total = " + ".join(parts) or "0.0"
        return [*lines, f"    {step.out} = {call(step.function, [total]) if step.function else total}"]

    def scatter(self, section: Section, letters: Letters, shape: tuple[int, ...], out: str, value: str) -> Lines:
        """A section added to an output at computed places."""
        assert section.target is not None
        loops = [x for x in section.sizes if any(x in i.binders() for i in section.target)]
        grids = {x: grid(x, k, len(loops), section) for k, x in enumerate(loops)}
        indices = [self.index(i, grids) for i in section.target]
        if section.flat:
            shape = (math.prod(shape),) if len(indices) == 1 else (math.prod(shape[:-1]), shape[-1])
        flat = indices[0]
        for index, size in zip(indices[1:], shape[1:], strict=True):
            flat = f"({flat}) * {size} + {index}"
        extent = tuple(section.sizes[x][1] - section.sizes[x][0] for x in loops)
        whole = f"np.broadcast_to({flat}, {extent!r})" if loops else flat
        table = self.constant(f"Scatter({whole}, {math.prod(shape)})", "SCATTER")
        batch = (BATCH,) if BATCH in letters else ()
        full = (*(("rows(x)",) if batch else ()), *map(str, extent))
        aligned = align(value, section.letters, (*batch, *loops))
        wide = aligned if section.letters else f"np.asarray({aligned}, DTYPE)"
        values = f"np.broadcast_to({wide}, ({', '.join(full)},))" if full else wide
        columns = f"{out}.reshape(len({out}), -1)" if batch else f"{out}.reshape(-1)"
        spread = f"{values}.reshape(rows(x), -1)" if batch else f"{values}.reshape(-1)"
        return [f"    {table}({columns}, {spread})"]

    # --- products

    def contract(self, step: Contract, section: Section, fixed: Fixed) -> str:
        """A sum, a product entry by entry, or a contraction that no matrix product does without a copy."""
        left, la = self.access(step.left, section, fixed), step.left.letters
        if step.right is None:
            kept = tuple(x for x in la if x in step.letters)
            return align(summed(left, la, step.letters), kept, step.letters)
        right, lb = self.access(step.right, section, fixed), step.right.letters
        shared = [x for x in la if x in lb and x not in step.letters]
        if not shared:
            return f"({align(left, la, step.letters)} * {align(right, lb, step.letters)})"
        if any(x in lb and x in step.letters for x in la):
            return f'einsum("{subscripts(la, lb, step.letters)}", {left}, {right})'
        return self.tensordot(left, la, right, lb, shared, step.letters)

    @staticmethod
    def tensordot(left: str, la: Letters, right: str, lb: Letters, shared: list[str], letters: Letters) -> str:
        """A contraction of arrays whose axes do not lie side by side."""
        free_a, free_b = (tuple(x for x in side if x not in shared) for side in (la, lb))
        if free_a + free_b != letters and free_b + free_a == letters:
            left, la, free_a, right, lb, free_b = right, lb, free_b, left, la, free_a
        axes = ([la.index(x) for x in shared], [lb.index(x) for x in shared])
        return align(f"tensordot({left}, {right}, axes={axes!r})", free_a + free_b, letters)

    def matmul(self, step: Matmul, section: Section, fixed: Fixed) -> str:
        """A matrix product, in the shape of its axes."""
        left, right = (self.matrix(m, section, fixed) for m in (step.left, step.right))
        text = f"matmul({left}, {right}{', row=row' if step.weighted else ''})"
        if not step.flat:
            lengths = [
                f"*{self.access(m.access, section, fixed)}.shape[{k}:{k + 1}]"
                for m in (step.left, step.right)
                for k in map(m.access.letters.index, m.free)
            ]
            text = f"{text}.reshape({', '.join(lengths)})"
        return align(text, step.order, step.letters)

    def matrix(self, matrix: Matrix, section: Section, fixed: Fixed) -> str:
        """An array as a matrix, without a copy."""
        text = self.access(matrix.access, section, fixed)
        turned = ".T" if matrix.transposed else ""
        free, letters = matrix.free, matrix.access.letters
        if len(free) == 1 and len(matrix.summed) == 1:
            return f"{text}{turned}"
        if not free:
            return f"{text}.reshape(-1)"
        if letters[0] in free:
            return f"{text}.reshape({lengths(text, 0, len(free))}, -1){turned}"
        return f"{text}.reshape(-1, {lengths(text, len(matrix.summed), len(letters))}){turned}"

    # --- accesses

    def access(self, access: Access, section: Section, fixed: Fixed) -> str:
        """An array, gathered and raised to a power."""
        if access.predicate is not None:
            return self.mask(access.predicate, access.letters, section, fixed)
        if access.numbers is not None:
            return self.numbers(access.numbers, fixed)
        text = self.array(access)
        if access.source == "local":
            return text
        exponent = access.exponent
        if access.source == "x" and exponent == 2.0:
            text, exponent = f'square(x, "{access.name}")', 1.0
        if access.indices is not None:
            text = self.gather(text, access, section, fixed)
        if exponent == -1.0:
            return f"(1.0 / {text})"
        return text if exponent == 1.0 else f"({text} ** {exponent!r})"

    def array(self, access: Access) -> str:
        """The array itself."""
        match access.source:
            case "x":
                return f'x["{access.name}"]'
            case "new":
                return "new"
            case "p":
                return f'p["{access.name}"]'
            case "support":
                layer = self.program.layers[access.name]
                return self.constant(f"np.arange({layer.low!r}, {layer.high + 1.0!r}, dtype=DTYPE)", "VALUES")
            case "c":
                return f's.consts["{access.name}"]'
        return access.name if access.exponent == 1.0 else f"({access.name} ** {access.exponent!r})"

    def gather(self, text: str, access: Access, section: Section, fixed: Fixed) -> str:
        """An array at index expressions: slices where these are plain, else a table of places."""
        assert access.indices is not None
        batch = [":"] if BATCH in access.letters else []
        if access.flat:
            text = f"{text}.reshape(len({text}), -1" + (f", {text}.shape[-1]" if len(access.indices) > 1 else "") + ")"
        plain = [i.plain for i in access.indices]
        if all(p is not None for p in plain) and len(set(plain)) == len(plain):
            basic = [fixed[p] if p in fixed else "{}:{}".format(*section.sizes[p]) for p in plain if p is not None]
            return f"{text}[{', '.join(batch + basic)}]"
        loops = [x for x in access.letters if x != BATCH]
        grids = {x: grid(x, k, len(loops), section) for k, x in enumerate(loops)} | dict(fixed)
        shown = [self.index(i, grids) for i in access.indices]
        moving = any(b in fixed for i in access.indices for b in i.binders())
        if not loops or moving:
            return f"{text}[{', '.join(batch + shown)}]"
        table = self.constant(f"({', '.join(shown)},)", "AT")
        return f"{text}[:, *{table}]" if batch else f"{text}[{table}]"

    def index(self, index: Index, grids: Mapping[str, str]) -> str:
        """An index expression over grids of its binders."""
        parts = []
        for atom, coefficient in index.terms:
            match atom:
                case str():
                    text = grids[atom]
                case Wrap(inner=inner, modulus=modulus):
                    text = f"({self.index(inner, grids)}) % {modulus}"
                case EdgeEnd(graph=graph, side=side, binder=binder):
                    text = f"EDGES__{graph}[{grids[binder]}, {side}]"
            parts.append(text if coefficient == 1 else f"{coefficient} * ({text})")
        if index.constant or not parts:
            parts.append(str(index.constant))
        return " + ".join(parts)

    def places(
        self,
        sizes: Mapping[str, tuple[int, int]],
        arrays: Iterable[tuple[tuple[Index, ...], tuple[int, ...], bool]],
        predicates: Iterable[Predicate],
    ) -> str:
        """Flat places in arrays (indices, shape, whether one index is over all axes) and whether predicates hold, as a tuple.

        All at every value of the letters of `sizes`.
        """
        grids = {x: f"axis({low}, {high}, {k}, {len(sizes)})" for k, (x, (low, high)) in enumerate(sizes.items())}
        extent = tuple(high - low for low, high in sizes.values())
        found = []
        for indices, shape, flat in arrays:
            text = "0"
            for index, size in zip(indices, (math.prod(shape),) if flat else shape, strict=True):
                text = f"({text}) * {size} + {self.index(index, grids)}"
            found.append(text)
        found.append(" & ".join(f"({self.predicate(p, grids)})" for p in predicates) or "True")
        return f"({', '.join(f'np.broadcast_to(np.asarray({text}), {extent!r})' for text in found)})"

    def mask(self, predicate: Predicate, letters: Letters, section: Section, fixed: Fixed) -> str:
        """1 where a predicate holds, else 0."""
        loops = [x for x in letters if x not in fixed]
        grids = {x: grid(x, k, len(loops), section) for k, x in enumerate(loops)} | dict(fixed)
        text = self.predicate(predicate, grids)
        if not loops:
            return f"float(host({text.replace('~', '1 - ')}))"
        extent = tuple(section.sizes[x][1] - section.sizes[x][0] for x in loops)
        whole = f"np.broadcast_to({text}, {extent!r}).astype(DTYPE)"
        return f"({whole})" if any(b in fixed for b in predicate.binders()) else self.constant(whole, "MASK")

    def numbers(self, table: Monomial, fixed: Fixed) -> str:
        """A factor made of indices as a module-level array over its loops, 0 where its conditions do not hold."""
        loops = [loop.name for loop in table.loops]
        grids = {x.name: f"axis({x.low}, {x.high}, {k}, {len(loops)})" for k, x in enumerate(table.loops)}
        extent = tuple(loop.high - loop.low for loop in table.loops)
        holds = " & ".join(f"({self.predicate(p, grids)})" for p in table.predicates)
        value = " * ".join(self.number(atom, exponent, grids) for atom, exponent in table.factors)
        known = f"where_known({holds}, lambda: {value})" if holds else value
        name = self.constant(f"np.broadcast_to({known}, {extent!r}).astype(DTYPE)", "NUMBERS")
        lows = {loop.name: loop.low for loop in table.loops}
        at = [f"{fixed[x]} - {lows[x]}" if lows.get(x) and x in fixed else fixed.get(x, ":") for x in loops]
        return f"{name}[{', '.join(at)}]" if any(x in fixed for x in loops) else name

    def number(self, atom: Atom, exponent: float, grids: Mapping[str, str]) -> str:
        """A factor made of indices, over grids of these."""
        if isinstance(atom, At):
            text = f"({self.index(atom.indices[0], grids)})"
        else:
            parts = (
                " * ".join([repr(m.coefficient), *(self.number(a, e, grids) for a, e in m.factors)])
                for m in atom.argument
            )
            total = " + ".join(parts)
            text = call(atom.function, [total]) if atom.function else f"({total})"
        return text if exponent == 1.0 else f"{text} ** {exponent!r}"

    def predicate(self, predicate: Predicate, grids: Mapping[str, str]) -> str:
        """A comparison of index expressions, the first of which counts most."""
        sides = zip(predicate.left, predicate.right, strict=True)
        pairs = [(self.index(a, grids), self.index(b, grids)) for a, b in sides]
        if predicate.kind != "less":
            text = " & ".join(f"({a} == {b})" for a, b in pairs)
            return f"~({text})" if predicate.kind == "differ" else text
        text = "False"
        for a, b in reversed(pairs):
            text = f"({a} < {b}) | (({a} == {b}) & ({text}))" if text != "False" else f"({a} < {b})"
        return text


# --- pieces


def times(value: str, section: Section, weight: str) -> str:
    """The value of a section with its factor and weight; these are put on the smaller side by the caller."""
    factors = [] if section.coefficient == 1.0 else [repr(section.coefficient)]
    factors += [weight] if weight else []
    if not factors:
        return value
    if factors == ["-1.0"]:
        return f"-{value}"
    shown = " * ".join(factors)
    return shown if value == "1.0" else f"{shown} * {value}"


def grid(name: str, position: int, rank: int, section: Section) -> str:
    """The values of a binder along one of `rank` axes."""
    low, high = section.sizes[name]
    return f"axis({low}, {high}, {position}, {rank})"


def summed(text: str, letters: Letters, needed: Iterable[str]) -> str:
    """The sum over all axes that are not needed."""
    wanted = set(needed)
    gone = [k for k, x in enumerate(letters) if x not in wanted]
    return f"{text}.sum(axis={tuple(gone)!r})" if gone else text


def align(text: str, letters: Letters, target: Letters) -> str:
    """The value with its axes in the order of `target`, and length one where it has none."""
    if letters == target or not letters:
        return text
    ordered = tuple(sorted(letters, key=target.index))
    if ordered != letters:
        order = tuple(letters.index(x) for x in ordered)
        text = f"({text}).transpose({order!r})"
    lead = target[: len(target) - len(ordered)]
    if ordered == target or (ordered == target[len(lead) :]):
        return text
    slices = ", ".join(":" if x in ordered else "None" for x in target)
    return f"({text})[{slices}]"


def subscripts(left: Letters, right: Letters, out: Letters) -> str:
    """Axes as single letters for einsum."""
    letter = {x: chr(ord("a") + n) for n, x in enumerate(dict.fromkeys(left + right))}
    a, b, c = ("".join(letter[x] for x in axes) for axes in (left, right, out))
    return f"{a},{b}->{c}"


def lengths(text: str, start: int, stop: int) -> str:
    """The product of some lengths of an array."""
    return " * ".join(f"{text}.shape[{k}]" for k in range(start, stop))

"""`KernelProgram` -> text of a NumPy module. One small function a node.

The module is readable: the equation and the place it came from stand above every kernel. Nothing of the model's text
enters it but identifiers (as dictionary keys, function names and comments) and numbers.
"""

from __future__ import annotations

import base64
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from energydsl.backends.runtime_text import numpy_runtime
from energydsl.backends.scalar_text import INFIX
from energydsl.derive.records import BlockPart, Schedule
from energydsl.domains.density import FUNCTIONS, Density
from energydsl.domains.scalar import Num, Op, Scalar, Var, substitute
from energydsl.energy.targets import output
from energydsl.energy.terms import BASE, Predicate
from energydsl.kernels.program import BATCH, Access, Contract, Define, Kernel, KernelProgram, LayerKernels, Section
from energydsl.model.indices import EdgeEnd, Index, Wrap

Lines = list[str]
_FUNCTIONS = {"exp", "log", "sqrt", "abs", "tanh", "sin", "cos", "sign", "negative", "add", "subtract", "multiply"}
_FUNCTIONS |= {"divide", "less", "power", "floor", "log1p"}


@dataclass(frozen=True)
class Printed:
    """A module in two parts: the runtime, the same for all models of a precision, and what belongs to this model."""

    runtime: str
    model: str

    @property
    def text(self) -> str:
        return f"{self.runtime}\n\n{self.model}"


def comment(text: str) -> str:
    """Text that can end nothing but itself: printable, one line, no quotes that close a docstring."""
    return re.sub(r"[^\x20-\x7e\u00a1-\uffff]", "?", text).replace("\\", "/").replace('"""', "'''").rstrip('"')


def _pack(array: np.ndarray) -> str:
    # Level 5: on numbers that rise by one, level 9 takes seventy times as long and packs less tightly.
    data = zlib.compress(np.ascontiguousarray(array, "<i4").tobytes(), 5)
    return f"unpack({base64.b85encode(data).decode()!r}, {array.shape!r})"


@dataclass
class Printer:
    """One module on its way to text; `constants` collects module-level arrays by their text."""

    program: KernelProgram
    consts: Mapping[str, float]
    edges: Mapping[str, np.ndarray]
    colours: Mapping[str, np.ndarray]
    schedules: Mapping[str, Schedule]
    dtype: str
    precision: str = "full"
    constants: dict[str, str] = field(default_factory=dict)

    def module(self) -> Printed:
        return Printed(self.runtime(), self.model())

    def runtime(self) -> str:
        return numpy_runtime()

    def model(self) -> str:
        body: Lines = []
        for layer in self.program.layers.values():
            body += self.layer(layer)
        body += self.energy() + self.gradient() + self.tables()
        head = [
            "",
            f"# The model `{comment(self.program.name)}`",
            f"DTYPE = np.{self.dtype}",
            f"LABELS = {list(self.program.labels)!r}",
            f"CONSTS = {dict(self.consts)!r}",
            "",
            "",
            "def settings(beta=1.0, weights=None, consts=None, external=None):",
            '    """Run-time scalars, by default those of the energy as it is written."""',
            "    return settings_of(LABELS, CONSTS, beta, weights, consts, external)",
            "",
            "",
        ]
        edges = [f"EDGES__{n} = {_pack(e)}" for n, e in self.edges.items()]
        colours = []
        for n, c in self.colours.items():
            colours.append(f"UNITS__{n} = by_colour({_pack(c.ravel())})")
        constants = [f"{name} = {text}" for text, name in self.constants.items()]
        return "\n".join([*head, *edges, *colours, *constants, "", *body, ""])

    def constant(self, text: str, kind: str) -> str:
        """A module-level array, made once for equal texts."""
        return self.constants.setdefault(text, f"{kind}_{len(self.constants)}")

    # --- layers

    def layer(self, layer: LayerKernels) -> Lines:
        name = layer.layer
        lines: Lines = ["", "", f"# {comment(layer.equation)}", f"# from {comment(layer.origin)}"]
        if layer.family.density:
            lines += self.density(layer, layer.family.density)
        for kernel in layer.fields:
            lines += ["", "", *self.field_lines(layer, kernel)]
        for kernel in layer.unit_fields:
            lines += ["", "", *self.unit_field(layer, kernel)]
        arguments = ", ".join(f"{k.name}__{name}(p, x, s, w)" for k in layer.fields)
        lines += ["", "", f"def fields__{name}(p, x, s, w):", f'    """Natural parameters of `{name}`."""']
        lines += [f"    return ({arguments},)"]
        lines += ["", "", *self.sample(layer)]
        if name not in self.colours:
            lines += ["", "", *self.path(layer)]
        if layer.unit_fields:
            lines += ["", "", *self.scan(layer)]
        for what in ("log_partition", "entropy", "mean", "variance", "mode"):
            lines += ["", "", *self.elementwise(layer, what, bound(getattr(layer.family, what), layer))]
        return lines

    @staticmethod
    def density(layer: LayerKernels, density: Density) -> Lines:
        """The statistics of a layer without a closed form, in numbers."""
        rows = [
            (number, FUNCTIONS.index(f.function), f.power, *f.polynomial)
            for number, statistic in enumerate(density.statistics)
            for f in statistic
        ]
        given = [len(density.statistics), rows, density.growth, (*density.bend, density.rate), density.holds]
        given += [layer.low, layer.high, density.breaks]
        text = ", ".join(re.sub(r"\binf\b", "math.inf", repr(g)) for g in given)
        return [f"DENSITY__{layer.layer} = Density({text})"]

    def field_lines(self, layer: LayerKernels, kernel: Kernel) -> Lines:
        """eta of a layer. Linear fields are held in the workspace; others stay small where they do not vary."""
        number = layer.fields.index(kernel)
        lines = [f"def {kernel.name}__{layer.layer}(p, x, s, w):", f'    """{comment(kernel.equation)}"""']
        shape = ", ".join(map(str, kernel.shape))
        letters = (BATCH, *kernel.letters)
        labels = {s.label for s in kernel.sections}
        single = next(iter(labels)) if len(labels) == 1 else None
        held = number == 0 or kernel.batched
        if held:
            lines.append(f'    eta = w("{kernel.name}:{layer.layer}", (rows(x), {shape}{"," if shape else ""}))')
        started = False
        if not held and any(s.target is not None for s in kernel.sections):
            lines.append(f"    eta = np.zeros(({shape}{',' if shape else ''}), DTYPE)")
            started = True
        for section in kernel.sections:
            weight = "" if single is not None else f's.weights["{section.label}"]'
            add = started and section.coefficient == 1.0 and not weight
            if held and section.target is None and section.batched and (add or not started):
                direct = self.direct(section, letters, "eta", add)
                if direct is not None:
                    lines += direct
                    lines += [] if started else self.rescale("eta", section.coefficient, weight)
                    started = True
                    continue
            steps, value = self.value(section, {})
            lines += steps
            value = self.times(value, section, weight)
            if section.target is not None:
                if not started:
                    lines.append("    eta[...] = 0.0")
                lines += self.scatter(section, letters if held else kernel.letters, kernel.shape, "eta", value)
            else:
                aligned = self.align(value, self.result_letters(section), letters if held else kernel.letters)
                if not held:
                    start = "" if self.result_letters(section) else "np.zeros((), DTYPE) + "
                    lines.append(f"    eta = {'eta + ' if started else start}{aligned}")
                else:
                    lines.append(f"    eta {'+=' if started else '[...] ='} {aligned}".replace("eta [", "eta["))
            started = True
        if not started:
            lines.append("    eta[...] = 0.0" if held else "    eta = np.zeros((), DTYPE)")
        lines += self.temper(layer, number, single, held)
        return lines

    def temper(self, layer: LayerKernels, number: int, single: str | None, held: bool) -> Lines:
        scale = f's.beta * s.weights["{single}"]' if single is not None else "s.beta"
        if not held:
            return [
                f"    eta = eta * ({scale})",
                f'    return eta + s.external["{layer.layer}"][{number}] if "{layer.layer}" in s.external else eta',
            ]
        return [
            f"    scale = {scale}",
            "    if scale != 1.0:",
            "        eta *= scale",
            f'    if "{layer.layer}" in s.external:',
            f'        eta += s.external["{layer.layer}"][{number}]',
            "    return eta",
        ]

    def unit_field(self, layer: LayerKernels, kernel: Kernel) -> Lines:
        """eta of one unit of a layer that is scanned: the same sum with the unit's indices held fixed."""
        number = layer.unit_fields.index(kernel)
        sites = [output(k) for k in range(len(layer.shape))]
        lines = [
            f"def unit_{kernel.name}__{layer.layer}(p, x, s, w, {', '.join(sites)}):",
            f'    """{comment(kernel.equation)}"""',
        ]
        letters = tuple(x for x in (BATCH, *kernel.letters) if x not in sites)
        states = layer.field_shape[len(layer.shape) :]
        shape = ", ".join(map(str, ("rows(x)", *states)))
        labels = {s.label for s in kernel.sections}
        single = next(iter(labels)) if len(labels) == 1 else None
        lines.append(f"    eta = np.zeros(({shape},), DTYPE)")
        for section in kernel.sections:
            weight = "" if single is not None else f's.weights["{section.label}"]'
            if section.target is not None:
                whole = ", ".join(map(str, layer.field_shape))
                lines.append(f"    whole = np.zeros((rows(x), {whole},), DTYPE)")
                steps, value = self.value(section, {})
                value = self.times(value, section, weight)
                lines += steps + self.scatter(section, (BATCH, *kernel.letters), kernel.shape, "whole", value)
                lines.append(f"    eta += whole[:, {', '.join(sites)}]")
                continue
            steps, value = self.value(section, {x: x for x in sites})
            lines += steps
            value = self.times(value, section, weight)
            lines.append(f"    eta += {self.align(value, self.result_letters(section), letters)}")
        scale = f's.beta * s.weights["{single}"]' if single is not None else "s.beta"
        lines += [
            f"    eta *= {scale}",
            f'    if "{layer.layer}" in s.external:',
            f'        eta += np.broadcast_to(s.external["{layer.layer}"][{number}], (rows(x), *{layer.field_shape!r}))'
            f"[:, {', '.join(sites)}]"
            if sites
            else f'        eta += s.external["{layer.layer}"][{number}]',
            "    return eta",
        ]
        return lines

    def moments(self, layer: LayerKernels) -> Lines:
        name = layer.layer
        arguments = ", ".join(layer.etas)
        lines = [
            f"def moments__{name}(means, {arguments}):",
            f'    """Write the conditional moments of `{name}` into `means`, a Moments."""',
            f"    {_into(bound(layer.family.mean, layer), f'means[{name!r}]')}",
        ]
        if layer.squared:
            variance = _plain(bound(layer.family.variance, layer))
            lines.append(f'    np.add(means["{name}"] ** 2, {variance}, out=means.second["{name}"])')
        return [
            *lines,
            "",
            "",
            f"def means__{name}(p, x, s, w, means):",
            f'    """Conditional moments of `{name}` given all other layers, into `means`."""',
            f"    moments__{name}(means, *fields__{name}(p, x, s, w))",
        ]

    def sample(self, layer: LayerKernels) -> Lines:
        name = layer.layer
        site = "".join(f", {n}" for n in layer.shape)
        arguments = ", ".join(layer.etas)
        lines = [
            *self.moments(layer),
            "",
            "",
            *self.draw(layer),
            "",
            "",
            f"def sample__{name}(p, x, s, random, w, colour=None, means=None):",
            f'    """Draw `{name}` given all other layers, into x; and its moments into `means` if that is given."""',
            f"    {arguments}, = fields__{name}(p, x, s, w)",
            "    if means is not None:",
            f"        moments__{name}(means, {arguments})",
        ]
        if name not in self.colours:
            return [
                *lines,
                f'    draw__{name}({arguments}, fill(random, w("u:{name}", (rows(x){site},))), x["{name}"], w)',
            ]
        states = layer.field_shape[len(layer.shape) :]
        inner = "".join(f", {n}" for n in layer.energy_shape[len(layer.shape) :])
        taken = ", ".join(f"at_units({a}, units, {layer.shape!r}, {states!r})" for a in arguments.split(", "))
        return [
            *lines,
            *self.units_of(layer),
            f'    draw__{name}({taken}, fill(random, w(f"u{{colour}}:{name}", (rows(x), len(units)))), new, w)',
            f'    x["{name}"].reshape(rows(x), -1{inner})[:, units] = new',
        ]

    def units_of(self, layer: LayerKernels) -> Lines:
        """The units of a colour, and an array for their values."""
        name, inner = layer.layer, "".join(f", {n}" for n in layer.energy_shape[len(layer.shape) :])
        return [
            f"    units = UNITS__{name}[colour] if colour is not None else np.arange({int(np.prod(layer.shape))})",
            f'    new = w(f"new{{colour}}:{name}", (rows(x), len(units){inner}))',
        ]

    def path(self, layer: LayerKernels) -> Lines:
        """What annealing asks of a layer between a base distribution and the model, from fields found once."""
        name = layer.layer
        site = "".join(f", {n}" for n in layer.shape)
        return [
            *self.split_fields(layer),
            "",
            "",
            *self.log_partition_difference(layer, f"log_partition__{name}", ""),
            "",
            "",
            f"def draw_tempered__{name}(etas, at, random, out, w):",
            f'    """Draw `{name}` at natural parameters scale * eta + offset; at: (scale, offsets)."""',
            f'    draw__{name}(*moved(etas, at), fill(random, w("u:{name}", (len(out){site},))), out, w)',
        ]

    def split_fields(self, layer: LayerKernels) -> Lines:
        zeros = ", ".join("0.0" for _ in layer.fields)
        return [
            f"def split_fields__{layer.layer}(p, x, s, w):",
            f'    """Fields of `{layer.layer}` in two: one varies with the chains, the other is the same for all."""',
            f"    return fields__{layer.layer}(p, x, s, w), ({zeros},)",
        ]

    @staticmethod
    def log_partition_difference(layer: LayerKernels, log_partition: str, bounds: str) -> Lines:
        return [
            f"def log_partition_difference__{layer.layer}(etas, before, after):",
            f'    """What the log-partitions of `{layer.layer}` gain from before to after, each (scale, offsets)."""',
            f"    return log_partition_difference({log_partition}, etas, before, after, {layer.shape!r}{bounds})",
        ]

    def draw(self, layer: LayerKernels) -> Lines:
        """One draw from the fields and uniform numbers, both overwritten."""
        arguments = ", ".join(layer.etas)
        return [
            f"def draw__{layer.layer}({arguments}, u, new, w):",
            f'    """Draw units of `{layer.layer}` from their fields and uniform numbers; these may be overwritten."""',
            *_Formula(layer.layer, self.full(layer), "new").statements(bound(layer.family.sample, layer)),
        ]

    @staticmethod
    def full(layer: LayerKernels) -> set[str]:
        """The variables of a formula that are arrays over chains and units and may be overwritten."""
        held = {f"eta{k + 1}" for k, kernel in enumerate(layer.fields) if k == 0 or kernel.batched}
        return {*held, "u"}

    def scan(self, layer: LayerKernels) -> Lines:
        """Every unit in turn, each given the newest values of all others."""
        name = layer.layer
        sites = [output(k) for k in range(len(layer.shape))]
        at = ", ".join(sites)
        arguments = layer.etas
        lines = [
            f"def scan__{name}(p, x, s, random, w, keep=None):",
            f'    """Draw the units of `{name}` one after the other, into x, but for entries that `keep` marks."""',
            f'    uniform = fill(random, w("u:{name}", (rows(x){"".join(f", {n}" for n in layer.shape)},)))',
            f"    for {at}{',' if len(sites) == 1 else ''} in np.ndindex({', '.join(map(str, layer.shape))}):",
        ]
        lines += [f"        {a} = unit_{a}__{name}(p, x, s, w, {at})" for a in arguments]
        lines.append(f"        u = uniform[:, {at}]")
        lines.append(f"        new = {_plain(bound(layer.family.sample, layer))}")
        lines.append(
            f'        x["{name}"][:, {at}] = new if keep is None else np.where(keep[:, {at}], x["{name}"][:, {at}], new)'
        )
        return lines

    def elementwise(self, layer: LayerKernels, what: str, formula: Scalar) -> Lines:
        arguments = ", ".join(layer.etas)
        return [
            f"def {what}__{layer.layer}({arguments}):",
            f'    """{what} of every unit of `{layer.layer}`."""',
            f"    return {_plain(formula)}",
        ]

    # --- energy and gradient

    def energy(self) -> Lines:
        weighted = any(section.label == BASE for section in self.program.energy.sections)
        labels = f"[*LABELS, {BASE!r}]" if weighted else "LABELS"
        note = "; the base measure under no name" if weighted else ""
        lines = [
            "",
            "",
            "def energy(p, x, s, without=frozenset()):",
            f'    """E by term name, shape (chains,), without beta and term weights; leaves out terms of given layers{note}."""',
            f"    total = {{label: np.zeros(rows(x), DTYPE) for label in {labels}}}",
        ]
        for section in self.program.energy.sections:
            steps, value = self.value(section, {})
            value = self.times(value, section, "")
            body = [*steps, f'    total["{section.label}"] += {value}']
            if section.layers:
                lines.append(f"    if without.isdisjoint({section.layers!r}):  # {comment(section.origin)}")
                body = [f"    {line}" for line in body]
            lines += body
        return [*lines, "    return total"]

    def gradient(self) -> Lines:
        lines: Lines = []
        for name, kernel in self.program.gradients.items():
            shape = f"({', '.join(map(str, kernel.shape))}{',' if len(kernel.shape) == 1 else ''})"
            direct = self.one_product(kernel)
            lines += [
                "",
                "",
                f"def gradient__{name}(p, x, s, weights, w{', onto=None' if direct else ''}):",
                f'    """{comment(kernel.equation)}, added up over chains with `weights`; overwritten by the next call."""',
            ]
            for n, section in enumerate(kernel.sections):
                weight = f's.weights["{section.label}"]'
                lines.append(f"    row = {self.times('weights', section, weight)}")
                bare, weighted = self.without_row(section)
                factors = self.factors(bare, kernel.letters) if n == 0 and section.target is None else None
                if factors is not None:
                    steps, (left, right) = factors
                    flat = "total" if len(kernel.shape) <= 2 else "total.reshape(len(total), -1)"
                    add = ", add=onto is not None" if direct else ""
                    into = f'w("gradient:{name}", {shape})'
                    lines += [
                        *steps,
                        f"    total = {into if not direct else f'{into} if onto is None else onto'}",
                        f"    matmul({left}, {right}, out={flat}{add}{weighted})",
                    ]
                    continue
                steps, value = self.value(section, {})
                lines += steps
                if section.target is None and n == 0 and self.covers(section, kernel):
                    lines.append(f"    total = {self.align(value, self.result_letters(section), kernel.letters)}")
                    continue
                if n == 0:
                    lines.append(f"    total = np.zeros({shape}, DTYPE)")
                if section.target is not None:
                    lines += self.scatter(section, kernel.letters, kernel.shape, "total", value)
                else:
                    aligned = self.align(value, self.result_letters(section), kernel.letters)
                    lines.append(f"    total = total + {aligned}")
            if not kernel.sections:
                lines.append(f"    total = np.zeros({shape}, DTYPE)")
            lines.append("    return total")
        return lines

    def one_product(self, kernel: Kernel) -> bool:
        """Whether a gradient is one product that reads no parameter, so that it can be added onto one as it is made."""
        if len(kernel.sections) != 1 or kernel.sections[0].target is not None:
            return False
        steps = kernel.sections[0].steps
        read = [a for c in steps if isinstance(c, Contract) for a in (c.left, c.right) if a is not None]
        plain = all(isinstance(c, Contract) for c in steps) and all(a.source != "p" for a in read)
        return plain and self.factors(self.without_row(kernel.sections[0])[0], kernel.letters) is not None

    @staticmethod
    def without_row(section: Section) -> tuple[Section, str]:
        """A section whose last product sums over chains, its row weights left to that product; else as it is."""
        if len(section.steps) < 2:
            return section, ""
        *steps, scaled, last = section.steps
        if not (isinstance(scaled, Contract) and isinstance(last, Contract) and last.right and scaled.right):
            return section, ""
        sides = [scaled.left, scaled.right]
        plain = [a for a in sides if a.source != "row"]
        summed = (set(last.left.letters) | set(last.right.letters)) - set(last.letters)
        if len(plain) != 1 or set(plain[0].letters) != set(scaled.letters) or summed != {BATCH}:
            return section, ""

        def put(access: Access) -> Access:
            return plain[0] if access.name == scaled.out and access.source == "local" else access

        return replace(section, steps=(*steps, replace(last, left=put(last.left), right=put(last.right)))), ", row=row"

    def covers(self, section: Section, kernel: Kernel) -> bool:
        return set(self.result_letters(section)) == set(kernel.letters)

    # --- sections

    def value(self, section: Section, fixed: Mapping[str, str]) -> tuple[Lines, str]:
        """Statements that compute a section, and the expression of its result."""
        lines: Lines = []
        for step in section.steps:
            if isinstance(step, Define):
                lines += self.define(step, section)
            else:
                lines.append(f"    {step.out} = {self.contract(step, section, fixed)[0]}")
        return lines, self.access(section.result, section, fixed) if section.result else "1.0"

    @staticmethod
    def result_letters(section: Section) -> tuple[str, ...]:
        return section.result.letters if section.result else ()

    def define(self, step: Define, outer: Section) -> Lines:
        lines: Lines = []
        parts = []
        for section in step.sections:
            steps, value = self.value(section, {})
            lines += steps
            value = self.times(value, section, "")
            parts.append(self.align(value, self.result_letters(section), step.letters))
        total = " + ".join(parts) or "0.0"
        return [*lines, f"    {step.out} = {_call(step.function, [total]) if step.function else total}"]

    def times(self, value: str, section: Section, weight: str) -> str:
        """The value with its factor and weight; these are put on the smaller side by the caller."""
        factors = [] if section.coefficient == 1.0 else [repr(section.coefficient)]
        factors += [weight] if weight else []
        if not factors:
            return value
        if factors == ["-1.0"]:
            return f"-{value}"
        shown = " * ".join(factors)
        return shown if value == "1.0" else f"{shown} * {value}"

    @staticmethod
    def rescale(name: str, coefficient: float, weight: str) -> Lines:
        lines = [f"    {name} *= {coefficient!r}"] if coefficient != 1.0 else []
        if weight:
            lines += [f"    if {weight} != 1.0:", f"        {name} *= {weight}"]
        return lines

    def direct(self, section: Section, letters: tuple[str, ...], out: str, add: bool) -> Lines | None:
        """A section whose last step is a matrix product that can be written straight into the output."""
        factors = self.factors(section, letters)
        if factors is None:
            return None
        lines, (left, right) = factors
        target = out if len(letters) <= 2 else f"{out}.reshape(len({out}), -1)"
        return [*lines, f"    matmul({left}, {right}, out={target}{', add=True' if add else ''})"]

    def factors(self, section: Section, letters: tuple[str, ...]) -> tuple[Lines, tuple[str, str]] | None:
        """The two matrices whose product is the section, and the steps before; None where its end is none."""
        last = section.steps[-1] if section.steps else None
        if not isinstance(last, Contract) or section.result is None or section.result.name != last.out:
            return None
        _, order, factors = self.contract(last, section, {}, want=letters)
        if factors is None or order != letters:
            return None
        lines: Lines = []
        for step in section.steps[:-1]:
            if isinstance(step, Define):
                lines += self.define(step, section)
            else:
                lines.append(f"    {step.out} = {self.contract(step, section, {})[0]}")
        return lines, factors

    def scatter(
        self, section: Section, letters: tuple[str, ...], shape: tuple[int, ...], out: str, value: str
    ) -> Lines:
        assert section.target is not None
        loops = [x for x in section.sizes if any(x in i.binders() for i in section.target)]
        grids = {x: self.grid(x, k, len(loops), section) for k, x in enumerate(loops)}
        indices = [self.index(i, grids) for i in section.target]
        if section.flat:
            shape = (int(np.prod(shape)),) if len(indices) == 1 else (int(np.prod(shape[:-1])), shape[-1])
        flat = indices[0]
        for index, size in zip(indices[1:], shape[1:], strict=True):
            flat = f"({flat}) * {size} + {index}"
        extent = tuple(section.sizes[x][1] - section.sizes[x][0] for x in loops)
        whole = f"np.broadcast_to({flat}, {extent!r})" if loops else flat
        table = self.constant(f"Scatter({whole}, {int(np.prod(shape, dtype=np.int64))})", "SCATTER")
        batch = (BATCH,) if BATCH in letters else ()
        full = (*(("rows(x)",) if batch else ()), *map(str, extent))
        aligned = self.align(value, self.result_letters(section), (*batch, *loops))
        wide = aligned if self.result_letters(section) else f"np.asarray({aligned}, DTYPE)"
        values = f"np.broadcast_to({wide}, ({', '.join(full)},))" if full else wide
        columns = f"{out}.reshape(len({out}), -1)" if batch else f"{out}.reshape(-1)"
        spread = f"{values}.reshape(rows(x), -1)" if batch else f"{values}.reshape(-1)"
        return [f"    {table}({columns}, {spread})"]

    # --- contractions

    def contract(
        self, step: Contract, section: Section, fixed: Mapping[str, str], want: tuple[str, ...] | None = None
    ) -> tuple[str, tuple[str, ...], tuple[str, str] | None]:
        """The expression of a contraction, its axes, and where it is a matrix product, both factors."""
        left, la = self.access(step.left, section, fixed), step.left.letters
        if step.right is None:
            return (
                self.align(self.summed(left, la, step.letters), _kept(la, step.letters), step.letters),
                step.letters,
                None,
            )
        right, lb = self.access(step.right, section, fixed), step.right.letters
        left, la = self.summed(left, la, (*step.letters, *lb)), _kept(la, (*step.letters, *lb))
        right, lb = self.summed(right, lb, (*step.letters, *la)), _kept(lb, (*step.letters, *la))
        shared = [x for x in la if x in lb and x not in step.letters]
        if not shared:
            order = step.letters
            product = f"{self.align(left, la, order)} * {self.align(right, lb, order)}"
            return f"({product})", order, None
        if any(x in lb and x in step.letters for x in la):
            return f'einsum("{_spec(la, lb, step.letters)}", {left}, {right})', step.letters, None
        return self.matrix_product(left, la, right, lb, shared, step.letters, want)

    def matrix_product(
        self,
        left: str,
        la: tuple[str, ...],
        right: str,
        lb: tuple[str, ...],
        shared: list[str],
        letters: tuple[str, ...],
        want: tuple[str, ...] | None,
    ) -> tuple[str, tuple[str, ...], tuple[str, str] | None]:
        free_a, free_b = (tuple(x for x in side if x not in shared) for side in (la, lb))
        if free_a + free_b != letters and free_b + free_a == letters:
            left, la, free_a, right, lb, free_b = right, lb, free_b, left, la, free_a
        order = free_a + free_b
        a = _as_matrix(left, la, free_a, tuple(shared), rows_first=True)
        b = _as_matrix(right, lb, free_b, tuple(shared), rows_first=False)
        if a is None or b is None:
            axes = ([la.index(x) for x in shared], [lb.index(x) for x in shared])
            return self.align(f"tensordot({left}, {right}, axes={axes!r})", order, letters), letters, None
        flat = len(free_a) <= 1 and len(free_b) <= 1
        if flat:
            return self.align(f"matmul({a}, {b})", order, letters), letters, (a, b) if order == letters else None
        shape = ", ".join([f"*{left}.shape[{la.index(x)}:{la.index(x) + 1}]" for x in free_a])
        shape = ", ".join(filter(None, [shape, *[f"*{right}.shape[{lb.index(x)}:{lb.index(x) + 1}]" for x in free_b]]))
        text = f"matmul({a}, {b}).reshape({shape})"
        single = len(free_a) == 1
        return self.align(text, order, letters), letters, (a, b) if single and order == letters else None

    @staticmethod
    def summed(text: str, letters: tuple[str, ...], needed: Iterable[str]) -> str:
        wanted = set(needed)
        gone = [k for k, x in enumerate(letters) if x not in wanted]
        return f"{text}.sum(axis={tuple(gone)!r})" if gone else text

    @staticmethod
    def align(text: str, letters: tuple[str, ...], target: tuple[str, ...]) -> str:
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

    # --- accesses

    def access(self, access: Access, section: Section, fixed: Mapping[str, str]) -> str:
        if access.source == "mask":
            assert access.predicate is not None
            return self.mask(access.predicate, access.letters, section, fixed)
        text = self.array(access)
        if access.source == "local":
            if access.indices is None:
                return text
            at = [":"] * (BATCH in access.letters) + [fixed.get(i.plain or "", ":") for i in access.indices]
            return f"{text}[{', '.join(at)}]"
        exponent = access.exponent
        if access.source == "x" and exponent == 2.0:
            text, exponent = f'square(x, "{access.name}")', 1.0
        if access.indices is not None:
            text = self.gather(text, access, section, fixed)
        if exponent == -1.0:
            return f"(1.0 / {text})"
        return text if exponent == 1.0 else f"({text} ** {exponent!r})"

    def array(self, access: Access) -> str:
        if access.source == "x":
            return f'x["{access.name}"]'
        if access.source == "p":
            return f'p["{access.name}"]'
        if access.source == "support":
            layer = self.program.layers[access.name]
            return self.constant(f"np.arange({layer.low!r}, {layer.high + 1.0!r}, dtype=DTYPE)", "VALUES")
        if access.source == "c":
            return f's.consts["{access.name}"]'
        power = "" if access.exponent == 1.0 else f" ** {access.exponent!r}"
        return f"({access.name}{power})" if power else access.name

    def gather(self, text: str, access: Access, section: Section, fixed: Mapping[str, str]) -> str:
        assert access.indices is not None
        batch = [":"] if BATCH in access.letters else []
        if access.flat:
            text = f"{text}.reshape(len({text}), -1" + (f", {text}.shape[-1]" if len(access.indices) > 1 else "") + ")"
        plain = [i.plain for i in access.indices]
        if all(p is not None for p in plain) and len(set(plain)) == len(plain):
            basic = [fixed[p] if p in fixed else self.slice(p, section) for p in plain if p is not None]
            return f"{text}[{', '.join(batch + basic)}]"
        loops = [x for x in access.letters if x != BATCH]
        grids = {x: self.grid(x, k, len(loops), section) for k, x in enumerate(loops)} | dict(fixed)
        shown = [self.index(i, grids) for i in access.indices]
        moving = any(b in fixed for i in access.indices for b in i.binders())
        if not loops or moving:
            return f"{text}[{', '.join(batch + shown)}]"
        table = self.constant(f"({', '.join(shown)},)", "AT")
        return f"{text}[:, *{table}]" if batch else f"{text}[{table}]"

    @staticmethod
    def slice(name: str, section: Section) -> str:
        low, high = section.sizes[name]
        return f"{low}:{high}"

    @staticmethod
    def grid(name: str, position: int, rank: int, section: Section) -> str:
        low, high = section.sizes[name]
        return f"axis({low}, {high}, {position}, {rank})"

    def index(self, index: Index, grids: Mapping[str, str]) -> str:
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

    def mask(self, predicate: Predicate, letters: tuple[str, ...], section: Section, fixed: Mapping[str, str]) -> str:
        loops = [x for x in letters if x not in fixed]
        grids = {x: self.grid(x, k, len(loops), section) for k, x in enumerate(loops)} | dict(fixed)
        pairs = [
            (self.index(a, grids), self.index(b, grids)) for a, b in zip(predicate.left, predicate.right, strict=True)
        ]
        if predicate.kind == "less":
            text = "False"
            for a, b in reversed(pairs):
                text = f"({a} < {b}) | (({a} == {b}) & ({text}))" if text != "False" else f"({a} < {b})"
        else:
            text = " & ".join(f"({a} == {b})" for a, b in pairs)
            text = f"~({text})" if predicate.kind == "differ" else text
        if not loops:
            return f"float(host({text.replace('~', '1 - ')}))"
        extent = tuple(section.sizes[x][1] - section.sizes[x][0] for x in loops)
        whole = f"np.broadcast_to({text}, {extent!r}).astype(DTYPE)"
        return f"({whole})" if any(b in fixed for b in predicate.binders()) else self.constant(whole, "MASK")

    # --- sweeps

    def tables(self) -> Lines:
        """The functions of the model by layer and parameter, its schedules, and sweeps."""
        schedules = [
            f"    {key!r}: [{', '.join('[' + ', '.join(map(_part, block)) + ']' for block in blocks)}],"
            for key, blocks in self.schedules.items()
        ]
        names = list(self.program.gradients)
        layers = [line for layer in self.program.layers.values() for line in self.members(layer)]
        return [
            "",
            "",
            "layers = {",
            *layers,
            "}",
            f"gradients = {{{', '.join(f'{n!r}: gradient__{n}' for n in names)}}}",
            "# those that can be added onto the parameter itself: gradients['W'](p, x, s, -rate * weights, w, p['W'])",
            f"direct = {[n for n in names if self.one_product(self.program.gradients[n])]!r}",
            "# Gibbs blocks when nothing is clamped, and with data clamped",
            "SCHEDULES = {",
            *schedules,
            "}",
            "",
            "",
            "def update(part, p, x, s, random, w, means=None):",
            '    """Draw one Part of a block; the moments of a whole layer into means."""',
            "    return draw_part(layers[part.layer], part, p, x, s, random, w, means)",
            "",
            "",
            "def gibbs(p, x, steps, random, s=None, w=None, schedule=None):",
            '    """Run sweeps in place; random is a Stream. Clamp by passing SCHEDULES["clamped"]."""',
            "    s, w = s or settings(), w or Workspace(DTYPE)",
            "    with single_threaded_blas():",
            "        for _ in range(steps):",
            "            random.next()",
            '            for block in schedule if schedule is not None else SCHEDULES["free"]:',
            "                for part in block:",
            "                    update(part, p, x, s, random, w)",
            "    return x",
        ]

    def members(self, layer: LayerKernels) -> Lines:
        """The entry of a layer in the table of layers."""
        name = layer.layer
        found = ["fields", "sample", "moments", "means", "log_partition", "mean", "variance", "entropy", "mode"]
        lines = [f"        {what}={what}__{name}," for what in found]
        if layer.unit_fields:
            lines.append(f"        unit_fields=({', '.join(f'unit_{k.name}__{name}' for k in layer.unit_fields)},),")
            lines.append(f"        scan=scan__{name},")
        if name in self.colours:
            lines.append(f"        units=UNITS__{name},")
        else:
            tempered = ", ".join(
                f"{what}__{name}" for what in ("split_fields", "log_partition_difference", "draw_tempered")
            )
            lines.append(f"        tempered=Tempered({tempered}),")
        if layer.family.density:
            lines.append(f"        density=DENSITY__{name},")
        return [f'    "{name}": Layer(', *lines, "    ),"]


def _part(part: BlockPart) -> str:
    """A part of a block as text."""
    if part.kind == "whole":
        return f'Part("{part.layer}")'
    return f'Part("{part.layer}", "{part.kind}"' + (f", {part.colour})" if part.kind == "colours" else ")")


def _kept(letters: tuple[str, ...], needed: Iterable[str]) -> tuple[str, ...]:
    wanted = set(needed)
    return tuple(x for x in letters if x in wanted)


def _spec(left: tuple[str, ...], right: tuple[str, ...], out: tuple[str, ...]) -> str:
    """Axes as single letters for einsum."""
    letter = {x: chr(ord("a") + n) for n, x in enumerate(dict.fromkeys(left + right))}
    a, b, c = ("".join(letter[x] for x in axes) for axes in (left, right, out))
    return f"{a},{b}->{c}"


def _as_matrix(
    text: str, letters: tuple[str, ...], free: tuple[str, ...], shared: tuple[str, ...], rows_first: bool
) -> str | None:
    """The array as a matrix, free axes first (rows_first) or last, without a copy; None where that needs one."""
    if letters == free + shared:
        straight = rows_first
    elif letters == shared + free:
        straight = not rows_first
    else:
        return None
    if len(free) == 1 and len(shared) == 1:
        return text if straight else f"{text}.T"
    if not free:
        return f"{text}.reshape(-1)"
    if letters[0] in free:
        matrix = f"{text}.reshape({_lengths(text, 0, len(free))}, -1)"
    else:
        matrix = f"{text}.reshape(-1, {_lengths(text, len(shared), len(letters))})"
    return matrix if straight else f"{matrix}.T"


def _lengths(text: str, start: int, stop: int) -> str:
    return " * ".join(f"{text}.shape[{k}]" for k in range(start, stop))


def _call(name: str, arguments: list[str], out: str = "") -> str:
    prefix = "np." if name in _FUNCTIONS else ""
    return f"{prefix}{name}({', '.join([*arguments, *([f'out={out}'] if out else [])])})"


def _plain(node: Scalar) -> str:
    """A formula as one NumPy expression."""
    match node:
        case Var(name=name):
            return name
        case Num(value=value):
            return "math.inf" if math.isinf(value) else repr(value)
        case Op(name="negative", arguments=(inner,)):
            return f"(-{_plain(inner)})"
        case Op(name=name, arguments=(left, right)) if name in INFIX:
            return f"({_plain(left)} {INFIX[name]} {_plain(right)})"
        case Op(name=name, arguments=arguments):
            return _call(name, [_plain(a) for a in arguments])
    raise AssertionError(node)


def bound(formula: Scalar, layer: LayerKernels) -> Scalar:
    """A formula with the bounds of a layer as numbers."""
    numbers = {"low": Num(layer.low), "high": Num(layer.high), "density": Var(f"DENSITY__{layer.layer}")}
    return substitute(formula, numbers)


def _into(node: Scalar, out: str) -> str:
    """A statement that writes a formula into an array."""
    if isinstance(node, Op) and node.name in ("sigmoid", "tanh", "softmax_last", "multiply"):
        return _call(node.name, [_plain(a) for a in node.arguments], out)
    return f"{out}[...] = {_plain(node)}"


class _Formula:
    """A formula as statements that write into arrays at hand: eta, u, and at the end the output.

    Arrays over chains and units (`full`) are overwritten at their last use; what occurs twice is computed once.
    """

    def __init__(self, name: str, full: set[str], out: str):
        self.name, self.full, self.out = name, full, out
        self.lines: Lines = []
        self.uses: Counter[Scalar] = Counter()
        self.known: dict[Scalar, tuple[str, bool]] = {}
        self.spare = 0

    def statements(self, formula: Scalar) -> Lines:
        self._count(formula)
        text, _ = self._emit(formula, self.out)
        if text != self.out:
            self.lines.append(f"    {self.out}[...] = {text}")
        return self.lines

    def _count(self, node: Scalar) -> None:
        self.uses[node] += 1
        if isinstance(node, Op) and self.uses[node] == 1:
            for argument in node.arguments:
                self._count(argument)

    def _emit(self, node: Scalar, out: str = "") -> tuple[str, bool]:
        """Text of a value and whether it is a full array that may be overwritten."""
        if node in self.known:
            text, is_full = self.known[node]
            self.uses[node] -= 1
            return text, is_full and self.uses[node] == 0
        if isinstance(node, Var):
            self.uses[node] -= 1
            return node.name, node.name in self.full and self.uses[node] == 0
        if isinstance(node, Num):
            return _plain(node), False
        assert isinstance(node, Op)
        arguments = [self._emit(a) for a in node.arguments]
        texts = [t for t, _ in arguments]
        full = [t for t, spare in arguments if spare]
        touches = any(self._is_full(a) for a in node.arguments)
        if not touches:
            text = _call(node.name, texts)
            if self.uses[node] > 1:
                name = f"shared{len(self.known)}"
                self.lines.append(f"    {name} = {text}")
                text = name
                self.known[node] = (name, False)
            return text, False
        if out or node.name in ("choose_last", "pick_last"):
            target = out or "new"
        else:
            target = full[0] if full else self._buffer()
        self.lines.append(f"    {_call(node.name, texts, target)}")
        if self.uses[node] > 1:
            self.known[node] = (target, True)
            self.uses[node] -= 1
            return target, False
        return target, True

    def _is_full(self, node: Scalar) -> bool:
        if isinstance(node, Var):
            return node.name in self.full
        return isinstance(node, Op) and any(self._is_full(a) for a in node.arguments)

    def _buffer(self) -> str:
        name = f"spare{self.spare}"
        self.lines.append(f'    {name} = w("{name}:{self.name}", eta1.shape)')
        self.spare += 1
        return name

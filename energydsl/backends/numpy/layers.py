"""The functions of a layer as NumPy: fields, moments, draws, and what annealing asks of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from energydsl.backends.numpy.formulas import InPlace, assignment, expression
from energydsl.backends.numpy.steps import Steps, align, times
from energydsl.backends.text import Lines, comment, function, listed
from energydsl.domains.density import SHAPES, TABULATED, Density, bounds_of
from energydsl.domains.mapped import PLACES
from energydsl.kernels.program import BATCH, Block, Draw, Kernel, LayerKernels, Moments, Scan, Section, Standing


class LayerPrinter:
    """What prints the functions of a layer.

    kernels: those that are made for the functions of the model, by name; NumPy has none.
    """

    def __init__(self, steps: Steps):
        self.steps = steps
        self.kernels: dict[str, Lines] = {}

    def layer(self, layer: LayerKernels) -> Lines:
        """All functions of a layer."""
        name = layer.layer
        lines: Lines = ["", "", f"# {comment(layer.equation)}", f"# from {comment(layer.origin)}"]
        if layer.family.density:
            lines += self.density(layer, layer.family.density)
        lines += self.block(layer, layer.block) if layer.block else []
        for kernel in layer.fields:
            lines += self.whole_field(layer, kernel)
        for kernel in layer.scan.fields if layer.scan else ():
            lines += self.unit_field(layer, kernel)
        if layer.fields:
            arguments = ", ".join(f"{eta}__{name}(p, x, s, w)" for eta in layer.etas)
            body = [f"    return ({arguments},)"]
            lines += function(f"fields__{name}", "p, x, s, w", f"Natural parameters of `{name}`.", body)
            lines += [*self.moments(layer.moments), *self.means(layer)]
            lines += self.sample(layer)
        else:
            lines += self.draw(layer.draw)
            lines += ["", "", f"fields__{name} = sample__{name} = moments__{name} = means__{name} = no_conditional"]
        lines += self.tempered(layer) if not layer.coloured else []
        lines += self.scan_of(layer) if layer.scan else []
        for what, formula in layer.formulas.items():
            body = [f"    return {expression(formula)}"]
            lines += function(f"{what}__{name}", ", ".join(layer.etas), f"{what} of every unit of `{name}`.", body)
        return lines

    @staticmethod
    def density(layer: LayerKernels, density: Density) -> Lines:
        """The statistics of a layer without a closed form, in numbers."""
        given = density_arguments(density, layer.low, layer.high)
        text = ", ".join(re.sub(r"\binf\b", "math.inf", repr(g)) for g in given)
        moved = (
            f".standardised{density.standard.powers, density.standard.location, density.standard.scale!r}"
            if density.standard
            else ""
        )
        return [f"DENSITY__{layer.layer} = Density({text}){moved}"]

    def field(self, layer: LayerKernels, kernel: Kernel, name: str = "") -> Lines:
        """eta of a layer. Linear fields are held in the workspace; others stay small where they do not vary."""
        held, shape = kernel.held, listed(kernel.shape)
        letters = (BATCH, *kernel.letters) if held else kernel.letters
        body, started = [], False
        if held:
            body.append(f'    eta = w("{kernel.name}:{layer.layer}", (rows(x), {shape}))')
        elif any(s.target is not None for s in kernel.sections):
            body, started = [f"    eta = np.zeros(({shape}), DTYPE)"], True
        for section in kernel.sections:
            weight = "" if kernel.label is not None else f's.weights["{section.label}"]'
            body += self.added(section, kernel, letters, weight, started)
            started = True
        if not started:
            body.append("    eta[...] = 0.0" if held else "    eta = np.zeros((), DTYPE)")
        body += self.at_beta(layer, kernel)
        name = name or f"{kernel.name}__{layer.layer}"
        return function(name, "p, x, s, w", comment(kernel.equation), body)

    def whole_field(self, layer: LayerKernels, kernel: Kernel) -> Lines:
        """eta of all units of a layer; one by one, or a block at a time, where inner forms hold them."""
        if layer.block:
            return self.field_by_colour(layer, kernel)
        return self.field_by_unit(layer, kernel) if layer.by_unit else self.field(layer, kernel)

    def block(self, layer: LayerKernels, block: Block) -> Lines:
        """The terms of several units that hold a layer, its blocks, and eta of the units of one."""
        name, (kernel,) = layer.layer, layer.fields
        points = repr(block.points) if block.points else f"np.eye({layer.states}, dtype=DTYPE)"
        places = (f"({t.kernel.shape!r}, {self.standing(t.standing, layer)}), " for t in block.terms)
        forms = {
            f: [f", {x.extent!r}, {self.standing(x.standing, layer)}"] * bool(x.standing)
            for f, x in block.forms.items()
        }
        if layer.states:
            energies = "np.stack([np.zeros_like(energies[0]), *energies], axis=-1)"
        else:
            energies = f"energies[0] / {block.points[1] - block.points[0]!r}"
        plain = f"plain_{kernel.name}__{name}(p, x, s, w)"
        states = layer.field_shape[len(layer.shape) :]
        body = [
            f"    energies = BLOCK__{name}.fields(p, x, s, w, colour)",
            f"    plain = at_units({plain}, UNITS__{name}[colour], {layer.shape!r}, {states!r})",
            f"    return plain + s.beta * {energies}",
        ]
        doc = f"{comment(kernel.equation)}, of the units of a colour; x: a state with its forms."
        return [
            *self.terms(name, block),
            "",
            "",
            f"BLOCK__{name} = Block({name!r}, UNITS__{name}, {layer.shape!r}, {points}, {block.reads!r}, terms__{name}, "
            f"({''.join(places)}), {{",
            *(f"    {f!r}: BlockForm({form_function(f)}{''.join(standing)})," for f, standing in forms.items()),
            "})",
            *self.plain_field(layer),
            *function(f"block_{kernel.name}__{name}", "p, x, s, w, colour", doc, body),
        ]

    def terms(self, name: str, block: Block) -> Lines:
        """The terms of functions of several units that hold a layer, at every place."""
        body: Lines = []
        for number, term in enumerate(block.terms):
            (section,) = term.kernel.sections
            steps, value = self.steps.value(section, {})
            value = times(value, section, f's.weights["{section.label}"]')
            value = align(value, section.letters, (BATCH, *term.kernel.letters))
            shape = listed(("rows(x)", *term.kernel.shape))
            body += [*steps, f"    term{number} = np.broadcast_to({value}, ({shape})).reshape(rows(x), -1)"]
        found = "".join(f"term{number}, " for number in range(len(block.terms)))
        doc = f"The terms of functions of several units that hold `{name}`, by places."
        return function(f"terms__{name}", "p, x, s, w", doc, [*body, f"    return ({found})"])

    def plain_field(self, layer: LayerKernels) -> Lines:
        """eta without the terms of inner forms."""
        (kernel,) = layer.fields
        return self.field(layer, replace(kernel, held=kernel.batched), f"plain_{kernel.name}__{layer.layer}")

    def standing(self, entries: Iterable[Standing], layer: LayerKernels) -> str:
        """Where units of a layer stand, as a tuple of units and whether they count."""
        found = (self.steps.places(e.sizes, ((e.unit, layer.shape, e.flat),), e.predicates) for e in entries)
        return self.steps.constant(f"({''.join(f'{places}, ' for places in found)})", "STANDING")

    @staticmethod
    def field_by_colour(layer: LayerKernels, kernel: Kernel) -> Lines:
        """eta of a layer that inner forms hold: that of every colour in turn."""
        name, states = f"{kernel.name}__{layer.layer}", layer.field_shape[len(layer.shape) :]
        body = [
            "    x = with_forms(p, x, s, w)",
            f'    eta = w("whole {kernel.name}:{layer.layer}", (rows(x), {listed((math.prod(layer.shape), *states))}))',
            f"    for colour, units in enumerate(UNITS__{layer.layer}):",
            f"        eta[:, units] = block_{name}(p, x, s, w, colour)",
            f"    return eta.reshape(rows(x), {listed(kernel.shape)})",
        ]
        return function(name, "p, x, s, w", comment(kernel.equation), body)

    @staticmethod
    def field_by_unit(layer: LayerKernels, kernel: Kernel) -> Lines:
        """eta of a layer that inner forms hold: that of every unit in turn."""
        name, shape = f"{kernel.name}__{layer.layer}", listed(kernel.shape)
        assert layer.scan is not None
        at = ", ".join(layer.scan.site)
        body = [
            "    x = with_forms(p, x, s, w)",
            f'    eta = w("{kernel.name}:{layer.layer}", (rows(x), {shape}))',
            f"    for ({listed(layer.scan.site)}) in np.ndindex({listed(layer.shape)}):",
            f"        eta[:, {at}] = unit_{name}(p, x, s, w, {at})",
            "    return eta",
        ]
        return function(name, "p, x, s, w", comment(kernel.equation), body)

    def added(self, section: Section, kernel: Kernel, letters: tuple[str, ...], weight: str, started: bool) -> Lines:
        """A section of a field, added to those before it."""
        if section.direct:
            steps, left, right = self.steps.factors(section)
            flat = "eta" if len(letters) <= 2 else "eta.reshape(len(eta), -1)"
            lines = [*steps, f"    matmul({left}, {right}, out={flat}{', add=True' if started else ''})"]
            return lines if started else lines + _rescaled("eta", section.coefficient, weight)
        steps, value = self.steps.value(section, {})
        value = times(value, section, weight)
        if section.target is not None:
            zero = [] if started else ["    eta[...] = 0.0"]
            return [*steps, *zero, *self.steps.scatter(section, letters, kernel.shape, "eta", value)]
        value = align(value, section.letters, letters)
        if kernel.held:
            return [*steps, f"    eta += {value}" if started else f"    eta[...] = {value}"]
        start = "" if section.letters else "np.zeros((), DTYPE) + "
        return [*steps, f"    eta = {'eta + ' if started else start}{value}"]

    @staticmethod
    def at_beta(layer: LayerKernels, kernel: Kernel) -> Lines:
        """A field times beta, and what is added to it from outside."""
        if kernel.plain:
            return ["    return eta"]
        scale, number = _scale(kernel), layer.etas.index(kernel.name)
        if not kernel.held:
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
        assert layer.scan is not None
        sites, number = layer.scan.site, layer.etas.index(kernel.name)
        at = ", ".join(sites)
        letters = tuple(x for x in (BATCH, *kernel.letters) if x not in sites)
        body = ["    x = with_forms(p, x, s, w)"] if layer.by_unit else []
        body += [f"    eta = np.zeros(({listed(('rows(x)', *layer.field_shape[len(layer.shape) :]))}), DTYPE)"]
        for section in kernel.sections:
            weight = "" if kernel.label is not None else f's.weights["{section.label}"]'
            steps, value = self.steps.value(section, {} if section.target is not None else {x: x for x in sites})
            value = times(value, section, weight)
            if section.target is None:
                body += [*steps, f"    eta += {align(value, section.letters, letters)}"]
                continue
            body.append(f"    whole = np.zeros((rows(x), {listed(layer.field_shape)}), DTYPE)")
            body += steps + self.steps.scatter(section, (BATCH, *kernel.letters), kernel.shape, "whole", value)
            body.append(f"    eta += whole[:, {at}]")
        if kernel.plain:
            return function(
                f"unit_{kernel.name}__{layer.layer}",
                f"p, x, s, w, {at}",
                comment(kernel.equation),
                [*body, "    return eta"],
            )
        external = f's.external["{layer.layer}"][{number}]'
        if sites:
            external = f"np.broadcast_to({external}, (rows(x), *{layer.field_shape!r}))[:, {at}]"
        body += [
            f"    eta *= {_scale(kernel)}",
            f'    if "{layer.layer}" in s.external:',
            f"        eta += {external}",
            "    return eta",
        ]
        return function(f"unit_{kernel.name}__{layer.layer}", f"p, x, s, w, {at}", comment(kernel.equation), body)

    # --- moments and draws

    def moments(self, moments: Moments) -> Lines:
        """The conditional moments of a layer, from its fields."""
        name = moments.layer
        body = [f"    {assignment(moments.mean, f'means[{name!r}]')}"]
        if moments.variance is not None:
            variance = expression(moments.variance)
            body.append(f'    np.add(means["{name}"] ** 2, {variance}, out=means.second["{name}"])')
        doc = f"Write the conditional moments of `{name}` into `means`, a Moments."
        return function(f"moments__{name}", ", ".join(["means", *moments.etas]), doc, body)

    def means(self, layer: LayerKernels) -> Lines:
        """The conditional moments of a layer, from the state."""
        return means_function(layer.layer, [f"    moments__{layer.layer}(means, *fields__{layer.layer}(p, x, s, w))"])

    def sample(self, layer: LayerKernels) -> Lines:
        """A draw of a layer, or of a colour of it, from the state."""
        name, etas = layer.layer, layer.etas
        if layer.block:
            uniform = f'fill(random, w(f"u{{colour}}:{name}", (rows(x), len(units))))'
            return self.draw(layer.draw) + self.sample_block(layer, f"draw__{name}(eta1, {uniform}, new, w)")
        body = [
            f"    {', '.join(etas)}, = fields__{name}(p, x, s, w)",
            "    if means is not None:",
            f"        moments__{name}(means, {', '.join(etas)})",
        ]
        if layer.coloured:
            body += self.units(layer)
            uniform = f'fill(random, w(f"u{{colour}}:{name}", (rows(x), len(units))))'
            body += [f"    draw__{name}({fields_at_units(layer)}, {uniform}, new, w)", put_units(layer)]
        else:
            body.append(f'    draw__{name}({", ".join(etas)}, {uniform_numbers(layer, "rows(x)")}, x["{name}"], w)')
        return self.draw(layer.draw) + sample_function(name, body)

    def sample_block(self, layer: LayerKernels, draw: str) -> Lines:
        """A draw of a colour of a layer that inner forms hold, from the state and its forms, which change with it."""
        name = layer.layer
        body = [
            "    x = with_forms(p, x, s, w)",
            "    if means is not None:",
            f"        means__{name}(p, x, s, w, means)",
            f"    eta1 = block_eta1__{name}(p, x, s, w, colour)",
            *self.units(layer),
            f"    {draw}",
            f"    BLOCK__{name}.put(p, x, s, w, colour, new)",
        ]
        return sample_function(name, body, "colour=0")

    @staticmethod
    def units(layer: LayerKernels) -> Lines:
        """The units of a colour, and an array for their values."""
        name, inner = layer.layer, _inner(layer)
        return [
            f"    units = UNITS__{name}[colour] if colour is not None else np.arange({math.prod(layer.shape)})",
            f'    new = w(f"new{{colour}}:{name}", (rows(x), len(units){inner}))',
        ]

    @staticmethod
    def draw(draw: Draw) -> Lines:
        """One draw from the fields and uniform numbers, both overwritten."""
        return function(
            f"draw__{draw.layer}",
            f"{', '.join(draw.etas)}, u, new, w",
            f"Draw units of `{draw.layer}` from their fields and uniform numbers; these may be overwritten.",
            InPlace(draw.layer, draw.overwritten, "new").statements(draw.formula),
        )

    def scan_of(self, layer: LayerKernels) -> Lines:
        """The scan of a layer."""
        assert layer.scan is not None
        return self.scan(layer.scan)

    def scan(self, scan: Scan) -> Lines:
        """Every unit in turn, each given the newest values of all others."""
        name, sites = scan.layer, scan.site
        at = ", ".join(sites)
        body = [
            *(["    x = with_forms(p, x, s, w)"] if scan.changes else []),
            f'    uniform = fill(random, w("u:{name}", (rows(x), {listed(scan.shape)})))',
            f"    for ({listed(sites)}) in np.ndindex({listed(scan.shape)}):",
            *(f"        {k.name} = unit_{k.name}__{name}(p, x, s, w, {at})" for k in scan.fields),
            f"        u = uniform[:, {at}]",
            f"        new = np.asarray({expression(scan.formula)}, DTYPE)"
            if scan.changes
            else f"        new = {expression(scan.formula)}",
            f'        new = new if keep is None else np.where(keep[:, {at}], x["{name}"][:, {at}], new)',
            *([f"        change_forms__{name}(p, x, s, w, new, {at})"] if scan.changes else []),
            f'        x["{name}"][:, {at}] = new',
        ]
        doc = f"Draw the units of `{name}` one after the other, into x, but for entries that `keep` marks."
        return [
            *(self.changes(scan) if scan.changes else []),
            *function(f"scan__{name}", "p, x, s, random, w, keep=None", doc, body),
        ]

    def changes(self, scan: Scan) -> Lines:
        """What the inner forms change by as one unit takes a new value."""
        sites = scan.site
        body: Lines = []
        for kernel in scan.changes:
            for section in kernel.sections:
                steps, value = self.steps.value(section, {x: x for x in sites})
                value = align(times(value, section, ""), section.letters, (BATCH, *kernel.letters))
                body += [*steps, f'    x["{kernel.name}"] += {value}']
        doc = f"Change the inner forms in x as one unit of `{scan.layer}` takes the values `new`."
        return function(f"change_forms__{scan.layer}", f"p, x, s, w, new, {', '.join(sites)}", doc, body)

    # --- annealing

    def tempered(self, layer: LayerKernels) -> Lines:
        """What annealing asks of a layer between a base distribution and the model, from fields found once."""
        draw = [f"    draw__{layer.layer}(*moved(etas, at), {uniform_numbers(layer, 'len(out)')}, out, w)"]
        return [
            *self.split_fields(layer),
            *difference_function(layer, f"log_partition__{layer.layer}", ""),
            *draw_tempered_function(layer.layer, draw),
        ]

    def split_fields(self, layer: LayerKernels) -> Lines:
        """The fields as they are, and nothing that is the same for all chains."""
        natural = len(layer.etas) - sum(kernel.plain for kernel in layer.fields)
        zeros = ", ".join(["0.0"] * natural)
        return split_function(layer.layer, [f"    return fields__{layer.layer}(p, x, s, w), ({zeros},)"])


def density_arguments(density: Density, low: float, high: float) -> list[Any]:
    """The statistics of a density in numbers, as the runtime's `Density` takes them; low, high: the bounds of the domain."""
    functions = (*SHAPES, *TABULATED)
    rows = [
        (number, functions.index(f.function), _number(f.power), int(f.inner), *bounds_of(f), *f.polynomial)
        for number, statistic in enumerate(density.statistics)
        for f in statistic
    ]
    given: list[Any] = [len(density.statistics), rows, density.growth, (*density.bend, density.rate), density.holds]
    given += [low, high, density.breaks]
    if density.place:
        tails = [(t.side, t.growth, t.degree, t.statistic, t.factor, int(t.exact)) for t in density.tails]
        given += [PLACES.index(density.place), tails, density.shift]
    return given


def _number(power: float) -> float:
    """A power, a natural one as a whole number."""
    return int(power) if power == int(power) else power


def _scale(kernel: Kernel) -> str:
    """beta, times the weight of the only energy term of a field."""
    return f's.beta * s.weights["{kernel.label}"]' if kernel.label is not None else "s.beta"


def _rescaled(name: str, coefficient: float, weight: str) -> Lines:
    """A factor put on what was just written."""
    lines = [f"    {name} *= {coefficient!r}"] if coefficient != 1.0 else []
    return lines + ([f"    if {weight} != 1.0:", f"        {name} *= {weight}"] if weight else [])


def _inner(layer: LayerKernels) -> str:
    """The axes of a unit's value, with the comma before them."""
    return "".join(f", {n}" for n in layer.energy_shape[len(layer.shape) :])


def uniform_numbers(layer: LayerKernels, rows: str) -> str:
    """Uniform numbers for all units."""
    return f'fill(random, w("u:{layer.layer}", ({rows}{"".join(f", {n}" for n in layer.shape)},)))'


def fields_at_units(layer: LayerKernels) -> str:
    """The fields at the units of a colour."""
    states = layer.field_shape[len(layer.shape) :]
    return ", ".join(f"at_units({eta}, units, {layer.shape!r}, {states!r})" for eta in layer.etas)


def put_units(layer: LayerKernels) -> str:
    """The statement that puts new values of the units of a colour into the state."""
    return f'    x["{layer.layer}"].reshape(rows(x), -1{_inner(layer)})[:, units] = new'


def sample_function(name: str, body: Lines, colour: str = "colour=None") -> Lines:
    """The function that draws a layer from the state."""
    doc = f"Draw `{name}` given all other layers, into x; and its moments into `means` if that is given."
    return function(f"sample__{name}", f"p, x, s, random, w, {colour}, means=None", doc, body)


def means_function(name: str, body: Lines) -> Lines:
    """The function that finds the moments of a layer from the state."""
    doc = f"Conditional moments of `{name}` given all other layers, into `means`."
    return function(f"means__{name}", "p, x, s, w, means", doc, body)


def form_function(name: str) -> str:
    """The name of the function that makes an inner form."""
    return name.replace(" ", "__")


def split_function(name: str, body: Lines) -> Lines:
    """The function that gives the fields of a layer in two."""
    doc = f"Fields of `{name}` in two: one varies with the chains, the other is the same for all."
    return function(f"split_fields__{name}", "p, x, s, w", doc, body)


def difference_function(layer: LayerKernels, log_partition: str, bounds: str) -> Lines:
    """The function that compares the log-partitions of a layer at two temperatures."""
    doc = f"What the log-partitions of `{layer.layer}` gain from before to after, each (scale, offsets)."
    call = f"log_partition_difference({log_partition}, etas, before, after, {layer.shape!r}{bounds}, out=out)"
    return function(
        f"log_partition_difference__{layer.layer}", "etas, before, after, out=None", doc, [f"    return {call}"]
    )


def draw_tempered_function(name: str, body: Lines) -> Lines:
    """The function that draws a layer at a temperature."""
    doc = f"Draw `{name}` at natural parameters scale * eta + offset; at: (scale, offsets)."
    return function(f"draw_tempered__{name}", "etas, at, random, out, w", doc, body)

"""The functions of a layer that is drawn by one kernel a family, the last product of its field left to that kernel.

Numba and CuPy share this text; their runtimes differ. The kernels know no model, so they are compiled once for all.
"""

from __future__ import annotations

import math
from functools import partial

from energydsl.backends.numpy.layers import (
    LayerPrinter,
    difference_function,
    draw_tempered_function,
    fields_at_units,
    put_units,
    sample_function,
    split_function,
)
from energydsl.backends.numpy.steps import align, times
from energydsl.backends.text import Lines, comment, listed
from energydsl.kernels.program import Affine, LayerKernels, Section, Step


class FusedLayers(LayerPrinter):
    """Prints what differs from NumPy: how a layer is drawn."""

    def sample(self, layer: LayerKernels) -> Lines:
        """One call that multiplies, draws and averages."""
        if layer.family.density:
            return super().sample(layer)
        name, kernel, count = layer.layer, layer.family.name, layer.states or 1
        bounds = _bounds(layer, "bounds=")
        if layer.block:
            return self.sample_block(layer, f"draw({kernel!r}, eta1, None, random, new, {count}{bounds})")
        if layer.coloured:
            fields = fields_at_units(layer) + ", None" * (2 - len(layer.etas))
            body = [
                f"    {', '.join(layer.etas)}, = fields__{name}(p, x, s, w)",
                *self.units(layer),
                f"    draw({kernel!r}, {fields}, random, new, {count}{bounds})",
                put_units(layer),
            ]
            return sample_function(name, body)
        body = [f"    moments = (None, None) if means is None else {moments_of(layer)}"]
        return sample_function(name, [*body, *self.drawn(layer, "random", f'x["{name}"]')])

    def drawn(self, layer: LayerKernels, random: str, out: str) -> Lines:
        """The draw of a whole layer, and its `moments`."""
        name = layer.layer
        body = self.product(layer, layer.affine) if layer.affine else [f"    eta1 = eta1__{name}(p, x, s, w)"]
        body.append(f"    eta2 = eta2__{name}(p, x, s, w)" if len(layer.fields) > 1 else "    eta2 = None")
        more = ", product, scale, base" if layer.affine else ""
        given = f"{layer.family.name!r}, eta1, eta2, {random}, {out}, {layer.states or 1}, moments{more}"
        return [*body, f"    draw({given}{_bounds(layer, 'bounds=')})"]

    def tempered(self, layer: LayerKernels) -> Lines:
        """What annealing asks of a layer, by the kernels of its family."""
        if layer.family.density:
            return super().tempered(layer)
        kernel = layer.family.name
        draw = [
            "    scale, offsets = at",
            "    eta2 = None if len(etas) == 1 else scale * etas[1] + offsets[1]",
            f"    draw({kernel!r}, etas[0], eta2, random, out, {layer.states or 1}, scale=scale, base=offsets[0]"
            f"{_bounds(layer, 'bounds=')})",
        ]
        return [
            *self.split_fields(layer),
            *difference_function(layer, repr(kernel), _bounds(layer)),
            *draw_tempered_function(layer.layer, draw),
        ]

    def split_fields(self, layer: LayerKernels) -> Lines:
        """The products, and what is the same for all chains."""
        if layer.affine is None or len(layer.fields) > 1:
            return super().split_fields(layer)
        body = [
            *self.products(layer, layer.affine),
            "    left, right, add = product",
            "    matmul(left, right, out=eta1.reshape(rows(x), -1), add=add)",
            "    if scale != 1.0:",
            "        eta1 *= scale",
            "        base = scale * base",
            "    return (eta1,), (base,)",
        ]
        return split_function(layer.layer, body)

    def product(self, layer: LayerKernels, affine: Affine) -> Lines:
        """eta1 = scale * (products) + base, the last product left to the draw."""
        return [
            *self.products(layer, affine),
            "    if scale != 1.0:",
            "        base = scale * base",
            f'    if "{layer.layer}" in s.external:',
            f'        base = base + s.external["{layer.layer}"][0]',
        ]

    def products(self, layer: LayerKernels, affine: Affine) -> Lines:
        """The products but the last, and what is the same for all chains, without its scale."""
        kernel = layer.fields[0]
        lines = [
            f"    # {comment(kernel.equation)}",
            f'    eta1 = w("{kernel.name}:{layer.layer}", (rows(x), {listed(kernel.shape)}))',
            f'    scale = s.beta * s.weights["{affine.label}"]',
        ]
        flat = "eta1" if len(kernel.letters) <= 1 else "eta1.reshape(rows(x), -1)"
        for number, section in enumerate(affine.products):
            steps, left, right = self.steps.factors(section, partial(self.before, layer, number))
            if number == len(affine.products) - 1:
                lines += [*steps, f"    product = ({left}, {right}, {number > 0})"]
            else:
                add = ", add=True" if number else ""
                lines += [*steps, f"    matmul({left}, {right}, out={flat}{add})"]
        for number, section in enumerate(affine.constant):
            steps, value = self.steps.value(section, {})
            aligned = align(times(value, section, ""), section.letters, kernel.letters)
            lines += [*steps, f"    base = {'base + ' if number else ''}{aligned}"]
        return lines if affine.constant else [*lines, "    base = 0.0"]

    def before(self, layer: LayerKernels, number: int, step: Step, section: Section) -> Lines | None:
        """A step before product `number`, where it is printed in another way."""
        return None


def moments_of(layer: LayerKernels) -> str:
    """Where the moments of a layer stand in `means`."""
    name = layer.layer
    square = f'means.second["{name}"]' if len(layer.fields) > 1 else "None"
    return f'(means["{name}"], {square})'


def _bounds(layer: LayerKernels, lead: str = "") -> str:
    """The bounds of a layer as a last argument, where its family asks for them."""
    low, high = layer.low, layer.high
    return "" if layer.family.local else f", {lead}({low!r}, {'math.inf' if math.isinf(high) else repr(high)})"

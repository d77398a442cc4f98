"""`KernelProgram` -> text of a module whose layers are drawn by one kernel a family, the last product of a field left to it.

Numba and CuPy share this text; their runtimes differ. The kernels know no model, so they are compiled once for all.
"""

from __future__ import annotations

import math

from energydsl.backends.numpy.printer import Lines, Printer, comment
from energydsl.kernels.program import BATCH, LayerKernels


class FusedPrinter(Printer):
    """Prints what differs from NumPy: how a layer is drawn."""

    def sample(self, layer: LayerKernels) -> Lines:
        if layer.family.density:
            return super().sample(layer)
        name = layer.layer
        states = layer.field_shape[len(layer.shape) :]
        count = layer.states or 1
        kernel, bounds = layer.family.name, self.bounds(layer, "bounds=")
        lines = [
            *self.moments(layer),
            "",
            "",
            f"def sample__{name}(p, x, s, random, w, colour=None, means=None):",
            f'    """Draw `{name}` given all other layers, into x; and its moments into `means` if that is given."""',
        ]
        if name in self.colours:
            etas = layer.etas
            taken = [f"at_units({a}, units, {layer.shape!r}, {states!r})" for a in etas]
            inner = "".join(f", {n}" for n in layer.energy_shape[len(layer.shape) :])
            return [
                *lines,
                f"    {', '.join(etas)}, = fields__{name}(p, x, s, w)",
                *self.units_of(layer),
                f"    draw({kernel!r}, {', '.join(taken)}{', None' * (2 - len(taken))}, random, new, {count}{bounds})",
                f'    x["{name}"].reshape(rows(x), -1{inner})[:, units] = new',
            ]
        square = f'means.second["{name}"]' if len(layer.fields) > 1 else "None"
        lines.append(f'    moments = (None, None) if means is None else (means["{name}"], {square})')
        product = self.fused(layer)
        if product is None:
            lines.append(f"    eta1 = eta1__{name}(p, x, s, w)")
        else:
            lines += product
        lines.append(f"    eta2 = eta2__{name}(p, x, s, w)" if len(layer.fields) > 1 else "    eta2 = None")
        more = "" if product is None else ", product, scale, base"
        return [*lines, f'    draw({kernel!r}, eta1, eta2, random, x["{name}"], {count}, moments{more}{bounds})']

    def path(self, layer: LayerKernels) -> Lines:
        if layer.family.density:
            return super().path(layer)
        name, kernel = layer.layer, layer.family.name
        return [
            *self.split_fields(layer),
            "",
            "",
            *self.log_partition_difference(layer, repr(kernel), self.bounds(layer)),
            "",
            "",
            f"def draw_tempered__{name}(etas, at, random, out, w):",
            f'    """Draw `{name}` at natural parameters scale * eta + offset; at: (scale, offsets)."""',
            "    scale, offsets = at",
            "    eta2 = None if len(etas) == 1 else scale * etas[1] + offsets[1]",
            f"    draw({kernel!r}, etas[0], eta2, random, out, {layer.states or 1}, scale=scale, base=offsets[0]"
            f"{self.bounds(layer, 'bounds=')})",
        ]

    @staticmethod
    def bounds(layer: LayerKernels, lead: str = "") -> str:
        """The bounds of a layer as a last argument, where its family asks for them."""
        low, high = layer.low, layer.high
        return "" if layer.family.local else f", {lead}({low!r}, {'math.inf' if math.isinf(high) else repr(high)})"

    def split_fields(self, layer: LayerKernels) -> Lines:
        product = self.fused(layer)
        if product is None or len(layer.fields) > 1:
            return super().split_fields(layer)
        until = next(n for n, line in enumerate(product) if "if scale" in line)
        return [
            f"def split_fields__{layer.layer}(p, x, s, w):",
            f'    """Fields of `{layer.layer}` in two: one varies with the chains, the other is the same for all."""',
            *product[:until],
            "    left, right, add = product",
            "    matmul(left, right, out=eta1.reshape(rows(x), -1), add=add)",
            "    if scale != 1.0:",
            "        eta1 *= scale",
            "        base = scale * base",
            "    return (eta1,), (base,)",
        ]

    def fused(self, layer: LayerKernels) -> Lines | None:
        """eta1 = scale * (products) + base, the last product left to the draw; None where the field is not of that kind."""
        kernel = layer.fields[0]
        letters = (BATCH, *kernel.letters)
        batched = [s for s in kernel.sections if s.batched]
        if not batched or not kernel.letters or len({s.label for s in kernel.sections}) > 1:
            return None
        if any(s.coefficient != 1.0 for s in batched) or any(s.target is not None for s in kernel.sections):
            return None
        lines = [
            f"    # {comment(kernel.equation)}",
            f'    eta1 = w("{kernel.name}:{layer.layer}", (rows(x), {", ".join(map(str, kernel.shape))},))',
            f'    scale, base = s.beta * s.weights["{kernel.sections[0].label}"], 0.0',
        ]
        for number, section in enumerate(batched):
            factors = self.factors(section, letters)
            if factors is None:
                return None
            steps, (left, right) = factors
            product = f"({left}, {right}, {number > 0})"
            if number < len(batched) - 1:
                flat = "eta1" if len(letters) <= 2 else "eta1.reshape(rows(x), -1)"
                lines += [*steps, f"    matmul({left}, {right}, out={flat}{', add=True' if number else ''})"]
            else:
                lines += [*steps, f"    product = {product}"]
        for section in kernel.sections:
            if not section.batched:
                steps, value = self.value(section, {})
                aligned = self.align(self.times(value, section, ""), self.result_letters(section), kernel.letters)
                lines += [*steps, f"    base = base + {aligned}"]
        return [
            *lines,
            "    if scale != 1.0:",
            "        base = scale * base",
            f'    if "{layer.layer}" in s.external:',
            f'        base = base + s.external["{layer.layer}"][0]',
        ]

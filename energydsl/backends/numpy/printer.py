"""`KernelProgram` -> text of a NumPy module. One small function a node.

The module is readable: the equation and the place it came from stand above every kernel. Nothing of the model's text
enters it but identifiers (as dictionary keys, function names and comments) and numbers.
"""

from __future__ import annotations

from energydsl.backends.numpy.layers import LayerPrinter, form_function
from energydsl.backends.numpy.steps import Steps, align, times
from energydsl.backends.runtime_text import numpy_runtime
from energydsl.backends.text import Lines, Printed, comment, function, listed, packed
from energydsl.derive.records import BlockPart
from energydsl.energy.terms import BASE
from energydsl.kernels.program import BATCH, Kernel, KernelProgram, LayerKernels, Section
from energydsl.options import DType, Precision


class Printer:
    """One module on its way to text."""

    layer_printer: type[LayerPrinter] = LayerPrinter

    def __init__(self, program: KernelProgram, dtype: DType, precision: Precision = "full"):
        self.program, self.dtype, self.precision = program, dtype, precision
        self.steps = Steps(program)
        self.layers = self.layer_printer(self.steps)

    def module(self) -> Printed:
        """The text of the runtime, of kernels for the functions of this model, and of the model."""
        model = self.model()
        kernels = "\n\n\n".join("\n".join(text) for text in self.layers.kernels.values())
        return Printed(self.runtime(), model, kernels)

    def runtime(self) -> str:
        """The text of the runtime."""
        return numpy_runtime()

    def model(self) -> str:
        """The text of the model."""
        program = self.program
        body = self.forms() if program.forms else []
        body += [line for layer in program.layers.values() for line in self.layers.layer(layer)]
        body += self.energy(program.energy)
        body += [line for name, kernel in program.gradients.items() for line in self.gradient(name, kernel)]
        body += [line for name, kernel in program.slopes.items() for line in self.slope(name, kernel)]
        body += self.tables()
        head = [
            "",
            f"# The model `{comment(program.name)}`",
            f"DTYPE = np.{self.dtype}",
            f"LABELS = {list(program.labels)!r}",
            f"CONSTS = {dict(program.consts)!r}",
            *function(
                "settings",
                "beta=1.0, weights=None, consts=None, external=None",
                "Run-time scalars, by default those of the energy as it is written.",
                ["    return settings_of(LABELS, CONSTS, beta, weights, consts, external)"],
            ),
            "",
            "",
        ]
        edges = [f"EDGES__{n} = {packed(e)}" for n, e in program.edges.items()]
        colours = [f"UNITS__{n} = by_colour({packed(c.ravel())})" for n, c in program.colours.items()]
        constants = [f"{name} = {text}" for text, name in self.steps.constants.items()]
        return "\n".join([*head, *edges, *colours, *constants, "", *body, ""])

    # --- inner forms, energy and gradient

    def forms(self) -> Lines:
        """The inner forms of a state."""
        lines: Lines = []
        body = ['    if "form 1" in x:', "        return x", "    x = dict(x)"]
        for name, kernel in self.program.forms.items():
            lines += self.form(kernel)
            body.append(f'    x["{name}"] = {form_function(name)}(p, x, s, w)')
        doc = "A state with the inner forms beside it, made anew where they are not there; its arrays are those of x."
        return [*lines, *function("with_forms", "p, x, s, w", doc, [*body, "    return x"])]

    def form(self, kernel: Kernel) -> Lines:
        """The values of an inner form."""
        letters = (BATCH, *kernel.letters)
        body = [f"    form = np.zeros(({listed(('rows(x)', *kernel.shape))}), DTYPE)"]
        for section in kernel.sections:
            steps, value = self.steps.value(section, {})
            body += [*steps, f"    form += {align(times(value, section, ''), section.letters, letters)}"]
        return function(form_function(kernel.name), "p, x, s, w", "An inner form.", [*body, "    return form"])

    def energy(self, kernel: Kernel) -> Lines:
        """The energy by term."""
        weighted = any(section.label == BASE for section in kernel.sections)
        labels = f"[*LABELS, {BASE!r}]" if weighted else "LABELS"
        note = "; the base measure under no name" if weighted else ""
        doc = f"E by term name, shape (chains,), without beta and term weights; leaves out terms of given layers{note}."
        lines = [f"    total = {{label: np.zeros(rows(x), DTYPE) for label in {labels}}}"]
        for section in kernel.sections:
            steps, value = self.steps.value(section, {})
            body = [*steps, f'    total["{section.label}"] += {times(value, section, "")}']
            if section.layers:
                lines.append(f"    if without.isdisjoint({section.layers!r}):  # {comment(section.origin)}")
                body = [f"    {line}" for line in body]
            lines += body
        return function("energy", "p, x, s, without=frozenset()", doc, [*lines, "    return total"])

    def gradient(self, name: str, kernel: Kernel) -> Lines:
        """dE/dparam, weighted sums over chains."""
        shape = f"({', '.join(map(str, kernel.shape))}{',' if len(kernel.shape) == 1 else ''})"
        body: Lines = []
        for number, section in enumerate(kernel.sections):
            weight = f's.weights["{section.label}"]'
            if kernel.onto:
                body.append(f"    row, factor = weights, {times('1.0', section, weight)}")
            else:
                body.append(f"    row = {times('weights', section, weight)}")
            body += self.summand(name, kernel, section, shape, first=number == 0)
        if not kernel.sections:
            body.append(f"    total = np.zeros({shape}, DTYPE)")
        doc = f"{comment(kernel.equation)}, added up over chains with `weights`; overwritten by the next call."
        arguments = f"p, x, s, weights, w{', onto=None' if kernel.onto else ''}"
        return function(f"gradient__{name}", arguments, doc, [*body, "    return total"])

    def summand(self, name: str, kernel: Kernel, section: Section, shape: str, first: bool) -> Lines:
        """A section of a gradient: what it begins with, or what is added."""
        if section.direct:
            return self.first_product(name, kernel, section, shape)
        steps, value = self.steps.value(section, {})
        value = align(value, section.letters, kernel.letters) if section.target is None else value
        if section.target is None and first and set(section.letters) == set(kernel.letters):
            return [*steps, f"    total = {value}"]
        zero = [f"    total = np.zeros({shape}, DTYPE)"] if first else []
        if section.target is not None:
            return [*steps, *zero, *self.steps.scatter(section, kernel.letters, kernel.shape, "total", value)]
        return [*steps, *zero, f"    total = total + {value}"]

    def first_product(self, name: str, kernel: Kernel, section: Section, shape: str) -> Lines:
        """The product that a gradient begins with, written into an array at hand, or added onto the parameter."""
        steps, left, right = self.steps.factors(section)
        flat = "total" if len(kernel.shape) <= 2 else "total.reshape(len(total), -1)"
        weights = ", row=row" if section.product and section.product.weighted else ""
        weights += ", factor=factor" if kernel.onto else ""
        into = f'w("gradient:{name}", {shape})'
        return [
            *steps,
            f"    total = {into} if onto is None else onto" if kernel.onto else f"    total = {into}",
            f"    matmul({left}, {right}, out={flat}{', add=onto is not None' if kernel.onto else ''}{weights})",
        ]

    def slope(self, name: str, kernel: Kernel) -> Lines:
        """dE/dx of a layer, times beta and the weights of the terms."""
        letters = (BATCH, *kernel.letters)
        body = [f'    total = w("slope:{name}", (rows(x), {listed(kernel.shape)}))', "    total[...] = 0.0"]
        for section in kernel.sections:
            steps, value = self.steps.value(section, {})
            value = times(value, section, "" if section.label == BASE else f's.beta * s.weights["{section.label}"]')
            if section.target is not None:
                body += [*steps, *self.steps.scatter(section, letters, kernel.shape, "total", value)]
            else:
                body += [*steps, f"    total += {align(value, section.letters, letters)}"]
        doc = f"{comment(kernel.equation)}, times beta and weights; overwritten by the next call."
        return function(f"slope__{name}", "p, x, s, w", doc, [*body, "    return total"])

    # --- tables and sweeps

    def tables(self) -> Lines:
        """The functions of the model by layer and parameter, its schedules, and sweeps."""
        schedules = [
            f"    {key!r}: [{', '.join('[' + ', '.join(map(_part, block)) + ']' for block in blocks)}],"
            for key, blocks in self.program.schedules.items()
        ]
        gradients = self.program.gradients
        return [
            "",
            "",
            "layers = {",
            *(line for layer in self.program.layers.values() for line in self.members(layer)),
            "}",
            f"gradients = {{{', '.join(f'{n!r}: gradient__{n}' for n in gradients)}}}",
            f"slopes = {{{', '.join(f'{n!r}: slope__{n}' for n in self.program.slopes)}}}",
            "# those that can be added onto the parameter itself: gradients['W'](p, x, s, -rate * weights, w, p['W'])",
            f"direct = {[n for n, kernel in gradients.items() if kernel.onto]!r}",
            "# Gibbs blocks when nothing is clamped, and with data clamped",
            "SCHEDULES = {",
            *schedules,
            "}",
            *_SWEEPS,
        ]

    def members(self, layer: LayerKernels) -> Lines:
        """The entry of a layer in the table of layers."""
        name = layer.layer
        found = ["fields", "sample", "moments", "means", "log_partition", "mean", "variance", "entropy", "mode"]
        lines = [f"        {what}={what}__{name}," for what in found]
        if layer.scan:
            lines.append(f"        unit_fields=({', '.join(f'unit_{eta}__{name}' for eta in layer.etas)},),")
            lines.append(f"        scan=scan__{name},")
        if layer.coloured:
            lines.append(f"        units=UNITS__{name},")
        else:
            kernels = ", ".join(
                f"{what}__{name}" for what in ("split_fields", "log_partition_difference", "draw_tempered")
            )
            lines.append(f"        tempered=Tempered({kernels}),")
        if layer.family.density:
            lines.append(f"        density=DENSITY__{name},")
        if self.straight(layer):
            lines.append("        straight=True,")
        return [f'    "{name}": Layer(', *lines, "    ),"]

    def straight(self, layer: LayerKernels) -> bool:
        """Whether a draw of the layer may wait for the end of a region."""
        return False


_SWEEPS = [
    *function(
        "update",
        "part, p, x, s, random, w, means=None",
        "Draw one Part of a block; the moments of a whole layer into means.",
        ["    return draw_part(layers[part.layer], part, p, x, s, random, w, means)"],
    ),
    *function(
        "gibbs",
        "p, x, steps, random, s=None, w=None, schedule=None",
        'Run sweeps in place; random is a Stream. Clamp by passing SCHEDULES["clamped"].',
        [
            "    s, w = s or settings(), w or Workspace(DTYPE)",
            "    with single_threaded_blas():",
            "        for _ in range(steps):",
            "            random.next()",
            '            for block in schedule if schedule is not None else SCHEDULES["free"]:',
            "                for part in block:",
            "                    update(part, p, x, s, random, w)",
            "    return x",
        ],
    ),
]


def _part(part: BlockPart) -> str:
    """A part of a block as text."""
    if part.kind == "whole":
        return f'Part("{part.layer}")'
    return f'Part("{part.layer}", "{part.kind}"' + (f", {part.colour})" if part.kind == "colours" else ")")

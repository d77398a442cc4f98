"""Scans by running forms in one kernel that is made for the functions of a model: Numba and CuPy share this text."""

from __future__ import annotations

import math

from energydsl.backends.fused_layers import FusedLayers
from energydsl.backends.numpy.layers import sample_function
from energydsl.backends.numpy.steps import align, times
from energydsl.backends.text import Lines, function, listed
from energydsl.domains.scalar import Scalar
from energydsl.energy.targets import output
from energydsl.kernels.program import FormScan, LayerKernels, Section
from energydsl.model.indices import Index


class RunningLayers(FusedLayers):
    """Prints what differs from the fused text: layers that running forms hold."""

    # Whether kernels of the backend read windows of forms.
    windows = True

    def kernel_of(self, scan: FormScan, sample: Scalar, groups: list[int]) -> tuple[str, Lines]:
        """The name and the text of the kernel of a scan; sample: the value of a unit by eta1 and a uniform number u.

        groups: for each form, the number of the pattern of its windows.
        """
        raise NotImplementedError

    def scan_of(self, layer: LayerKernels) -> Lines:
        """The scan of a layer: one kernel call where running forms are all that it needs."""
        scan = layer.scan
        assert scan is not None
        if scan.running is None or (scan.running.windows and not self.windows):
            return super().scan_of(layer)
        order = f"np.arange({math.prod(scan.shape)})"
        body = [
            "    x = with_forms(p, x, s, w)",
            f'    uniform = fill(random, w("u:{layer.layer}", (rows(x), {listed(scan.shape)})))',
            *self._call(layer, scan.running, scan.formula, order, "keep"),
        ]
        doc = f"Draw the units of `{layer.layer}` one after the other, into x, but for entries that `keep` marks."
        scanned = function(f"scan__{layer.layer}", "p, x, s, random, w, keep=None", doc, body)
        return [*self.plain_field(layer), *self._tables(layer, scan.running), *scanned]

    def sample(self, layer: LayerKernels) -> Lines:
        """A draw of a layer; of a colour of one that windows of running forms hold by the kernel of its scan."""
        running = layer.block.running if layer.block else None
        if running is None or not running.windows or not self.windows:
            return super().sample(layer)
        name = layer.layer
        body = [
            "    x = with_forms(p, x, s, w)",
            "    if means is not None:",
            f"        means__{name}(p, x, s, w, means)",
            f"    units = UNITS__{name}[colour]",
            f'    uniform = fill(random, w(f"u{{colour}}:{name}", (rows(x), len(units))))',
            *self._call(layer, running, layer.draw.formula, "units", "None"),
        ]
        return [*self._tables(layer, running), *sample_function(name, body, "colour=0")]

    def _call(self, layer: LayerKernels, running: FormScan, formula: Scalar, order: str, keep: str) -> Lines:
        """The call of the kernel that scans units in order; its tables are found once for a state with forms."""
        name = layer.layer
        kernel, text = self.kernel_of(running, formula, self._groups(running))
        self.kernels[kernel] = text
        factors = ", ".join(f's.beta * s.weights["{t.label}"] * {t.coefficient!r}' for t in running.terms)
        forms = "".join(f'x["{form}"], ' for form in running.forms)
        key = f'x["tables of {name}"]'
        given = [f'x["{name}"]', "eta1", "uniform", keep, f"({factors},)", f"({forms})"]
        given += [*([order] if running.windows else []), f"*{key}"]
        return [
            f'    if "tables of {name}" not in x:',
            f"        {key} = tables__{name}(p, x, s, w)",
            f"    eta1 = plain_{layer.fields[0].name}__{name}(p, x, s, w)",
            f"    scan_forms({kernel}, {', '.join(given)})",
        ]

    def _groups(self, running: FormScan) -> list[int]:
        """For each form the number of its shape: forms of one share the pattern of their windows."""
        shapes = [self.steps.program.shapes[form] for form in running.forms]
        patterns = list(dict.fromkeys(shapes))
        return [patterns.index(shape) for shape in shapes]

    def _tables(self, layer: LayerKernels, running: FormScan) -> Lines:
        """What a kernel reads of parameters: what forms gain by a unit, and the factors of terms."""
        groups = self._groups(running)
        steps, tables = self._windows(layer, running, groups) if running.windows else self._slopes(layer, running)
        for n, term in enumerate(running.terms):
            shape = self.steps.program.shapes[term.forms[0]]
            for k, section in enumerate(term.arrays):
                letters = tuple(section.sizes)
                steps += self._table(f"array{n}_{k}", (section,), letters, shape, 0)
                tables.append(f"array{n}_{k}")
        doc = f"What the kernel that scans `{layer.layer}` reads of parameters."
        body = [*steps, f"    return ({''.join(f'{t}, ' for t in tables)})"]
        return function(f"tables__{layer.layer}", "p, x, s, w", doc, body)

    def _slopes(self, layer: LayerKernels, running: FormScan) -> tuple[Lines, list[str]]:
        """Matrices of what the entries of every form gain by each unit."""
        steps: Lines = []
        site = tuple(output(k) for k in range(len(layer.shape)))
        for number, (form, sections) in enumerate(running.slopes.items()):
            axes = (*site, *self.steps.program.forms[form].letters)
            shape = (*layer.shape, *self.steps.program.shapes[form])
            steps += self._table(f"slopes{number}", sections, axes, shape, math.prod(layer.shape))
        return steps, [f"slopes{k}" for k in range(len(running.slopes))]

    def _windows(self, layer: LayerKernels, running: FormScan, groups: list[int]) -> tuple[Lines, list[str]]:
        """The patterns of all windows, found once, and their values."""
        program, steps = self.steps.program, []
        names, values = [], []
        for group in sorted(set(groups)):
            inside = [f for f, g in zip(running.forms, groups, strict=True) if g == group]
            shown = []
            for form in inside:
                entry = tuple(map(Index.of, program.forms[form].letters))
                places = (
                    self.steps.places(
                        w.section.sizes,
                        ((w.unit, layer.shape, w.flat), (entry, program.shapes[form], False)),
                        w.predicates,
                    )
                    for w in running.windows[form]
                )
                shown.append(f"({''.join(f'{p}, ' for p in places)})")
            sizes = f"{math.prod(layer.shape)}, {math.prod(program.shapes[inside[0]])}"
            table = self.steps.constant(f"Windows(({''.join(f'{s}, ' for s in shown)}), {sizes})", "WINDOWS")
            names += [f"{table}.start", f"{table}.at"]
            for number, form in enumerate(inside):
                parts = []
                for window in running.windows[form]:
                    lines, value = self.steps.value(window.section, {})
                    steps += lines
                    letters = tuple(window.section.sizes)
                    parts.append(align(times(value, window.section, ""), window.section.letters, letters))
                values.append((form, f"{table}.values({number}, {', '.join(parts)})"))
        order = dict(values)
        return steps, [*names, *(order[form] for form in running.forms)]

    def _table(
        self, out: str, sections: tuple[Section, ...], letters: tuple[str, ...], shape: tuple[int, ...], rows: int
    ) -> Lines:
        """Parameters over some axes as a matrix of so many rows; as a vector where they are 0."""
        lines, parts = [], []
        for section in sections:
            steps, value = self.steps.value(section, {})
            lines += steps
            parts.append(align(times(value, section, ""), section.letters, letters))
        return [*lines, f"    {out} = table({' + '.join(parts)}, {shape!r}, {rows})"]

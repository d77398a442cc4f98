"""The kernels of the families for Numba: one that draws a layer, one that compares log partitions, and one for lanes.

They are printed from the scalar formulas of the families (`domains/`). Uniform number, sample and moments of a chain come
from one pass over its units.
"""

from __future__ import annotations

from collections.abc import Mapping

from energydsl.backends.scalar_text import scalar
from energydsl.domains import Family
from energydsl.domains.scalar import Scalar

Lines = list[str]


def kernels_of(families: Mapping[str, Family]) -> Lines:
    """All kernels, and the tables DRAWS and GAINS by which the runtime finds them by the names of families."""
    kernels = [line for family in families.values() for line in [*_draw(family), "", "", *_gain(family), "", ""]]
    tables = (("DRAWS", "draw"), ("GAINS", "gain"))
    found = [f"{table} = {{{', '.join(f'{f!r}: {what}_{f}' for f in families)}}}" for table, what in tables]
    return [*kernels, *_lane_draw(families), "", "", *found]


def _draw(family: Family) -> Lines:
    """The kernel of one family for some chains; `given` holds explicit uniform numbers or nothing."""
    lines = [
        "@fast",
        f"def draw_rows_{family.name}(",
        "    eta1, eta2, base, scale, given, k0, k1, block, sweep, chain, states, low, high, out, mean, square, top, bottom,",
        "):",
        f'    """{family.name} units of some chains: samples and moments from their fields."""',
        "    entries = eta1.shape[1]",
        f"    units = entries{' // states' if family.parameter_per_state else ''}",
        "    count = (units + WORDS - 1) // WORDS",
        "    few, zeros = together(count), np.zeros(entries, FLOAT)",
        "    of_units, of_chains = columns(count)",
        "    numbers, words = np.empty(few * count * WORDS, FLOAT), np.empty((WORDS, len(of_units)), FLOAT)",
        *(["    e = np.empty(entries, FLOAT)"] if family.parameter_per_state else []),
        "    for r in range(top, bottom):",
        "        f = eta1[r if len(eta1) > 1 else 0]",
        "        c = base[r if len(base) > 1 else 0] if len(base) > 0 else zeros",
        f"        g = eta2[r if len(eta2) > 1 else 0]{'' if len(family.powers) > 1 else ' if len(eta2) > 0 else zeros'}",
        "        own = (r - top) % few * count * WORDS",
        "        u = numbers[own : own + count * WORDS]",
        "        if len(out) > 0:",
        "            if len(given) > 0:",
        "                u[:units] = given[r]",
        "            elif own == 0:",
        "                uniforms(numbers, words, of_units, of_chains, count, chain + r, block, sweep, k0, k1)",
    ]
    if family.parameter_per_state:
        drawn = "unit_choose(e, j * states, states, u[j], out[r])"
        averaged = "unit_softmax(e, j * states, states, mean[r])"
        if not family.one_hot:
            drawn = "out[r, j] = FLOAT(low + unit_pick(e, j * states, states, u[j]))"
            averaged = "mean[r, j] = unit_mean(e, j * states, states, low)"
        lines += [
            "        for j in range(entries):",
            "            e[j] = scale * f[j] + c[j]",
            "        if len(out) > 0:",
            "            for j in range(units):",
            f"                {drawn}",
            "        if len(mean) > 0:",
            "            for j in range(units):",
            f"                {averaged}",
        ]
        return [*lines, *_task("draw", family)]
    lines += [
        "        if len(mean) == 0:",
        f"            sample_row_{family.name}(f, c, scale, g, u, low, high, out[r])",
        "        elif len(out) > 0:",
        f"            both_row_{family.name}(f, c, scale, g, u, low, high, out[r], mean[r])",
        "        else:",
        f"            mean_row_{family.name}(f, c, scale, g, low, high, mean[r])",
    ]
    if len(family.powers) > 1:
        lines += [
            "        if len(square) > 0:",
            f"            square_row_{family.name}(f, c, scale, g, low, high, mean[r], square[r])",
        ]
    rows = _row("sample", "u, ", family, {"o": family.sample})
    rows += _row("both", "u, ", family, {"o": family.sample, "m": family.mean})
    rows += _row("mean", "", family, {"m": family.mean})
    if len(family.powers) > 1:
        rows += _row("square", "", family, {"v": family.variance}, "m[j] * m[j] + ", "m, ")
    return [*rows, *lines, *_task("draw", family)]


def _row(
    what: str, given: str, family: Family, outputs: Mapping[str, Scalar], before: str = "", known: str = ""
) -> Lines:
    """A loop over the units of one chain, in the widest vectors of the processor."""
    return [
        "@fast",
        f"def {what}_row_{family.name}(f, c, scale, g, {given}low, high, {known}{', '.join(outputs)}):",
        "    wide()",
        "    for j in range(len(f)):",
        "        e = scale * f[j] + c[j]",
        *(f"        {name}[j] = {before}{_text(formula, _ROW)}" for name, formula in outputs.items()),
        "",
        "",
    ]


def _task(what: str, family: Family) -> Lines:
    """A task of a family: its kernel for the rows of a record."""
    return [
        "",
        "",
        "@Task",
        f"def {what}_{family.name}(record, top, bottom):",
        f"    {what}_rows_{family.name}(*{what}_arguments(record), top, bottom)",
    ]


def _gain(family: Family) -> Lines:
    """What the log-partitions of a family gain where fields f, g move from s f + c, s g + d to t f + c2, t g + d2."""
    lines = [
        "@fast",
        f"def gain_rows_{family.name}(eta1, eta2, c, d, s, c2, d2, t, states, low, high, out, top, bottom):",
        "    entries = eta1.shape[1]",
        "    a, b = np.empty(entries, FLOAT), np.empty(entries, FLOAT)",
        "    for r in range(top, bottom):",
        "        f = eta1[r if len(eta1) > 1 else 0]",
    ]
    if len(family.powers) > 1:
        lines.append("        g = eta2[r if len(eta2) > 1 else 0]")
    lines += [
        "        for j in range(entries):",
        "            a[j] = s * f[j] + c[0, j]",
        "            b[j] = t * f[j] + c2[0, j]",
        "        total = FLOAT(0.0)",
    ]
    if family.parameter_per_state:
        lines += [
            "        for j in range(0, entries, states):",
            "            total += unit_logsumexp(b, j, states) - unit_logsumexp(a, j, states)",
        ]
    else:
        before, after = (
            {"eta1": f"{x}[j]", "eta2": y, "low": "low", "high": "high"}
            for x, y in (("a", "(s * g[j] + d[0, j])"), ("b", "(t * g[j] + d2[0, j])"))
        )
        lines += [
            "        for j in range(entries):",
            f"            total += {_text(family.log_partition, after)} - {_text(family.log_partition, before)}",
        ]
    return [*lines, "        out[r, 0] = total", *_task("gain", family)]


def _lane_draw(families: Mapping[str, Family]) -> Lines:
    """Units of any family for some chains at once; `kind` is the number of the family in the table."""
    lines = [
        "@njit(fastmath=FAST, error_model='numpy')",
        "def lane_draw(kind, e, second, g, slot, u, units, states, lanes, o):",
        '    """Draw units from their fields e: (units, states, lanes)."""',
    ]
    for number, family in enumerate(f for f in families.values() if f.local):
        lines.append(f"    if kind == {number}:")
        if family.one_hot:
            lines.append("        lane_choose(e, u, units, states, lanes, o)")
            continue
        if len(family.powers) > 1:
            lines += [
                "        for m in range(units):",
                "            for k in range(lanes):",
                "                g[m * lanes + k] = second[slot + m]",
            ]
        lines += ["        for j in range(units * lanes):", f"            o[j] = {_text(family.sample)}"]
    return lines


_ROW = {"eta1": "e", "eta2": "g[j]", "u": "u[j]", "low": "low", "high": "high"}
_VARIABLES = {"eta1": "e[j]", "eta2": "g[j]", "u": "u[j]", "low": "low", "high": "high"}


def _text(formula: Scalar, variables: Mapping[str, str] = _VARIABLES) -> str:
    """A formula of the unit j."""
    return scalar(formula, variables, "(FLOAT(1.0) if {test} else FLOAT(0.0))")

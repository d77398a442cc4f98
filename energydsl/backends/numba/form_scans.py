"""The kernel that scans a layer by its running forms, for Numba: chains in parallel, forms innermost.

A scan reads every entry once a unit, for some chains side by side, and writes it where the unit moves. Its text follows from
the functions of the energy alone, whatever the names and sizes: equal texts are compiled once.
"""

from __future__ import annotations

from energydsl.backends.form_text import arrays_of, change_of, named
from energydsl.backends.scalar_text import INFIX, scalar
from energydsl.backends.text import Lines
from energydsl.domains.scalar import Op, Scalar
from energydsl.kernels.program import FormScan

# Chains side by side where an entry is arithmetic, and where functions take their time, and the compiler's.
_MANY, _FEW = 8, 2
_CHOICE = "(FLOAT(1.0) if {test} else FLOAT(0.0))"


def kernel_of(scan: FormScan, sample: Scalar, groups: list[int]) -> tuple[str, Lines]:
    """The name and the text of the kernel of a scan; sample: the value of a unit by eta1 and a uniform number u.

    groups: for each form, the number of the pattern of its windows; not used where there are none.
    """
    return named(lambda name: _kernel(name, scan, sample, groups))


def _kernel(name: str, scan: FormScan, sample: Scalar, groups: list[int]) -> Lines:
    given = _forms(scan)
    windows = ["order", *(f"start{g}, at{g}" for g in sorted(set(groups)))] if scan.windows else []
    given[len(scan.forms) : len(scan.forms)] = windows
    return [
        *([] if scan.windows else [*_change_of(scan, name), "", ""]),
        "@parallel(fastmath=FAST, error_model='numpy')",
        f"def {name}(x, field, uniform, keep, factor, parts, {', '.join(given)}):",
        '    """Draw the units of every chain in turn, its forms with them."""',
        *(_windowed(scan, sample, groups) if scan.windows else _dense(scan, sample, name)),
    ]


def _forms(scan: FormScan) -> list[str]:
    """The names of forms, of what they gain by a unit, and of the arrays of all terms."""
    count = range(len(scan.forms))
    return [*(f"u{k}" for k in count), *(f"s{k}" for k in count), *arrays_of(scan)]


def _together(scan: FormScan) -> int:
    """How many chains are read side by side."""
    return _MANY if all(_arithmetic(term.change) for term in scan.terms) else _FEW


def _arithmetic(formula: Scalar) -> bool:
    if not isinstance(formula, Op):
        return True
    return formula.name in ("negative", *INFIX) and all(map(_arithmetic, formula.arguments))


def _dense(scan: FormScan, sample: Scalar, name: str) -> Lines:
    """Every unit stands in every entry: those of some chains are read side by side, and changed where a unit moves."""
    together = _together(scan)
    return [
        "    rows, units = x.shape",
        "    for t in prange(parts):",
        "        top, bottom = edge(rows, t, parts), edge(rows, t + 1, parts)",
        f"        old, whole, drawn = np.zeros({together}, FLOAT), np.zeros({together}, FLOAT), np.zeros({together}, FLOAT)",
        f"        for start in range(top, bottom, {together}):",
        f"            count = min({together}, bottom - start)",
        "            for i in range(units):",
        "                for r in range(count):",
        "                    old[r], drawn[r] = x[start + r, i], uniform[start + r, i]",
        f"                {name}_change(start, bottom - 1, i, old, whole, factor, {', '.join(_forms(scan))})",
        "                for r in range(count):",
        "                    whole[r] = field[start + r if len(field) > 1 else 0, i] - whole[r]",
        f"                for r in range({together}):",
        f"                    drawn[r] = {_value(sample, 'whole[r]', 'drawn[r]')}",
        "                for r in range(count):",
        "                    step = drawn[r] - old[r]",
        "                    if step != FLOAT(0.0) and not (len(keep) > 0 and keep[start + r, i]):",
        "                        x[start + r, i] = drawn[r]",
        *(f"                        move_form(u{k}[start + r], s{k}[i], step)" for k in range(len(scan.forms))),
    ]


def _change_of(scan: FormScan, name: str) -> Lines:
    """What one unit changes the terms by, for some chains at once; chains after the last are the last one again."""
    together = range(_together(scan))
    forms = list(scan.forms)
    lines = [
        "@fast",
        f"def {name}_change(start, last, i, value, whole, factor, {', '.join(_forms(scan))}):",
        '    """The change of every term from the lower to the upper value of unit i, into `whole`."""',
        "    wide()",
        f"    {'; '.join(f'x{r}, w{r} = value[{r}], FLOAT(0.0)' for r in together)}",
    ]
    for number in range(len(forms)):
        lines.append(f"    {'; '.join(f'u{number}_{r} = u{number}[min(start + {r}, last)]' for r in together)}")
    for n, term in enumerate(scan.terms):
        numbers = [forms.index(f) for f in term.forms]
        lines += [
            f"    {'; '.join(f'p{r} = FLOAT(0.0)' for r in together)}",
            f"    for j in range(u{numbers[0]}.shape[1]):",
            *(f"        d{k} = s{number}[i, j]" for k, number in enumerate(numbers)),
        ]
        for r in together:
            lines += [f"        m{k} = u{number}_{r}[j] - x{r} * d{k}" for k, number in enumerate(numbers)]
            lines.append(f"        p{r} += {change_of(n, term, term.change, _CHOICE)}")
        lines.append(f"    {'; '.join(f'w{r} += factor[{n}] * p{r}' for r in together)}")
    return [*lines, f"    {'; '.join(f'whole[{r}] = w{r}' for r in together)}"]


def _windowed(scan: FormScan, sample: Scalar, groups: list[int]) -> Lines:
    """The units of `order`: one stands in the entries that its window lists, which alone are read, and changed where it moves."""
    forms = list(scan.forms)
    terms: Lines = []
    for n, term in enumerate(scan.terms):
        numbers = [forms.index(name) for name in term.forms]
        group = groups[numbers[0]]
        terms += [
            "                part = FLOAT(0.0)",
            f"                for n in range(start{group}[i], start{group}[i + 1]):",
            f"                    j = at{group}[n]",
        ]
        for k, number in enumerate(numbers):
            terms += [
                f"                    d{k} = s{number}[n]",
                f"                    m{k} = u{number}[r, j] - value * d{k}",
            ]
        terms += [
            f"                    part += {change_of(n, term, term.change, _CHOICE)}",
            f"                whole += factor[{n}] * part",
        ]
    steps: Lines = []
    for k, group in enumerate(groups):
        steps += [
            f"                    for n in range(start{group}[i], start{group}[i + 1]):",
            f"                        u{k}[r, at{group}[n]] += (new - value) * s{k}[n]",
        ]
    return [
        "    rows = len(x)",
        "    for t in prange(parts):",
        "        for r in range(edge(rows, t, parts), edge(rows, t + 1, parts)):",
        "            for k in range(len(order)):",
        "                i = order[k]",
        "                value, whole = x[r, i], FLOAT(0.0)",
        "                if len(keep) > 0 and keep[r, i]:",
        "                    continue",
        *terms,
        "                eta1 = field[r if len(field) > 1 else 0, i] - whole",
        f"                new = FLOAT({_value(sample, 'eta1', 'uniform[r, k]')})",
        "                if new != value:",
        "                    x[r, i] = new",
        *steps,
    ]


def _value(sample: Scalar, field: str, uniform: str) -> str:
    return scalar(sample, {"eta1": field, "u": uniform}, _CHOICE)

"""The kernel that scans a layer by its running forms, for Numba: chains in parallel, forms innermost.

A chain adds what a unit changed to its forms while it reads them for the next unit, so that they are passed over once a unit.
Its text follows from the functions of the energy alone, whatever the names and sizes: equal texts are compiled once.
"""

from __future__ import annotations

import hashlib

from energydsl.backends.scalar_text import scalar
from energydsl.backends.text import Lines
from energydsl.domains.scalar import Scalar
from energydsl.kernels.program import FormScan, FormTerm

# Chains that read a row of slopes one after the other, while it is at hand.
_TOGETHER = 8
_CHOICE = "(FLOAT(1.0) if {test} else FLOAT(0.0))"


def kernel_of(scan: FormScan, sample: Scalar, groups: list[int]) -> tuple[str, Lines]:
    """The name and the text of the kernel of a scan; sample: the value of a unit by eta1 and a uniform number u.

    groups: for each form, the number of the pattern of its windows; not used where there are none.
    """
    body = _windowed(scan, sample, groups) if scan.windows else _dense(scan, sample)
    name = f"scan_forms_{hashlib.sha256(chr(10).join(body).encode()).hexdigest()[:12]}"
    count = range(len(scan.forms))
    given = [f"u{k}" for k in count]
    given += ["order", *(f"start{g}, at{g}" for g in sorted(set(groups)))] if scan.windows else []
    given += [*(f"s{k}" for k in count), *_arrays(scan)]
    lines = [
        "@parallel(fastmath=FAST, error_model='numpy')",
        f"def {name}(x, field, uniform, keep, factor, parts, {', '.join(given)}):",
        '    """Draw the units of every chain in turn, its forms with them."""',
        *body,
    ]
    return name, lines


def _arrays(scan: FormScan) -> list[str]:
    """The names of the arrays of all terms, in order."""
    return [f"a{n}_{k}" for n, term in enumerate(scan.terms) for k in range(len(term.arrays))]


def _dense(scan: FormScan, sample: Scalar) -> Lines:
    """Every unit stands in every entry: a unit's change is added while forms are read for the next one."""
    last: Lines = []
    for k in range(len(scan.forms)):
        last += [
            f"                for j in range(u{k}.shape[1]):",
            f"                    u{k}[start + r, j] += step[r] * s{k}[units - 1, j]",
        ]
    return [
        "    rows, units = x.shape",
        "    for t in prange(parts):",
        "        top, bottom = edge(rows, t, parts), edge(rows, t + 1, parts)",
        f"        step, total, old = np.zeros({_TOGETHER}, FLOAT), np.zeros({_TOGETHER}, FLOAT), np.zeros({_TOGETHER}, FLOAT)",
        f"        for start in range(top, bottom, {_TOGETHER}):",
        f"            count = min({_TOGETHER}, bottom - start)",
        "            step[:] = FLOAT(0.0)",
        "            for i in range(units):",
        "                before = max(i - 1, 0)",
        "                for r in range(count):",
        "                    value, moved = x[start + r, i], step[r]",
        "                    whole = FLOAT(0.0)",
        *_terms(scan),
        "                    total[r], old[r] = whole, value",
        "                for r in range(count):",
        "                    eta1 = field[start + r if len(field) > 1 else 0, i] - total[r]",
        f"                    new = FLOAT({_value(sample, 'uniform[start + r, i]')})",
        "                    if len(keep) > 0 and keep[start + r, i]:",
        "                        new = old[r]",
        "                    step[r], x[start + r, i] = new - old[r], new",
        "            for r in range(count):",
        *last,
    ]


def _terms(scan: FormScan) -> Lines:
    """The change of every term by one unit; a form gets what the unit before changed where it is first read."""
    forms, fresh = list(scan.forms), set(scan.forms)
    lines: Lines = []
    for n, term in enumerate(scan.terms):
        numbers = [forms.index(name) for name in term.forms]
        lines += [
            "                    part = FLOAT(0.0)",
            f"                    for j in range(u{numbers[0]}.shape[1]):",
        ]
        for k, number in enumerate(numbers):
            now = f"u{number}[start + r, j]"
            lines.append(f"                        v, d{k} = {now}, s{number}[i, j]")
            if term.forms[k] in fresh:
                fresh.discard(term.forms[k])
                lines += [
                    f"                        v += moved * s{number}[before, j]",
                    f"                        {now} = v",
                ]
            lines.append(f"                        m{k} = v - value * d{k}")
        lines += [
            f"                        part += {_change(n, term)}",
            f"                    whole += factor[{n}] * part",
        ]
    return lines


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
        terms += [f"                    part += {_change(n, term)}", f"                whole += factor[{n}] * part"]
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
        f"                new = FLOAT({_value(sample, 'uniform[r, k]')})",
        "                if new != value:",
        "                    x[r, i] = new",
        *steps,
    ]


def _value(sample: Scalar, uniform: str) -> str:
    return scalar(sample, {"eta1": "eta1", "u": uniform}, _CHOICE)


def _change(number: int, term: FormTerm) -> str:
    variables = {f"a{k}": f"a{number}_{k}[j]" for k in range(len(term.arrays))}
    variables |= {f"{x}{k}": f"{x}{k}" for k in range(len(term.forms)) for x in "md"}
    return scalar(term.change, variables, _CHOICE)

"""What the kernels that scan a layer by its running forms are called, and the numbers in them, for Numba and CUDA alike.

Forms are u0, u1, ..., what they gain by a unit s0, s1, ..., arrays of the parameters of a term a(term)_(array).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from energydsl.backends.scalar_text import scalar
from energydsl.backends.text import Lines
from energydsl.domains.scalar import Scalar
from energydsl.kernels.program import FormScan, FormTerm


def named(lines: Callable[[str], Lines]) -> tuple[str, Lines]:
    """The name and the text of a kernel whose text is made with its name: equal kernels have one name."""
    text = "\n".join(lines("scan_forms"))
    name = f"scan_forms_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return name, lines(name)


def arrays_of(scan: FormScan) -> list[str]:
    """The names of the arrays of all terms, in order."""
    return [f"a{n}_{k}" for n, term in enumerate(scan.terms) for k in range(len(term.arrays))]


def change_of(number: int, term: FormTerm, formula: Scalar, choice: str) -> str:
    """The change of a term, of this number, at entry j; choice: see `scalar`."""
    variables = {f"a{k}": f"a{number}_{k}[j]" for k in range(len(term.arrays))}
    variables |= {f"{x}{k}": f"{x}{k}" for k in range(len(term.forms)) for x in "md"}
    return scalar(formula, variables, choice)

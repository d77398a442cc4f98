"""The kernel that scans a layer by its running forms, in CUDA: a block of threads a chain, the entries of forms among them.

Its text follows from the functions of the energy alone, whatever the names and sizes.
"""

from __future__ import annotations

from energydsl.backends.form_text import arrays_of, change_of, named
from energydsl.backends.scalar_text import scalar
from energydsl.backends.text import Lines
from energydsl.domains.scalar import Op, Scalar
from energydsl.kernels.program import FormScan, FormTerm

_CHOICE = "({test} ? FLOAT(1.0) : FLOAT(0.0))"


def kernel_of(scan: FormScan, sample: Scalar) -> tuple[str, Lines]:
    """The name and the text of the kernel of a scan without windows; sample: the value of a unit by eta1 and a uniform number u."""
    name, lines = named(lambda name: _lines(name, scan, sample))
    return name, [f'{name} = FormKernel({name!r}, r"""', *lines, '""")']


def _lines(name: str, scan: FormScan, sample: Scalar) -> Lines:
    forms = list(scan.forms)
    count = range(len(forms))
    given = ["FLOAT* x, const FLOAT* field, int fields, const FLOAT* uniform, const bool* keep, int rows, int units"]
    given += [f"FLOAT f{n}" for n in range(len(scan.terms))]
    given += [f"FLOAT* u{k}, int n{k}" for k in count]
    given += [f"const FLOAT* {a}" for a in (*(f"s{k}" for k in count), *arrays_of(scan))]
    return [
        f'extern "C" __global__ void {name}({", ".join(given)}) {{',
        "  for (int c = blockIdx.x; c < rows; c += gridDim.x) {",
        "    for (int i = 0; i < units; ++i) {",
        "      place at = place(c) * units + i;",
        "      FLOAT value = x[at], whole = 0;",
        *(line for n, term in enumerate(scan.terms) for line in _term(n, term, [forms.index(f) for f in term.forms])),
        "      FLOAT eta1 = field[place(c % fields) * units + i] - FLOAT(block_sum(whole));",
        f"      FLOAT chosen = {scalar(_with_calls(sample), {'eta1': 'eta1', 'u': 'uniform[at]'}, _CHOICE)};",
        "      if (chosen == value || (keep && keep[at])) continue;",
        *(
            f"      for (int j = threadIdx.x; j < n{k}; j += blockDim.x) u{k}[place(c) * n{k} + j] += (chosen - value) * s{k}[place(i) * n{k} + j];"
            for k in count
        ),
        "      if (threadIdx.x == 0) x[at] = chosen;",
        "    }",
        "  }",
        "}",
    ]


def _term(number: int, term: FormTerm, forms: list[int]) -> Lines:
    """The change of a term by one unit, a share of its entries."""
    size = f"n{forms[0]}"
    return [
        f"      for (int j = threadIdx.x; j < {size}; j += blockDim.x) {{",
        *(
            f"        FLOAT d{k} = s{form}[place(i) * {size} + j], m{k} = u{form}[place(c) * {size} + j] - value * d{k};"
            for k, form in enumerate(forms)
        ),
        f"        whole += f{number} * ({change_of(number, term, _with_calls(term.change), _CHOICE)});",
        "      }",
    ]


def _with_calls(formula: Scalar) -> Scalar:
    """A formula with powers as calls, for C has no operator for them."""
    if not isinstance(formula, Op):
        return formula
    return Op("raised" if formula.name == "power" else formula.name, tuple(map(_with_calls, formula.arguments)))

"""Families -> text of CUDA kernels: a struct of each family's formulas, and its kernels over the templates of the runtime.

The kernels know no model; they are compiled once for a precision.
"""

from __future__ import annotations

from functools import lru_cache

from energydsl.backends.numpy.runtime import functions, quadrature, quantile
from energydsl.backends.rooms import source_of
from energydsl.backends.scalar_text import scalar
from energydsl.domains import FAMILIES, Family
from energydsl.domains.scalar import Scalar
from energydsl.options import DType

_FIELDS = "const FLOAT* eta1, int rows1, const FLOAT* eta2, int rows2, const FLOAT* base, int rows0, FLOAT scale, double low, double high"
_RANDOM = "const FLOAT* given, word k0, word k1, word block, word sweep, const word* moved, word chain"
_TARGET = "int rows, int entries, int states, FLOAT* out, FLOAT* mean, FLOAT* square"
_PRODUCT = "const FLOAT* a, int am, int ak, const FLOAT* b, int bk, int bn, int k, int add"
_ENDS = "const FLOAT* base, const FLOAT* base2, FLOAT scale, const FLOAT* base_after, const FLOAT* base2_after, FLOAT scale_after"
_PART = "FLOAT* x, int chains, int first, int count, int states, const FLOAT* base, const FLOAT* second"
_PART += ", const int* rows, const int* source, const FLOAT* value"
_STREAM = "word k0, word k1, word block, word sweep, const word* moved, word chain"


def _pieces(*names: str) -> tuple[str, ...]:
    return tuple(f"cupy/runtime/{name}.cu" for name in names)


# The pieces of the CUDA runtime, each below those it calls. On the first alone stand the kernels made for one model, on
# those shared the kernels of a family, and on all the integrals over densities.
HEAD = _pieces("types", "functions")
SHARED = _pieces("truncated", "counts", "stream", "choice", "draws", "updates", "products", "terms", "sparse")
DENSITIES = _pieces("panels", "integrals")
PIECES = (*HEAD, *SHARED, *DENSITIES)
# Coefficients of the normal quantile, above and below the line, in its three regions.
_QUANTILE = {
    "CENTRE": quantile.QUANTILE_CENTRE,
    "NEAR": quantile.QUANTILE_NEAR,
    "FAR": quantile.QUANTILE_FAR,
}
# How densities are integrated: the numbers that the pieces know as PANEL_ and these names.
_PANEL = {
    "DEEP": quadrature.PANEL_DEEP,
    "CURVED": quadrature.PANEL_CURVED,
    "STEEP": quadrature.PANEL_STEEP,
    "FAST": quadrature.PANEL_FAST,
    "NARROW": quadrature.PANEL_NARROW,
    "WILD": quadrature.PANEL_WILD,
    "NEARER": quadrature.PANEL_NEARER,
    "ROUGH": quadrature.PANEL_ROUGH,
    "STACK": quadrature.PANEL_STACK,
    "MOST": quadrature.PANEL_MOST,
    "NEWTON": quadrature.PANEL_NEWTON,
    "GRID": quadrature.PANEL_GRID,
    "FINER": quadrature.PANEL_FINER,
    "LOW": quadrature.PANEL_LOW,
    "HIGH": quadrature.PANEL_HIGH,
    "BUMP": quadrature.BUMP,
    "WALL": quadrature.WALL,
    "EXP": quadrature.EXP,
    "LOGISTIC": quadrature.LOGISTIC,
    "EVEN": quadrature.EVEN,
    "WHOLE_LINE": quadrature.WHOLE_LINE,
    "HALF_LINE": quadrature.HALF_LINE,
    "BOUNDED": quadrature.BOUNDED,
    "ROW": quadrature.ROW,
    "FAR": quadrature.PANEL_FAR,
}


@lru_cache
def cuda_head(dtype: DType) -> str:
    """What stands before the kernels for "float32" or "float64": numbers, types and functions of a number."""
    return "\n".join([*_numbers(dtype), "", *map(source_of, HEAD)])


@lru_cache
def cuda_shared() -> str:
    """What stands below the head and before the kernels of a family: templates, and kernels of no family."""
    return "\n".join(map(source_of, SHARED))


@lru_cache
def cuda_modules() -> dict[str, str]:
    """The other kernels, in texts that are compiled one by one: those of a family by its name, and the integrals.

    A kernel is called by what it does and its module: draw_bernoulli.
    """
    families = {family.name: "\n".join(_kernels(family)) for family in FAMILIES.values()}
    return {**families, "densities": "\n".join(map(source_of, DENSITIES))}


def cuda_source(dtype: DType) -> str:
    """All kernels with what stands before them."""
    return "\n".join([cuda_head(dtype), cuda_shared(), *cuda_modules().values()])


def _numbers(dtype: DType) -> list[str]:
    """What the pieces are told: the precision, and the numbers that they share with the other runtimes."""
    lines = [
        f"typedef {'float' if dtype == 'float32' else 'double'} FLOAT;",
        f"#define SINGLE {int(dtype == 'float32')}",
    ]
    for name, halves in _QUANTILE.items():
        for half, numbers in zip(("ABOVE", "BELOW"), halves, strict=True):
            lines.append(f"static __device__ const double {name}_{half}[8] = {{{', '.join(map(repr, numbers))}}};")
    lines.append(f"enum {{ MILLS_COUNT = {len(functions.MILLS)} }};")
    lines.append(f"static __device__ const double MILLS[MILLS_COUNT] = {{{', '.join(map(repr, functions.MILLS))}}};")
    rule = ", ".join(f"{{{place!r}, {weight!r}}}" for place, weight in quadrature.GAUSS_LEGENDRE.tolist())
    lines.append(f"static __device__ const double RULE[8][2] = {{{rule}}};")
    return [*lines, *(f"#define PANEL_{name} {number!r}" for name, number in _PANEL.items())]


def _kernels(family: Family) -> list[str]:
    """The struct of a family, and its kernels: draw, product and draw, difference of log partitions, sweep, scan."""
    kernel, name = family.name, f"{family.name}_units"
    structure, fused = [], []
    if family.one_hot:
        draw = "draw_states(fields, random, rows, states, target);"
        put = "[](const Part& p, int unit, int c, FLOAT u) { put_states(p, unit, c, u); }"
    elif family.parameter_per_state:
        draw = "draw_table(fields, random, rows, states, target);"
    else:
        draw = f"draw<{name}>(fields, random, rows, target);"
        put = f"[](const Part& p, int unit, int c, FLOAT u) {{ put_slot<{name}>(p, unit, c, u); }}"
        structure = [_struct(family, name)]
        fused = [_product_draw(kernel, name)]
    if family.parameter_per_state:
        gain = "gain_states(before, after, rows, states, out);"
    else:
        gain = f"gain<{name}>(before, after, scale, scale_after, base2, base2_after, rows, out);"
    return [
        f"// --- {kernel}\n",
        *structure,
        f"""\
extern "C" __global__ void draw_{kernel}({_FIELDS}, {_RANDOM}, {_TARGET}) {{
  Fields fields{{eta1, eta2, base, rows1, rows2, rows0, scale, entries, low, high}};
  Random random{{given, k0, k1, block, sweep, moved, chain}};
  Target target{{out, mean, square}};
  {draw}
}}
""",
        *fused,
        f"""\
extern "C" __global__ void gain_{kernel}(const FLOAT* eta1, int rows1, const FLOAT* eta2, int rows2, {_ENDS}, int rows, int entries, int states, double low, double high, double* out) {{
  Fields before{{eta1, eta2, base, rows1, rows2, 1, scale, entries, low, high}}, after{{eta1, eta2, base_after, rows1, rows2, 1, scale_after, entries, low, high}};
  {gain}
}}
""",
        *(
            f"""\
extern "C" __global__ void {how}_{kernel}({_PART}, {_STREAM}) {{
  Part part{{x, chains, first, count, states, base, second, rows, source, value}};
  Random random{{nullptr, k0, k1, block, sweep, moved, chain}};
  {how}_part(part, random, {put});
}}
"""
            for how in ("sweep", "scan")
            if family.local
        ),
    ]


def _product_draw(kernel: str, name: str) -> str:
    """The kernel that multiplies two matrices and draws from its own tile of the product."""
    return f"""\
extern "C" __global__ void fused_{kernel}({_PRODUCT}, {_FIELDS}, {_RANDOM}, {_TARGET}) {{
  Product factors{{a, b, nullptr, am, ak, bk, bn, rows, entries, k}};
  Fields fields{{eta1, eta2, base, rows1, rows2, rows0, scale, entries, low, high}};
  Random random{{given, k0, k1, block, sweep, moved, chain}};
  Target target{{out, mean, square}};
  product_draw<{name}>(factors, add, fields, random, target);
}}
"""


def _struct(family: Family, name: str) -> str:
    """The formulas of a family as functions of one unit."""
    lines = [f"struct {name} {{"]
    for what in ("log_partition", "mean", "variance", "sample"):
        arguments = "FLOAT eta1, FLOAT eta2, double low, double high" + (", FLOAT u" if what == "sample" else "")
        formula = _text(getattr(family, what))
        lines.append(f"  static __device__ inline FLOAT {what}({arguments}) {{ return {formula}; }}")
    return "\n".join([*lines, "};", ""])


def _text(formula: Scalar) -> str:
    """A formula of one unit in CUDA."""
    return scalar(formula, {n: n for n in ("eta1", "eta2", "u", "low", "high")}, "({test} ? FLOAT(1.0) : FLOAT(0.0))")

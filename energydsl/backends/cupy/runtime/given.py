"""What a module gives its runtime: precision, CUDA source, and families with one field a value.

This room is not copied. It stands for what is printed into each module, so that the other rooms can be checked and
imported like any code; its precision is float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

# The precision of the module, a scalar type of NumPy; and how float32 products are rounded.
FLOAT: Any = numpy.float32
PRECISION = "full"
# The texts of the kernels: what all stand on, what those of families stand on, and those of each family by its name.
CUDA_HEAD = ""
CUDA_SHARED = ""
CUDA_MODULES: Mapping[str, str] = {}
# Families with one field a value, whose values are no indicators.
TABLES: Sequence[str] = ()

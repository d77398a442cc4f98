"""What a module gives its runtime: precision, CUDA source, and families with one field a value.

This room is not copied. It stands for what is printed into each module, so that the other rooms can be checked and
imported like any code; its precision is float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

# The precision of the module, a scalar type of NumPy; and how float32 products are rounded.
FLOAT: Any = numpy.float32
PRECISION = "full"
# The text of all kernels of the device, and what of it kernels made for one model stand on.
CUDA_SOURCE = ""
CUDA_HEAD = ""
# Families with one field a value, whose values are no indicators.
TABLES: Sequence[str] = ()

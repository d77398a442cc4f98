"""Derived model to array programs: `lower`."""

from energydsl.kernels.lower import lower as lower
from energydsl.kernels.program import KernelProgram as KernelProgram

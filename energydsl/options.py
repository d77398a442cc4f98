"""The words that options take, once for Python and the command line: each is a type, and the tuple of its values."""

from __future__ import annotations

from typing import Literal, get_args

Backend = Literal["auto", "numpy", "numba", "cupy"]
DType = Literal["float32", "float64"]
Precision = Literal["full", "tf32", "bf16x2", "bf16x3"]
Stage = Literal["syntax", "model", "energy", "graph", "derived", "kernels", "source"]
Format = Literal["text", "latex", "json"]
Split = Literal["train", "test"]
Unknown = Literal["error", "gap"]
QuadraticFormat = Literal["bqm", "coo", "qubo"]
Export = Literal["npz", "safetensors", "onnx"] | QuadraticFormat
SamplerName = Literal["auto", "gibbs", "tree", "swendsen-wang", "wolff", "gibbs-gradient", "hmc", "mala", "tempering"]
Estimator = Literal["auto", "exact", "ais", "reverse-ais", "bar", "raise", "tempering"]
Exactness = Literal["exact", "bound from below", "bound from above", "estimate"]
StopWhen = Literal["gap", "likelihood"]
LeastMethod = Literal["auto", "linear-algebra", "elimination", "enumeration", "minimum-cut", "search"]

BACKENDS: tuple[Backend, ...] = get_args(Backend)
QUADRATIC: tuple[QuadraticFormat, ...] = get_args(QuadraticFormat)
EXPORTS: tuple[Export, ...] = ("npz", "safetensors", "onnx", *QUADRATIC)
UNKNOWN: tuple[Unknown, ...] = get_args(Unknown)
DTYPES: tuple[DType, ...] = get_args(DType)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
STAGES: tuple[Stage, ...] = get_args(Stage)
FORMATS: tuple[Format, ...] = get_args(Format)
SPLITS: tuple[Split, ...] = get_args(Split)
SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)
ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)
LEAST_METHODS: tuple[LeastMethod, ...] = get_args(LeastMethod)
STOP_WHEN: tuple[StopWhen, ...] = get_args(StopWhen)

"""As much of CuPy's interface as the generated modules use, on arrays of the host that behave as if on a device.

A device array refuses what costs a hidden copy or is an error with CuPy: NumPy functions, NumPy arrays as operands,
conversion to a number, truth, iteration. Kernels take scalars of exactly the type they declare. While a stream captures,
work is recorded instead of done; memory then comes from a pool of the capture's own, nothing is copied from or to the
host, and cuBLAS refuses, as CuPy's does.
"""

from __future__ import annotations

import ctypes
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy
import scipy.special

from energydsl.backends.numpy import loader
from tests.standin import cuda as kernels

_NUMBERS = (int, float, bool, numpy.generic)
_QUIET = numpy.errstate(all="ignore")  # a device has no floating-point exceptions


class State:
    """What is being captured, if anything, and what was done."""

    recording: list[Callable[[], Any]] | None = None
    pool: Any = None
    copies = 0
    launched: list[str] = []


STATE = State()


def _forbidden(*_: Any, **__: Any) -> Any:
    raise TypeError("this takes an array on the device to the host without saying so")


class _Memory:
    def __init__(self, array: numpy.ndarray):
        self.ptr = array.ctypes.data


class ndarray:  # noqa: N801
    """An array on the stand-in's device."""

    __array_ufunc__ = None
    __array__ = __array_function__ = _forbidden
    __float__ = __int__ = __bool__ = __index__ = __iter__ = __contains__ = __complex__ = _forbidden
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, array: numpy.ndarray):
        self._a = numpy.asarray(array)

    def __len__(self) -> int:
        return len(self._a)

    shape = property(lambda self: self._a.shape)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    dtype = property(lambda self: self._a.dtype)
    strides = property(lambda self: self._a.strides)
    itemsize = property(lambda self: self._a.itemsize)
    nbytes = property(lambda self: self._a.nbytes)
    flags = property(lambda self: self._a.flags)
    data = property(lambda self: _Memory(self._a))
    T = property(lambda self: ndarray(self._a.T))

    def get(self) -> numpy.ndarray:
        _synchronous("get")
        return self._a.copy()

    def item(self) -> Any:
        return self.get().item()

    def reshape(self, *shape: Any) -> ndarray:
        return _operate(numpy.reshape, self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> ndarray:
        return _operate(numpy.transpose, self, axes[0] if len(axes) == 1 else axes or None)

    def astype(self, dtype: Any, copy: bool = True) -> ndarray:
        return self if not copy and self.dtype == dtype else _operate(lambda a: a.astype(dtype), self)

    def copy(self) -> ndarray:
        return _operate(numpy.copy, self)

    def ravel(self) -> ndarray:
        return _operate(numpy.ravel, self)

    def fill(self, value: Any) -> None:
        if not isinstance(value, _NUMBERS):
            raise TypeError("fill takes a number")
        _in_place(self, lambda a: a.fill(value))

    def sum(self, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> ndarray:
        return _operate(lambda a: a.sum(axis=axis, dtype=dtype, keepdims=keepdims), self)

    def mean(self, axis: Any = None) -> ndarray:
        return _operate(lambda a: a.mean(axis=axis), self)

    def max(self, axis: Any = None, keepdims: bool = False) -> ndarray:
        return _operate(lambda a: a.max(axis=axis, keepdims=keepdims), self)

    def min(self, axis: Any = None, keepdims: bool = False) -> ndarray:
        return _operate(lambda a: a.min(axis=axis, keepdims=keepdims), self)

    def argmin(self, axis: Any = None) -> ndarray:
        return _operate(lambda a: a.argmin(axis=axis), self)

    def argmax(self, axis: Any = None) -> ndarray:
        return _operate(lambda a: a.argmax(axis=axis), self)

    def cumsum(self, axis: Any = None) -> ndarray:
        return _operate(lambda a: a.cumsum(axis=axis), self)

    def all(self, axis: Any = None) -> ndarray:
        return _operate(lambda a: a.all(axis=axis), self)

    def __getitem__(self, at: Any) -> ndarray:
        index = _index(at)
        return _operate(lambda a: a[_opened(index)], self)

    def __setitem__(self, at: Any, value: Any) -> None:
        index = _index(at)
        _check(value)
        _in_place(self, lambda a: a.__setitem__(_opened(index), _opened(value)))


def _index(at: Any) -> Any:
    for part in at if isinstance(at, tuple) else (at,):
        if not (part is None or part is Ellipsis or isinstance(part, int | numpy.integer | slice | ndarray)):
            raise TypeError(f"an index of type {type(part).__name__}")
    return at


def _opened(value: Any) -> Any:
    if isinstance(value, ndarray):
        return value._a
    if isinstance(value, tuple | list):
        return type(value)(_opened(v) for v in value)
    return value


def _check(value: Any) -> None:
    """An operand is on the device or a number."""
    if not isinstance(value, (ndarray, *_NUMBERS)):
        raise TypeError(f"an operand of type {type(value).__name__} beside arrays on the device")


def _synchronous(what: str) -> None:
    if STATE.recording is not None:
        raise RuntimeError(f"cudaErrorStreamCaptureUnsupported: {what}")


def _made(array: Any) -> ndarray:
    """A new array on the device."""
    if STATE.recording is not None and STATE.pool is None:
        raise RuntimeError("cudaErrorStreamCaptureUnsupported: memory that others will get")
    return ndarray(array)


def _operate(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """A new array, or a view, of what a NumPy function makes of the arguments."""
    function = _QUIET(function)
    found = function(*map(_opened, arguments), **options)
    if not isinstance(found, numpy.ndarray | numpy.generic):
        return found
    found = numpy.asarray(found)
    if any(isinstance(a, ndarray) and numpy.shares_memory(found, a._a) for a in arguments):
        return ndarray(found)
    result = _made(found)
    if STATE.recording is not None:
        STATE.recording.append(lambda: result._a.__setitem__(Ellipsis, function(*map(_opened, arguments), **options)))
        if found.dtype.kind == "f":
            found.fill(numpy.nan)
    return result


def _in_place(target: ndarray, change: Callable[[numpy.ndarray], Any]) -> None:
    change = _QUIET(change)
    if STATE.recording is None:
        change(target._a)
    else:
        STATE.recording.append(lambda: change(target._a))


def _binary(name: str) -> None:
    function = getattr(numpy, name[0])

    def forward(self: ndarray, other: Any) -> Any:
        _check(other)
        return _operate(function, self, other)

    def backward(self: ndarray, other: Any) -> Any:
        _check(other)
        return _operate(function, other, self)

    def in_place(self: ndarray, other: Any) -> Any:
        _check(other)
        _in_place(self, lambda a: function(a, _opened(other), out=a, casting="same_kind"))
        return self

    setattr(ndarray, f"__{name[1]}__", forward)
    if name[1] not in ("lt", "le", "gt", "ge", "eq", "ne"):
        setattr(ndarray, f"__r{name[1]}__", backward)
        setattr(ndarray, f"__i{name[1]}__", in_place)


for _name in (
    ("add", "add"), ("subtract", "sub"), ("multiply", "mul"), ("true_divide", "truediv"), ("power", "pow"),
    ("floor_divide", "floordiv"), ("remainder", "mod"), ("bitwise_and", "and"), ("bitwise_or", "or"),
    ("less", "lt"), ("less_equal", "le"), ("greater", "gt"), ("greater_equal", "ge"), ("equal", "eq"), ("not_equal", "ne"),
):  # fmt: skip
    _binary(_name)
ndarray.__neg__ = lambda self: _operate(numpy.negative, self)  # type: ignore[attr-defined]
ndarray.__abs__ = lambda self: _operate(numpy.abs, self)  # type: ignore[attr-defined]
ndarray.__invert__ = lambda self: _operate(numpy.invert, self)  # type: ignore[attr-defined]
ndarray.__matmul__ = lambda self, other: matmul(self, other)  # type: ignore[attr-defined]


def _elementwise(function: Any) -> Callable[..., Any]:
    """A universal function: operands on the device or numbers, at least one on the device; out: on the device."""

    def call(*arguments: Any, out: Any = None, dtype: Any = None) -> Any:
        for argument in arguments:
            _check(argument)
        if not any(isinstance(a, ndarray) for a in arguments):
            raise TypeError("no operand is on the device")
        options = {} if dtype is None else {"dtype": dtype}
        if out is None:
            return _operate(function, *arguments, **options)
        _in_place(out, lambda a: function(*map(_opened, arguments), out=a, casting="same_kind", **options))
        return out

    return call


def _whole(function: Any) -> Callable[..., Any]:
    """A function of device arrays that makes a new one or a view."""

    def call(first: Any, *arguments: Any, **options: Any) -> Any:
        for part in first if isinstance(first, list | tuple) else (first,):
            if not isinstance(part, ndarray):
                raise TypeError(f"{function.__name__} takes arrays on the device, not {type(part).__name__}")
        out = options.pop("out", None)
        if out is not None:
            _in_place(out, lambda a: function(_opened(first), *map(_opened, arguments), out=a, **options))
            return out
        return _operate(function, first, *arguments, **options)

    return call


def matmul(a: ndarray, b: ndarray, out: ndarray | None = None) -> Any:
    _blas()
    found = _operate(numpy.matmul, a, b)
    if out is None:
        return found
    out._a[...] = found._a
    return out


def einsum(spec: str, *arrays: ndarray) -> Any:
    _blas()
    for array in arrays:
        _check(array)
    return _operate(numpy.einsum, spec, *arrays)


def _decomposition(function: Any) -> Callable[..., Any]:
    """A function of cuSOLVER: several arrays of one, none of them while a stream captures."""

    def call(array: ndarray, **options: Any) -> tuple[ndarray, ...]:
        if not isinstance(array, ndarray):
            raise TypeError(f"{function.__name__} takes an array on the device, not {type(array).__name__}")
        _blas()
        return tuple(_made(part) for part in function(array._a, **options))

    return call


def _blas() -> None:
    if STATE.recording is not None:
        raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")


# --- arrays made anew


def _uploaded(values: Any, dtype: Any = None, copy: bool = False) -> ndarray:
    if isinstance(values, ndarray):
        if dtype is None or values.dtype == dtype:
            return values.copy() if copy else values
        return values.astype(dtype)
    _synchronous("a copy from the host")
    STATE.copies += 1
    return _made(numpy.array(values, dtype))


def _maker(function: Any) -> Callable[..., ndarray]:
    def call(*arguments: Any, **options: Any) -> ndarray:
        for argument in arguments[1:]:
            if isinstance(argument, numpy.ndarray):
                raise TypeError("an array of the host")
        found = function(*arguments, **options)
        if STATE.recording is None:
            return _made(found)
        result = _made(found)
        fresh = found.copy()
        STATE.recording.append(lambda: result._a.__setitem__(Ellipsis, fresh))
        return result

    return call


def empty(shape: Any, dtype: Any = float) -> ndarray:
    """Memory with nothing of use in it."""
    array = numpy.empty(shape, dtype)
    array.fill(numpy.nan if array.dtype.kind == "f" else 77)
    return _made(array)


# --- kernels


class RawModule:
    """CUDA source, built for the host."""

    def __init__(self, code: str, options: tuple[str, ...] = (), backend: str = "nvrtc"):
        self.library, self.signatures = kernels.build(code), kernels.signatures(code)

    def get_function(self, name: str) -> _Kernel:
        return _Kernel(name, self.signatures[name], getattr(self.library, f"launch_{name}"))


class _Kernel:
    def __init__(self, name: str, parameters: tuple[kernels.Parameter, ...], function: Any):
        self.name, self.parameters, self.function = name, parameters, function

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...]) -> None:
        if len(arguments) != len(self.parameters):
            raise TypeError(f"{self.name} takes {len(self.parameters)} arguments, not {len(arguments)}")
        if not all(isinstance(n, int) and n > 0 for n in (*grid, *block)) or max(grid[1:], default=1) > 65535:
            raise ValueError(f"a grid of {grid} blocks of {block}")
        values = [self.value(p, a) for p, a in zip(self.parameters, arguments, strict=True)]
        sizes = [ctypes.c_uint(grid[0]), ctypes.c_uint(grid[1] if len(grid) > 1 else 1), ctypes.c_uint(block[0])]
        keep = arguments

        def launch() -> None:
            STATE.launched.append(self.name)
            self.function(*sizes, *values)
            assert keep is not None

        if STATE.recording is None:
            launch()
        else:
            STATE.recording.append(launch)

    def value(self, parameter: kernels.Parameter, argument: Any) -> Any:
        if parameter.pointer:
            if isinstance(argument, numpy.uintp) and argument == 0:
                return ctypes.c_void_p(None)
            if not isinstance(argument, ndarray) or argument.dtype != parameter.kind:
                found = getattr(argument, "dtype", type(argument).__name__)
                raise TypeError(f"{self.name}: `{parameter.name}` points at {parameter.kind.__name__}, not {found}")
            return ctypes.c_void_p(argument.data.ptr)
        if type(argument) is not parameter.kind:
            raise TypeError(
                f"{self.name}: `{parameter.name}` is {parameter.kind.__name__}, not {type(argument).__name__}"
            )
        return numpy.ctypeslib.as_ctypes_type(parameter.kind)(argument)


# --- streams, graphs, memory, cuBLAS


class Graph:
    def __init__(self, work: list[Callable[[], Any]]):
        self.work = work

    def launch(self, stream: Any = None) -> None:
        for step in self.work:
            step()


class Stream:
    def __init__(self, non_blocking: bool = False):
        pass

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: Any) -> None: ...

    def synchronize(self) -> None:
        _synchronous("waiting")

    def record(self) -> str:
        return "event"

    def wait_event(self, event: str) -> None:
        assert event == "event"

    def begin_capture(self) -> None:
        STATE.recording = []

    def end_capture(self) -> Graph:
        assert STATE.recording is not None
        graph, STATE.recording = Graph(STATE.recording), None
        return graph


class MemoryPool:
    def malloc(self, size: int) -> Any:
        raise AssertionError("the stand-in does not allocate by pools")

    def free_all_blocks(self) -> None: ...


@contextmanager
def using_allocator(malloc: Any) -> Iterator[None]:
    before, STATE.pool = STATE.pool, malloc
    try:
        yield
    finally:
        STATE.pool = before


class Device:
    attributes = {"MultiProcessorCount": 2}
    mem_info = (1 << 30, 1 << 30)


_TYPES = {0: numpy.float32, 1: numpy.float64, 14: numpy.uint16}


def _matrix(at: int, kind: int, rows: int, columns: int, apart: int) -> numpy.ndarray:
    """A matrix column by column in memory, as BLAS has it."""
    assert apart >= max(1, rows)
    size = apart * (columns - 1) + rows
    code = _TYPES[kind]
    memory = numpy.ctypeslib.as_array((numpy.ctypeslib.as_ctypes_type(code) * size).from_address(at))
    return numpy.lib.stride_tricks.as_strided(
        memory, (rows, columns), (memory.itemsize, apart * memory.itemsize), writeable=True
    )


def _as_real(matrix: numpy.ndarray, compute: int) -> numpy.ndarray:
    """The numbers that tensor cores multiply."""
    if matrix.dtype == numpy.uint16:
        return (matrix.astype(numpy.uint32) << 16).view(numpy.float32)
    if compute == 77:
        bits = numpy.ascontiguousarray(matrix).view(numpy.uint32)
        return ((bits + 0xFFF + ((bits >> 13) & 1)) & 0xFFFFE000).astype(numpy.uint32).view(numpy.float32)
    return matrix


def gemm_ex(
    handle: Any, turn_a: int, turn_b: int, m: int, n: int, k: int, alpha: int, a: int, kind_a: int, apart_a: int,
    b: int, kind_b: int, apart_b: int, beta: int, c: int, kind_c: int, apart_c: int, compute: int, algorithm: int,
) -> None:  # fmt: skip
    _blas()
    real = ctypes.c_double if compute == 70 else ctypes.c_float
    left = _as_real(_matrix(a, kind_a, *((k, m) if turn_a else (m, k)), apart_a), compute)
    right = _as_real(_matrix(b, kind_b, *((n, k) if turn_b else (k, n)), apart_b), compute)
    out = _matrix(c, kind_c, m, n, apart_c)
    product = (left.T if turn_a else left) @ (right.T if turn_b else right)
    scale, keep = real.from_address(alpha).value, real.from_address(beta).value
    out[...] = scale * product + (keep * out if keep else 0.0)
    STATE.launched.append("gemmEx")


def module() -> dict[str, types.ModuleType]:
    """The stand-in as the modules `cupy` and `cupyx` of `sys.modules`."""
    cupy = types.ModuleType("cupy")
    names: dict[str, Any] = {
        "ndarray": ndarray,
        "RawModule": RawModule,
        "matmul": matmul,
        "einsum": einsum,
        "empty": empty,
        "empty_like": lambda a, dtype=None: empty(a.shape, dtype or a.dtype),
        "asarray": lambda a, dtype=None: _uploaded(a, dtype),
        "array": lambda a, dtype=None: _uploaded(a, dtype, copy=True),
        "zeros_like": lambda a: _maker(numpy.zeros)(a.shape, a.dtype),
        "ones_like": lambda a: _maker(numpy.ones)(a.shape, a.dtype),
        "zeros": _maker(numpy.zeros),
        "ones": _maker(numpy.ones),
        "full": _maker(numpy.full),
        "arange": _maker(numpy.arange),
        "eye": _maker(numpy.eye),
        "ndindex": numpy.ndindex,
        "dtype": numpy.dtype,
        "fill_diagonal": lambda a, value: _in_place(a, lambda x: numpy.fill_diagonal(x, value)),
    }
    names |= {n: getattr(numpy, n) for n in ("float32", "float64", "int32", "int64", "uint16", "uint32", "newaxis")}
    elementwise = "exp log sqrt abs tanh sin cos sign negative add subtract multiply divide less greater power square"
    elementwise += " maximum minimum reciprocal logaddexp isinf isnan isfinite expm1 log1p sinh floor"
    names |= {n: _elementwise(getattr(numpy, n)) for n in elementwise.split()}
    whole = (
        "broadcast_to ascontiguousarray take concatenate cumsum flatnonzero where clip all any sum stack vdot repeat"
    )
    names |= {n: _whole(getattr(numpy, n)) for n in whole.split()}
    vars(cupy).update(names)
    cupy.linalg = types.SimpleNamespace(**{n: _decomposition(getattr(numpy.linalg, n)) for n in ("svd", "qr", "eigh")})  # type: ignore[attr-defined]
    device = types.SimpleNamespace(get_cublas_handle=lambda: 0)
    cupy.cuda = types.SimpleNamespace(  # type: ignore[attr-defined]
        Stream=Stream,
        get_current_stream=Stream,
        MemoryPool=MemoryPool,
        using_allocator=using_allocator,
        Device=Device,
        device=device,
        cublas=types.SimpleNamespace(gemmEx=gemm_ex, getVersion=lambda handle: 12),
        nvrtc=types.SimpleNamespace(getVersion=lambda: (12, 9)),
        runtime=types.SimpleNamespace(getDeviceCount=lambda: 1),
    )
    cupyx, scipy_like, special = (types.ModuleType(n) for n in ("cupyx", "cupyx.scipy", "cupyx.scipy.special"))
    for name in ("gammaln", "digamma", "ndtri"):
        setattr(special, name, _elementwise(getattr(scipy.special, name)))
    cupyx.scipy, scipy_like.special = scipy_like, special  # type: ignore[attr-defined]
    cupy.__spec__ = types.SimpleNamespace(name="cupy")  # type: ignore[assignment]
    return {"cupy": cupy, "cupyx": cupyx, "cupyx.scipy": scipy_like, "cupyx.scipy.special": special}


def forget() -> None:
    """Modules that were loaded before are loaded anew."""
    loader.load.cache_clear()
    loader.runtime.cache_clear()


@contextmanager
def installed() -> Iterator[State]:
    """CuPy is the stand-in inside."""
    before = {name: sys.modules.get(name) for name in module()}
    sys.modules.update(module())
    forget()
    STATE.launched.clear()
    try:
        yield STATE
    finally:
        forget()
        for name, old in before.items():
            if old is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = old

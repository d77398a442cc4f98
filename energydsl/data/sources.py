"""`--data` -> arrays by layer, in the shape and the values of the layers. What does not fit is E0401."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray

from energydsl.arrays import Values, as_numbers
from energydsl.data import alignments, identity, readers, sparse_files
from energydsl.data.stored import stored
from energydsl.data.weights import Weights, row_weights
from energydsl.diagnostics import ArgumentError, DataError, a_kind, one_of, suggestion
from energydsl.domains import DOMAINS
from energydsl.model.records import Layer, Resolved
from energydsl.options import SPLITS, Split, Unknown
from energydsl.random import stream

if TYPE_CHECKING:
    from energydsl.api import Model

Array = NDArray[Any]
BINARISE = "threshold:T, sample or none"
MISSING_CODE = -1
# What chooses rows of an array: a slice, numbers of rows, or one truth value for each.
Rows = slice | Array
# Ends of files that hold one layer.
_OF_ONE_LAYER = (".npy", ".csv", ".parquet", ".arrow", ".feather", ".zarr", *alignments.SUFFIXES)
_ALL = slice(None)
# Values that are looked at together.
_LOOKED_AT = 1 << 17
# By layer, room for as many uniform numbers as some rows have, and for their values.
Room = dict[str, tuple[Array, Array]]


@dataclass(frozen=True)
class Data:
    """Data by layer, and how grey values become binary.

    arrays: (rows, *layer), by layer; of categorical layers, codes. name: of the source, for reports. binarise: None, a threshold that
    was applied, "sample" (drawn anew each epoch), or
    "none" (used as probabilities). grey: the binary layers that are drawn. NaN, or the code -1, marks a missing entry,
    where these are imputed. weights: (rows,), how much each row counts; None: all alike.
    """

    arrays: Mapping[str, Array]
    name: str
    binarise: str | None = None
    grey: frozenset[str] = frozenset()
    weights: Array | None = None

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def __repr__(self) -> str:
        rule = f", binarise {self.binarise}" if self.binarise else ""
        layers = ", ".join(f"{name}{[*array.shape[1:]]}" for name, array in self.arrays.items())
        return f"<energydsl data {self.name}: {len(self)} rows of {layers}{rule}>"

    def rows(self, index: Rows) -> Data:
        """The rows that an index of NumPy chooses."""
        weights = None if self.weights is None else self.weights[index]
        return replace(self, arrays={n: a[index] for n, a in self.arrays.items()}, weights=weights)

    def weighted(self, weights: Weights | None) -> Data:
        """With other weights, one a row, a file of them, or "identity:T"; None leaves those there are. Raises `DataError`."""
        if weights is None:
            return self
        if isinstance(weights, str) and weights.startswith(identity.PREFIX):
            if self.grey:
                raise DataError.of("identity compares units of whole numbers; grey values are drawn anew each epoch")
            found = identity.identity_weights(self.arrays, identity.threshold_of(weights))
            return replace(self, weights=found)
        return replace(self, weights=row_weights(weights, len(self)))

    def counted(self) -> Data:
        """The rows that count: those of weight 0 are as good as not there. Raises `DataError` where none is left."""
        if self.weights is None or self.weights.all():
            return self
        if not self.weights.any():
            raise DataError.of("all weights of these rows are 0, so none counts")
        return self.rows(self.weights > 0)

    def only(self, layers: Set[str]) -> Data:
        """Some of the layers."""
        return replace(self, arrays={n: a for n, a in self.arrays.items() if n in layers}, grey=self.grey & layers)

    @cached_property
    def incomplete(self) -> frozenset[str]:
        """The layers of which some entry is missing: looked for once, for that looks at all rows."""
        return frozenset(name for name, array in self.arrays.items() if _misses(array))

    def complete(self) -> Data:
        """The rows in which nothing is missing."""
        if not self.incomplete:
            return self
        whole = np.ones(len(self), bool)
        for array in self.arrays.values():
            whole &= ~_missing(array).any(axis=tuple(range(1, array.ndim)))
        return self.rows(whole)

    def filled(self, seed: int, known: Data | None = None) -> Data:
        """The rows with what is missing filled in: known values of the same unit, here or in other data, by a fixed seed."""
        rng, source = np.random.default_rng(stream(seed, "missing entries")), (known or self).arrays
        return replace(self, arrays={n: _filled(n, a, source[n], rng) for n, a in self.arrays.items()})

    def drawn(self, seed: int) -> dict[str, Array]:
        """The arrays with grey values of binary layers drawn once, by a fixed seed."""
        return self.draw(np.random.default_rng(stream(seed, "grey values")))

    def draw(self, rng: np.random.Generator, rows: Rows = _ALL, room: Room | None = None) -> dict[str, Array]:
        """The arrays of some rows, grey values of binary layers drawn. room: for rows by their numbers, what is written to instead of new arrays."""
        found = {}
        for name, array in self.arrays.items():
            uniform, values = room[name] if room is not None else (None, None)
            taken = (
                array[rows] if room is None else np.take(array, cast("Array", rows), axis=0, out=values, mode="clip")
            )
            found[name] = taken
            if name in self.grey:
                found[name] = _drawn(taken, rng, uniform, values, name in self.incomplete)
        return found

    def room(self, rows: int) -> Room:
        """Arrays for so many rows, by layer: for uniform numbers, and for values."""
        shapes = {n: (rows, *a.shape[1:]) for n, a in self.arrays.items()}
        return {n: (np.empty(s, np.float32), np.empty(s, self.arrays[n].dtype)) for n, s in shapes.items()}

    def digest(self) -> str:
        """SHA-256 of names, shapes, types and values, as hexadecimal text."""
        hasher = hashlib.sha256()
        for name, array in sorted(self.arrays.items()):
            hasher.update(f"{name}{array.shape}{array.dtype}".encode())
            hasher.update(np.ascontiguousarray(array).data)
        return hasher.hexdigest()


def _missing(array: Array) -> Array:
    return np.asarray(np.isnan(array) if array.dtype.kind == "f" else array == MISSING_CODE)


def _misses(array: Array) -> bool:
    """Whether an entry is missing; the least of numbers is NaN where one of them is, which takes a fraction of the time of a mask."""
    if array.dtype.kind == "f":
        return bool(np.isnan(np.min(array, initial=0.0)))
    return bool(_missing(array).any())


def _filled(name: str, array: Array, source: Array, rng: np.random.Generator) -> Array:
    """Each unit's missing entries drawn from its known ones; from those of all units where it has none."""
    if not _misses(array):
        return array
    lost = _missing(array).reshape(len(array), -1)
    flat, source = array.reshape(lost.shape).copy(), source.reshape(-1, lost.shape[1])
    given = ~_missing(source)
    if not given.any():
        raise DataError.of(f"no entry of `{name}` is known")
    for column in np.flatnonzero(lost.any(axis=0)):
        gaps, known = lost[:, column], given[:, column]
        values = source[known, column] if known.any() else source[given]
        flat[gaps, column] = rng.choice(values, np.count_nonzero(gaps))
    return flat.reshape(array.shape)


def _drawn(grey: Array, rng: np.random.Generator, uniform: Array | None, out: Array | None, incomplete: bool) -> Array:
    """Binary values from grey ones; of incomplete ones what is missing stays. uniform, out: what is overwritten, the grey values themselves perhaps."""
    missing = np.isnan(grey) if incomplete else None
    out = np.empty_like(grey) if out is None else out
    np.less(_uniform(rng, np.empty(grey.shape, np.float32) if uniform is None else uniform), grey, out=out)
    if missing is not None:
        out[missing] = np.nan
    return out


def _uniform(rng: np.random.Generator, out: Array) -> Array:
    """The float32 numbers of `rng.random`: the upper 24 bits of half a word each. To ask for the words takes half as long."""
    if out.size % 2 or rng.bit_generator.state.get("has_uint32", 1):  # half a word is left of, or for, other numbers
        return rng.random(out=out, dtype=np.float32)
    words = np.asarray(rng.bit_generator.random_raw(out.size // 2), "<u8").view("<u4").reshape(out.shape)
    words >>= 8
    np.copyto(out, words.view("<i4"), casting="unsafe")
    out *= np.float32(2.0**-24)
    return out


Sources = str | Path | Iterable[str | Path] | Mapping[str, str | Path]
# Data as they may be given in Python: checked, as sources, as arrays by layer, or as the array of the only visible layer.
Given = Data | Sources | Mapping[str, Values] | Values


def as_data(
    model: Resolved,
    data: Given,
    binarise: str | None,
    split: Split,
    impute: bool = False,
    weights: Weights | None = None,
) -> Data:
    """Data as they are given in Python: `Data`, arrays by layer, the array of the only visible layer, or sources; weighted."""
    if isinstance(data, Data):
        return data.weighted(weights)
    if _are_sources(data):
        return load_data(model, data, split, binarise, impute=impute, weights=weights)
    by_layer = data if isinstance(data, Mapping) else {model.by_role("visible")[0]: data}
    return from_arrays(model, cast("Mapping[str, Values]", by_layer), binarise, impute=impute).weighted(weights)


def _are_sources(data: Given) -> TypeGuard[Sources]:
    values = list(data.values()) if isinstance(data, Mapping) else data if isinstance(data, list | tuple) else [data]
    return len(values) > 0 and all(isinstance(v, str | Path) for v in values)


def _named(sources: Sources) -> tuple[str, ...]:
    """Sources as the command line gives them."""
    if isinstance(sources, str | Path):
        return (str(sources),)
    if isinstance(sources, Mapping):
        return tuple(f"{name}={source}" for name, source in sources.items())
    return tuple(str(s) for s in sources)


def load_data(
    model: Model | Resolved,
    sources: Sources,
    split: Split = "train",
    binarise: str | None = None,
    key: str | None = None,
    impute: bool = False,
    weights: Weights | None = None,
    unknown: Unknown = "error",
) -> Data:
    """The data that sources name: one source, or several as `layer=source` or a dict by layer.

    sources: "digits", "bars-and-stripes:4", the path of a file or folder, or an array, (rows, *layer). split: the part of digits, or of
    a folder in
    MNIST's format. binarise: how grey values become binary, "threshold:T", "sample" or "none" (taken as probabilities); the
    embedded digits are sampled where nothing is said. key: the name of the array in an .npz file. impute: entries of
    visible layers may be missing (NaN). weights: (rows,), how much each row counts, not negative, or a .npy or .csv file of that, or
    "identity:0.8": 1 / (the number of rows 80 % of whose units are equal). unknown: what letters are that name no state, an "error" or
    the "gap". Raises `DataError` (E0401), with row and column, for data that do not fit, and
    `ArgumentError` for a `key` or `binarise` that does not fit them.

    >>> import energydsl as ed
    >>> model = ed.loads("visible v[16] : binary energy = sum(v)")
    >>> data = ed.load_data(model, "bars-and-stripes:4")
    >>> len(data), data.arrays["v"].shape
    (32, (32, 16))
    """
    model = as_resolved(model)
    sources = _named(sources)
    if binarise is None and all(s.rpartition("=")[2].partition(":")[0] == "digits" for s in sources):
        binarise = "sample"
    chosen = chosen_sources(model, sources, key)
    if key and not any(_has_keys(source) for source, _ in chosen.values()):
        raise ArgumentError(
            f"a key names an array of an .npz file, of digits, or of a folder in MNIST's format; {sources[0]} has none"
        )
    raw = {}
    for layer, (source, own_key) in chosen.items():
        raw[layer] = _read(source, model.layers[layer], split, own_key, unknown)
    return from_arrays(model, raw, binarise, shown_name(chosen), impute).weighted(weights)


def as_resolved(model: Model | Resolved) -> Resolved:
    """The resolved model of a model. Raises `ArgumentError` for anything else."""
    found = getattr(model, "resolved", model)
    if not isinstance(found, Resolved):
        raise ArgumentError(f"load_data takes a model, such as ed.load returns, not {a_kind(found)}")
    return found


def chosen_sources(model: Resolved, sources: Sources, key: str | None = None) -> dict[str, tuple[str, str]]:
    """The source of each layer, and the name of an array in it. Raises `DataError`."""
    chosen: dict[str, tuple[str, str]] = {}
    for source in _named(sources):
        name, sign, rest = source.partition("=")
        if sign and name.isidentifier():
            if name not in model.layers:
                raise DataError.of(f"the model has no layer `{name}`", suggestion(name, model.layers))
            chosen[name] = rest, key or ""
        else:
            chosen |= _spread(model, source, key or "")
    if not chosen:
        raise DataError.of("no data were given", "name a source: digits, bars-and-stripes:4, or a file")
    return chosen


def shown_name(chosen: Mapping[str, tuple[str, str]]) -> str:
    """Sources for a report."""
    return ", ".join(dict.fromkeys(Path(s).name for s, _ in chosen.values()))


def from_arrays(
    model: Resolved, raw: Mapping[str, Values], binarise: str | None, name: str = "arrays", impute: bool = False
) -> Data:
    """Arrays by layer, checked. What is masked is missing, as NaN is. Raises `DataError` (E0401)."""
    check_rule(binarise)
    for given in raw:
        if given not in model.layers:
            raise DataError.of(f"the model has no layer `{given}`", suggestion(str(given), model.layers))
        if model.layers[given].role == "hidden":
            raise DataError.of(f"`{given}` is hidden: data are of visible layers and inputs", "leave it out")
    missing = [n for n, layer in model.layers.items() if layer.role != "hidden" and n not in raw]
    if missing:
        shown = ", ".join(f"`{n}`" for n in missing)
        raise DataError.of(
            f"no data for {shown}", "give each layer a source of its own, as in v=x.npy and y=labels.npy"
        )
    arrays, used, grey = {}, None, set()
    for layer_name, values in raw.items():
        layer = model.layers[layer_name]
        if alignments.is_text(values):
            values = alignments.of_text(layer, values)
        if isinstance(shape := getattr(values, "shape", None), tuple):
            layer_shape(layer, shape)  # before what is sparse is made dense
        found = as_numbers(values, layer_name)
        arrays[layer_name], rule = _fitted(layer, found, binarise, impute and layer.role == "visible")
        used = rule or used
        grey |= {layer_name} if rule == "sample" else set()
    lengths = {n: len(a) for n, a in arrays.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"`{n}` {k}" for n, k in lengths.items())
        raise DataError.of(f"the layers have different numbers of rows: {shown}")
    return Data(arrays, name, used, frozenset(grey))


def _spread(model: Resolved, source: str, key: str) -> dict[str, tuple[str, str]]:
    """A source without a layer: images to the one layer that takes them, labels to a categorical one beside it."""
    given = [n for n, layer in model.layers.items() if layer.role != "hidden"]
    if len(given) == 1:
        return {given[0]: (source, key)}
    if source.endswith(".npz") and not key:
        return {n: (source, n) for n in given}
    labelled = [n for n in given if model.layers[n].is_label]
    images = [n for n in given if n not in labelled]
    if len(labelled) == 1 and len(images) == 1 and not source.endswith(_OF_ONE_LAYER):
        return {images[0]: (source, "images"), labelled[0]: (source, "labels")}
    shown = " and ".join(f"{n}=..." for n in given)
    raise DataError.of(f"the model has {len(given)} layers that take data", f"give each of them a source: {shown}")


def _has_keys(source: str) -> bool:
    return source.partition(":")[0] == "digits" or source.endswith(".npz") or Path(source).is_dir()


def _read(source: str, layer: Layer, split: Split, key: str, unknown: Unknown) -> Array:
    one_of("split", split, SPLITS)
    kind, _, argument = source.partition(":")
    if kind == "digits":
        return _digits(layer, split, argument, key)
    if kind == "bars-and-stripes":
        side = argument or str(math.isqrt(layer.size))
        if not (side.isascii() and side.isdigit()):
            raise DataError.of("bars-and-stripes takes a whole number, as in bars-and-stripes:4")
        return readers.bars_and_stripes(int(side[:4]))
    path = Path(source)
    try:
        return _read_file(path, split, key, layer, unknown)
    except OSError as error:
        raise DataError.of(f"cannot read {source}: {error.strerror or error}") from None


def _digits(layer: Layer, split: Split, argument: str, key: str) -> Array:
    if argument not in ("", "8", "28"):
        raise DataError.of("the embedded digits come in two sizes: digits:28 and digits:8")
    arrays = readers.digits(split)
    if _images_or_labels(layer, key) == "labels":
        return arrays["labels"]
    small = argument == "8" or (not argument and layer.size == 64)
    return readers.pooled(arrays["images"]) if small else arrays["images"]


def _images_or_labels(layer: Layer, key: str) -> Literal["images", "labels"]:
    if key not in ("", "images", "labels"):
        raise DataError.of(
            f"there is no array `{key}`; there are images and labels", suggestion(key, ("images", "labels"))
        )
    if key:
        return "labels" if key == "labels" else "images"
    return "labels" if layer.is_label else "images"


def _read_file(path: Path, split: Split, key: str, layer: Layer, unknown: Unknown) -> Array:
    def fits(shape: tuple[int, ...]) -> None:
        layer_shape(layer, shape)

    if path.suffix == ".zarr" and path.exists():
        whole = stored(path)
        fits((whole.rows, *whole.shape))
        return whole.read(0, whole.rows)
    if path.is_dir():
        return readers.mnist(path, split, _images_or_labels(layer, key), fits)
    if not path.exists():
        known = suggestion(str(path), ("digits", "bars-and-stripes"))
        raise DataError.of(f"there is no file {path}", known or "digits and bars-and-stripes:4 need no file")
    if path.suffix in alignments.SUFFIXES:
        letters = alignments.read(path).letters
        fits(letters.shape)
        return alignments.states(layer, letters, unknown)
    match path.suffix:
        case ".npy":
            return readers.npy(path, fits)
        case ".npz":
            sparse = not key and sparse_files.is_sparse(path)
            return sparse_files.read(path, fits) if sparse else readers.npz(path, key or None, fits)
        case ".csv":
            return readers.table(path, fits)
        case ".parquet":
            return readers.parquet(path, fits)
        case ".arrow" | ".feather":
            return readers.arrow(path, fits)
    if "idx" in path.name or path.suffix == ".gz":
        values = readers.idx(path, fits)
        return values / np.float32(255) if values.ndim == 3 else values
    raise DataError.of(
        f"cannot read {path}: only .npy, .npz, .csv, .parquet, .arrow, .feather, .zarr, idx files and alignments are read"
    )


def _fitted(layer: Layer, values: Array, binarise: str | None, impute: bool = False) -> tuple[Array, str | None]:
    """Values in the layer's shape, checked against its domain; and the rule that grey values were met by."""
    values = values.reshape(len(values) if values.ndim else 0, *layer_shape(layer, values.shape))
    if values.dtype.kind == "f" and _misses(values):
        bad = np.isnan(values)
        if not impute:
            raise DataError.of(
                f"{_where(layer, bad)} is missing (NaN)",
                "training with impute=True draws what is missing in visible layers; everything else takes complete rows",
            )
        if DOMAINS[layer.domain.name].one_hot and values.shape[1:] == layer.energy_shape:
            lost = np.asarray(bad.any(axis=-1))
            filled = np.where(lost[..., None], np.eye(layer.energy_shape[-1])[0], values)
        else:
            lost, filled = bad, np.where(bad, values[~bad].flat[0] if not bad.all() else 0.0, values)
        known, rule = _fitted(layer, filled, binarise)
        return np.where(lost, MISSING_CODE if known.dtype.kind == "i" else np.nan, known).astype(known.dtype), rule
    if values.dtype.kind == "f" and not _everywhere(np.isfinite, values):
        raise DataError.of(f"{_where(layer, ~np.isfinite(values))} is infinite")
    domain = DOMAINS[layer.domain.name]
    if domain.one_hot:
        return _codes(layer, values), None
    if domain.two_valued:
        return _two_valued(layer, values, binarise)
    if not _everywhere(partial(domain.admits, arguments=layer.domain.arguments), values):
        outside = ~domain.admits(values, layer.domain.arguments)
        what = "a whole number " if domain.integer_valued else ""
        raise DataError.of(f"{_where(layer, outside)} is {_at(outside, values):g}, not {what}in {layer.domain}")
    return values.astype(np.float32 if values.dtype != np.float64 else np.float64, copy=False), None


def _everywhere(holds: Callable[[Array], Array], values: Array) -> bool:
    """Whether something holds of all values, looked at a few rows at a time: no mask is larger than a cache, and what fails does so early."""
    step = max(1, _LOOKED_AT // max(1, math.prod(values.shape[1:])))
    return all(bool(holds(values[first : first + step]).all()) for first in range(0, len(values), step))


def layer_shape(layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape in which rows of an array of a shape fit the layer: units, or states of units. Raises `DataError`."""
    if not shape or shape[0] == 0:
        raise DataError.of(f"the data of `{layer.name}` are empty")
    for own in (layer.shape, layer.energy_shape):
        if math.prod(shape[1:]) == math.prod(own):
            return own
    raise DataError.of(
        f"the data of `{layer.name}` have {math.prod(shape[1:])} columns, the layer has {layer.size} units",
        "change the size of the layer by its dim, or choose other data",
    )


def _where(layer: Layer, bad: Array) -> str:
    at = np.argwhere(bad)[0]
    column = int(np.ravel_multi_index(tuple(at[1:]), bad.shape[1:])) + 1 if len(at) > 1 else 1
    return f"row {int(at[0]) + 1}, column {column} of `{layer.name}`"


def _at(bad: Array, values: Array) -> float:
    return float(values[tuple(np.argwhere(bad)[0])])


def _two_valued(layer: Layer, values: Array, binarise: str | None) -> tuple[Array, str | None]:
    """Values of units of two values as they are, or bits and grey values made such."""
    domain = DOMAINS[layer.domain.name]
    if _everywhere(partial(domain.admits, arguments=layer.domain.arguments), values):
        return values.astype(np.float32), None
    bits, rule = _bits(layer, values, binarise)
    if rule in ("sample", "none") and not domain.grey:
        raise DataError.of(
            f"`{layer.name}` holds spins: grey values meet it by threshold only", 'binarise="threshold:0.5"'
        )
    return domain.from_bits(bits), rule


def _bits(layer: Layer, values: Array, binarise: str | None) -> tuple[Array, str | None]:
    """0 and 1, or grey values between them where `binarise` keeps these; and the rule that was needed."""
    if not _everywhere(lambda part: (part >= 0) & (part <= 1), values):
        outside = (values < 0) | (values > 1)
        raise DataError.of(
            f"{_where(layer, outside)} is {_at(outside, values):g}, outside {{0, 1}}", _way_to_binary(layer, values)
        )
    if _everywhere(lambda part: (part == 0) | (part == 1), values):
        return values.astype(np.float32), None
    if binarise is None:
        grey = (values != 0) & (values != 1)
        raise DataError.of(
            f"{_where(layer, grey)} is {_at(grey, values):g}, but `{layer.name}` is binary",
            'say how grey values become binary: binarise="sample", threshold:0.5, or none (taken as probabilities)',
        )
    if binarise in ("sample", "none"):
        return values.astype(np.float32), binarise
    return (values >= _threshold(binarise)).astype(np.float32), binarise


def check_rule(binarise: str | None) -> None:
    """Raises `ArgumentError` for another rule of how grey values become binary."""
    if binarise not in (None, "sample", "none"):
        _threshold(str(binarise))


def _way_to_binary(layer: Layer, values: Array) -> str:
    """What to do with values that are no bits: spins, grey values, or neither."""
    if np.isin(values, (-1, 1)).all():
        return f"these are spins: declare `{layer.name}` as `spin`, or map them with (x + 1) / 2"
    if values.min() < 0:
        return f"`{layer.name}` is binary; a layer of domain `real` takes negative values"
    return f"divide grey values by their maximum, {values.max():g} here"


def _threshold(binarise: str) -> float:
    kind, _, number = binarise.partition(":")
    try:
        found = float(number or 0.5)
    except ValueError:
        found = math.nan
    if kind != "threshold" or not 0 < found <= 1:
        raise ArgumentError(f"binarise must be {BINARISE}, with 0 < T <= 1; not {binarise}")
    return found


def _codes(layer: Layer, values: Array) -> Array:
    domain, states = DOMAINS[layer.domain.name], layer.energy_shape[-1]
    if values.shape[1:] == layer.energy_shape:
        wrong = np.asarray(~domain.admits_indicators(values).all(axis=-1))
        if wrong.any():
            raise DataError.of(f"{_where(layer, wrong)} is not one-hot")
        return np.asarray(values.argmax(axis=-1))
    bad = ~domain.admits(values, layer.domain.arguments)
    if bad.any():
        raise DataError.of(f"{_where(layer, bad)} is {_at(bad, values):g}, not a state from 0 to {states - 1}")
    return values.astype(np.int64)

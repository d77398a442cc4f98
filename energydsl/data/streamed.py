"""Data that stay in their files: read block by block, checked and made into values of layers row by row as they are used."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from energydsl.data.sources import (
    Array,
    Data,
    Sources,
    as_resolved,
    check_rule,
    chosen_sources,
    from_arrays,
    layer_shape,
    shown_name,
)
from energydsl.data.stored import Stored, stored
from energydsl.diagnostics import DataError
from energydsl.model.records import Resolved
from energydsl.random import stream

if TYPE_CHECKING:
    from energydsl.api import Model

# Bytes of a block, about; blocks in a file, at least, where it has as many rows; bytes of the blocks among which rows are shuffled.
_BLOCK, _FEWEST, WINDOW = 1 << 20, 128, 64 << 20
# Rows from which base rates and initial values are found, and held out where nothing else is said; blocks they come from.
KNOWN_ROWS, _KNOWN_BLOCKS = 10_000, 256
# Blocks that a digest is made of, at most.
_DIGESTED = 64


@dataclass(frozen=True)
class Streamed:
    """Rows of files, in blocks of `block` rows, of which `blocks` are the numbers. stores: by layer, all of as many rows.

    name: of the source. binarise: how grey values become binary.
    """

    model: Resolved
    stores: Mapping[str, Stored]
    name: str
    binarise: str | None
    block: int
    blocks: Array
    weights: None = None

    def __len__(self) -> int:
        return self.block * len(self.blocks)

    @property
    def block_bytes(self) -> int:
        """Of a block in memory, all layers."""
        return self.block * sum(store.row_bytes for store in self.stores.values())

    def counted(self) -> Streamed:
        """All rows count alike."""
        return self

    def read(self, number: int) -> dict[str, Array]:
        """The rows of a block as they are stored, by layer."""
        start = number * self.block
        return {n: store.read(start, start + self.block) for n, store in self.stores.items()}

    def fitted(self, raw: Mapping[str, Array], rows: Array) -> Data:
        """Rows as values of layers. rows: their numbers in the file. Raises `DataError` with the one that does not fit."""
        try:
            return from_arrays(self.model, raw, self.binarise, self.name)
        except DataError:
            for place, row in enumerate(rows.tolist()):
                try:
                    from_arrays(self.model, {n: a[place : place + 1] for n, a in raw.items()}, self.binarise)
                except DataError as error:
                    [found] = error.diagnostics
                    message = found.message.replace("row 1,", f"row {row + 1},", 1)
                    raise DataError.of(f"{self.name}: {message}", found.help) from None
            raise

    def numbers(self, blocks: Array) -> Array:
        """The numbers of the rows of some blocks, one after the other."""
        return np.asarray((blocks[:, None] * self.block + np.arange(self.block)).reshape(-1))

    def in_memory(self, blocks: Array) -> Data:
        """The rows of some blocks."""
        read = [self.read(int(number)) for number in blocks]
        return self.fitted({n: np.concatenate([r[n] for r in read]) for n in self.stores}, self.numbers(blocks))

    def known(self, seed: int) -> Data:
        """Rows that stand for all where a mean is needed at once: whole blocks at random, as many as make 10,000 rows, or some of each."""
        rng = np.random.default_rng(stream(seed, "rows that stand for all"))
        count = min(len(self.blocks), max(1, -(-KNOWN_ROWS // self.block)), _KNOWN_BLOCKS)
        chosen = np.sort(rng.permutation(self.blocks)[:count])
        share = min(self.block, -(-KNOWN_ROWS // count))
        read = [{n: a[:share] for n, a in self.read(int(number)).items()} for number in chosen]
        rows = (chosen[:, None] * self.block + np.arange(share)).reshape(-1)
        return self.fitted({n: np.concatenate([r[n] for r in read]) for n in self.stores}, rows)

    def split(self, fraction: float, seed: int) -> tuple[Streamed, Data | None]:
        """Blocks to train on, and rows of whole blocks at random that are held out, in memory, where the fraction makes up one or more."""
        count = held_blocks(len(self), self.block, fraction)
        if not count:
            return self, None
        order = np.random.default_rng(stream(seed, "held-out rows")).permutation(self.blocks)
        return replace(self, blocks=np.sort(order[count:])), self.in_memory(np.sort(order[:count]))

    def digest(self) -> str:
        """SHA-256 of the sizes, and of up to 64 blocks spread over the file, as hexadecimal text."""
        hasher = hashlib.sha256()
        for name, store in sorted(self.stores.items()):
            hasher.update(f"{name}{store.rows}{store.shape}{self.block}".encode())
        spread = np.unique(np.linspace(0, len(self.blocks) - 1, _DIGESTED).astype(int))
        for number in self.blocks[spread]:
            for _, array in sorted(self.read(int(number)).items()):
                hasher.update(np.ascontiguousarray(array).tobytes())
        return hasher.hexdigest()


def held_blocks(rows: int, block: int, fraction: float) -> int:
    """How many blocks a fraction of so many rows is: the nearest number, and one at least where there is a fraction."""
    return 0 if not fraction else min(max(1, round(rows * fraction / block)), rows // block - 1)


def load_streamed(model: Model | Resolved, sources: Sources, binarise: str | None = None) -> Streamed:
    """The data that sources name, which are .npy, .parquet or .zarr files, to be trained on without ever being in memory as a whole.

    sources, binarise: as for `load_data`; the arrays in the files are (rows, *layer). Files are read in blocks of about 1 MB, or what
    the file keeps together; rows that fill no
    block at the end, at most one for each block, are left out. Raises `DataError` (E0401) for files that do not fit; a row
    that does not is found when it is used.

    >>> import tempfile, pathlib
    >>> import numpy as np, energydsl as ed
    >>> model = ed.loads("visible v[4] : binary energy = sum(v)")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "rows.npy"
    ...     np.save(path, np.zeros((1280, 4), np.uint8))
    ...     data = ed.load_streamed(model, path)
    >>> len(data), data.block
    (1280, 10)
    """
    model, chosen = as_resolved(model), chosen_sources(as_resolved(model), sources)
    check_rule(binarise)
    missing = [n for n, layer in model.layers.items() if layer.role != "hidden" and n not in chosen]
    wrong = [n for n in chosen if model.layers[n].role == "hidden"]
    if missing or wrong:
        raise DataError.of(
            f"data are of visible layers and inputs, one source each: not of {', '.join(wrong) or 'all'} here"
        )
    stores = {n: stored(Path(source)) for n, (source, _) in chosen.items()}
    for name, store in stores.items():
        layer_shape(model.layers[name], (store.rows, *store.shape))
    rows = {n: store.rows for n, store in stores.items()}
    if len(set(rows.values())) > 1:
        shown = ", ".join(f"`{n}` {k:,}" for n, k in rows.items())
        raise DataError.of(f"the layers have different numbers of rows: {shown}")
    count = next(iter(rows.values()))
    together = max(store.together for store in stores.values())
    row_bytes = max(1, sum(store.row_bytes for store in stores.values()))
    block = together * max(1, round(min(_BLOCK // row_bytes, count // _FEWEST) / together))
    if together == 1:  # of equal blocks, so that little is left over
        block = count // -(-count // block)
    block = min(block, count)
    return Streamed(model, stores, shown_name(chosen), binarise, block, np.arange(count // block))


@dataclass(frozen=True)
class Pass:
    """How the blocks of one of some equal shards are gone through: so many in memory at a time, in batches of `rows` rows of the shard.

    blocks: of the shard. Rows left in a window that fill no batch are left out for this once.
    """

    blocks: int
    block: int
    rows: int
    window: int

    @property
    def each(self) -> int:
        """Batches of a whole window."""
        return self.window * self.block // self.rows

    @property
    def batches(self) -> int:
        """Of an epoch."""
        whole, rest = divmod(self.blocks, self.window)
        return whole * self.each + rest * self.block // self.rows


def pass_of(blocks: int, block: int, block_bytes: int, batch: int, shards: int) -> Pass:
    """How each of some shards goes through its share of so many blocks, a batch being of all shards together.

    Raises `DataError` where a shard has no batch.
    """
    rows, own = batch // shards, blocks // shards
    window = max(1, WINDOW // shards // max(1, block_bytes), -(-rows // block))
    found = Pass(own, block, rows, min(window, own) if own else 1)
    if not own or not found.batches:
        raise DataError.of(
            f"{blocks} blocks of {block} rows cannot be cut into {shards} shards with a batch of {batch} rows each",
            "take fewer shards or a smaller batch; or do not stream what is so small",
        )
    return found

"""A run and the folder it leaves: what is written there, and how it is read again, checked like any other input.

A folder holds `model.energy`, `config.json`, `graphs.npz`, `base.npz`, `metrics.csv`, checkpoints and `evaluation.json`.
Every file is written whole or not at all, and a file that is equal is left alone; `config.json`, last of those that
training begins with, has the digests of the others. Folders from before there were digests are read without them.
"""

from __future__ import annotations

import csv
import io
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from energydsl.api import Model
from energydsl.backends.choice import obstacle
from energydsl.backends.interface import Array, Arrays
from energydsl.diagnostics import EnergyError, Source
from energydsl.learning import checkpoint, config, files
from energydsl.learning.lock import locked
from energydsl.learning.states import outside
from energydsl.model.records import Graph
from energydsl.model.resolve import Overrides
from energydsl.program import Engine, Program
from energydsl.program.initialise import base_rate
from energydsl.program.states import check_params
from energydsl.random import Rng
from energydsl.version import __version__

MODEL, GRAPHS, BASE, METRICS, EVALUATIONS = "model.energy", "graphs.npz", "base.npz", "metrics.csv", "evaluation.json"
_log = logging.getLogger(__name__)

Row = dict[str, Any]
Base = dict[str, tuple[Array, ...]]


@dataclass
class Run:
    """A trained (or stopped) model: parameters, the program they belong to, and how it went.

    params: float arrays by name. history: one dict a report, as in metrics.csv. base: natural parameters of the visible
    layers' base rates, from which AIS starts. finished: False where training was interrupted; signal: by which signal.
    warnings: what was found damaged in the folder, and what was taken instead.
    """

    program: Program
    params: Arrays
    config: dict[str, Any]
    history: list[Row] = field(default_factory=list)
    base: Base = field(default_factory=dict)
    chains: Arrays = field(default_factory=dict)
    path: Path | None = None
    updates: int = 0
    seconds: float = 0.0
    finished: bool = False
    signal: int = 0
    warnings: tuple[str, ...] = ()


def open_run(path: str | Path) -> Run:
    """The run in a folder, at its last whole checkpoint; of a damaged one `Run.warnings` and the log tell.

    Raises `EnergyError` where there is none, `DataError` (E0403) where a file does not hold what a run's does.
    """
    folder = files.folder_of(path, "a run")
    settings = config.read(folder)
    model = load_model(folder, settings)
    there = "auto" if obstacle(settings["backend"]) else settings["backend"]
    program = model.compile(there, settings["dtype"], settings.get("precision", "full") if there == "cupy" else "full")
    arrays, meta, warnings = latest(folder, program.engine, settings)
    return Run(
        program,
        part(arrays, "param/"),
        settings,
        history_until(folder, meta),
        read_base(folder, program.engine, settings),
        part(arrays, "chain/negative/"),
        folder,
        meta["update"],
        meta["seconds"],
        meta["epoch"] >= settings["epochs"],
        warnings=warnings,
    )


def load_model(folder: Path, settings: Mapping[str, Any]) -> Model:
    """The model of a run folder, with the sizes, constants and graphs it was run with."""
    text = files.read_text(folder / MODEL)
    if settings.get("text") not in (None, files.digest(text)):
        raise files.invalid(
            f"{folder / MODEL} has changed since the run was begun, so its parameters may belong to another model"
        )
    graphs = {}
    for name, edges in read_graphs(folder, settings).items():
        nodes = settings.get("graphs", {}).get(name, {}).get("nodes", int(edges.max(initial=-1)) + 1)
        graphs[name] = Graph(name, "edges", nodes, len(edges), edges=tuple((a, b) for a, b in edges.tolist()))
    return Model(Source(str(folder / MODEL), text), Overrides(settings["dims"], settings["consts"], graphs, folder))


def part(arrays: Arrays, prefix: str) -> Arrays:
    """The arrays whose names begin so, without that."""
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}


# --- beginning and going on


def begin(folder: Path, program: Engine, settings: dict[str, Any], base: Base) -> None:
    """Write what training begins with. Raises `EnergyError` where there is a run already."""
    if (folder / config.FILE).exists() and checkpoint.found(folder):
        raise EnergyError(f'{folder} holds a run already: go on with resume=True, or choose another out="FOLDER"')
    files.write_bytes(folder / MODEL, program.model.module.source.text.encode())
    if graphs := config.kept_graphs(program.model):
        files.write_arrays(folder / GRAPHS, graphs)
    files.write_arrays(folder / BASE, _flat(base))
    settings["base"] = _digest_of(base)
    files.write_json(folder / config.FILE, settings)


def resume(folder: Path, program: Engine, settings: dict[str, Any]) -> Base:
    """Make sure that what is gone on with is what was begun; its base rates. Raises `EnergyError` with what differs."""
    if not (folder / config.FILE).exists():
        raise EnergyError(f"{folder} holds no run to resume")
    before = config.read(folder)
    different = config.differences(before, settings)
    if different:
        raise EnergyError(
            f"{folder} cannot resume: settings differ ({'; '.join(different)}). "
            f'Another run goes on from it: start="{folder}" out="OTHER"'
        )
    load_model(folder, before)
    if files.read_text(folder / MODEL) != program.model.module.source.text:
        raise EnergyError(f'the model has changed since {folder} was begun; choose another out="FOLDER"')
    now = config.kept_graphs(program.model)
    for name, edges in read_graphs(folder, before).items():
        if name in now and not np.array_equal(edges, now[name]):
            raise EnergyError(
                f"graph `{name}` has changed since {folder} was begun: {_edges_that_differ(edges, now[name])}. "
                'The parameters there belong to the edges they were trained on: choose another out="FOLDER"'
            )
    base = read_base(folder, program, before)
    settings["base"] = _digest_of(base)
    files.write_json(folder / config.FILE, settings)
    return base


def _edges_that_differ(before: Array, now: Array) -> str:
    old, new = ({(a, b) for a, b in edges.tolist()} for edges in (before, now))
    found = [f"{len(before)} edges then, {len(now)} now"]
    for what, pairs in (("no longer there", old - new), ("new", new - old)):
        if pairs:
            more = f" and {len(pairs) - 1} more" if len(pairs) > 1 else ""
            found.append(f"{min(pairs)}{more} {what}")
    return ", ".join(found)


def _flat(base: Base) -> Arrays:
    return {f"{n}/{k}": a for n, fields in base.items() for k, a in enumerate(fields)}


def _digest_of(base: Base) -> str:
    return files.digest(repr(sorted(files.digests(_flat(base)).items())))


# --- what is read


def read_graphs(folder: Path, settings: Mapping[str, Any]) -> Arrays:
    """Edges by graph, as they were when the run was begun."""
    path, facts = folder / GRAPHS, settings.get("graphs", {})
    if not path.exists() and not facts:
        return {}
    graphs = files.read_arrays(path)
    for name in facts:
        if name not in graphs:
            raise files.invalid(f"{path} has no graph `{name}`")
    for name, edges in graphs.items():
        if edges.dtype != np.int64 or edges.ndim != 2 or edges.shape[1] != 2 or not _in_order(edges):
            raise files.invalid(f"{path}: `{name}` is not an array of edges, two unit numbers each, the smaller first")
        if name in facts and facts[name]["digest"] != files.digest(edges):
            was = facts[name]["edges"]
            raise files.invalid(
                f"{path}: graph `{name}` has changed since the run was begun ({was} edges then, {len(edges)} now): "
                "the parameters belong to other edges"
            )
    return graphs


def _in_order(edges: Array) -> bool:
    return bool((edges[:, 0] >= 0).all() and (edges[:, 0] < edges[:, 1]).all())


def read_base(folder: Path, program: Engine, settings: Mapping[str, Any]) -> Base:
    """The base rates of the visible layers."""
    path = folder / BASE
    arrays = files.read_arrays(path)
    neutral = {n: base_rate(program, n, None) for n in program.model.by_role("visible")}
    if {n: a.shape for n, a in arrays.items()} != {n: a.shape for n, a in _flat(neutral).items()}:
        raise files.invalid(f"{path} does not hold the base rates of {', '.join(f'`{n}`' for n in neutral)}")
    for name, array in arrays.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise files.invalid(f"{path}: `{name}` is not an array of finite numbers")
    base = {n: tuple(arrays[f"{n}/{k}"] for k in range(len(fields))) for n, fields in neutral.items()}
    if settings.get("base") not in (None, _digest_of(base)):
        raise files.invalid(f"{path} has changed since the run was begun")
    return base


def read_metrics(folder: Path) -> list[Row]:
    """The reports of a run."""
    path = folder / METRICS
    text = files.read_text(path) if path.exists() else ""
    if not text:
        return []
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if not {"epoch", "update"} <= set(reader.fieldnames or ()):
            raise ValueError
        return [{name: _cell(name, text) for name, text in row.items()} for row in reader]
    except (ValueError, TypeError, csv.Error):
        raise files.invalid(
            f"{path} is damaged: it is not a table of numbers with an epoch and an update a row"
        ) from None


def history_until(folder: Path, meta: Mapping[str, Any]) -> list[Row]:
    """The reports up to a checkpoint; the last of them it holds itself, since metrics.csv is written after it."""
    history = [r for r in read_metrics(folder) if r["update"] <= meta["update"] and r["epoch"] <= meta["epoch"]]
    row = meta.get("row")
    if row is not None and all((r["epoch"], r["update"]) != (row["epoch"], row["update"]) for r in history):
        history.append(row)
    return history


def _cell(name: str, text: str | None) -> float | int | None:
    if text is None:
        raise ValueError(f"no {name}")
    if name in ("epoch", "update"):
        return int(text)
    return float(text) if text else None


def write_metrics(folder: Path, history: Iterable[Row]) -> None:
    """All reports; not awaited on the disk, which would take as long as a small epoch: checkpoints hold the last one."""
    rows = list(history)
    names = list(dict.fromkeys(k for row in rows for k in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    files.write_bytes(folder / METRICS, text.getvalue().encode(), durable=False)


# --- checkpoints


def latest(
    folder: Path, program: Engine, settings: Mapping[str, Any], alike: Arrays | None = None
) -> tuple[Arrays, dict[str, Any], tuple[str, ...]]:
    """Arrays and meta data of the newest checkpoint that fits the run, and what was wrong with newer ones.

    alike: the arrays of a training that goes on from here: these are needed, and no others.
    """

    def check(arrays: Arrays, meta: dict[str, Any]) -> None:
        _check_meta(folder, settings, meta)
        check_arrays(program, arrays)
        if alike is not None:
            _check_alike(arrays, alike)

    arrays, meta, warnings = checkpoint.load_latest(folder, check)
    for warning in warnings:
        _log.warning("%s", warning)
    return arrays, meta, tuple(warnings)


def _check_meta(folder: Path, settings: Mapping[str, Any], meta: dict[str, Any]) -> None:
    if found := config.problem(meta, config.META):
        raise files.invalid(f"its meta data: {found}")
    if meta.get("config") not in (None, config.fingerprint(settings)):
        raise files.invalid(f"{folder / config.FILE} has changed since it was saved")
    whole = meta["epoch"] * config.updates_an_epoch(settings) + meta["position"]
    if meta["update"] != whole or meta["epoch"] > settings["epochs"]:
        raise files.invalid(
            f"its meta data: `update` is {meta['update']}, where epoch {meta['epoch']} of {settings['epochs']} "
            f"and position {meta['position']} make {whole}"
        )
    Rng().restore(meta["rng"])


def check_arrays(program: Engine, arrays: Arrays) -> None:
    """Every array of a checkpoint is one of this model: type, shape, finite numbers, values of its domain. Raises `DataError`."""
    for name, array in arrays.items():
        if array.dtype != program.dtype:
            raise files.invalid(f"`{name}` is of type {array.dtype}, not {program.dtype}")
        if not np.isfinite(array).all():
            raise files.invalid(f"`{name}` holds values that are not finite numbers")
        kind, _, rest = name.partition("/")
        _PARTS.get(kind, _stranger)(program, name, rest, array)
    check_params(program, part(arrays, "param/"))
    chains = part(arrays, "chain/negative/")
    for name in program.model.layers:
        if name not in chains:
            raise files.invalid(f"`chain/negative/{name}` is missing")
    if len({len(array) for array in chains.values()}) > 1:
        raise files.invalid("its chains are of different numbers")


def _stranger(program: Engine, name: str, rest: str, array: Array) -> None:
    raise files.invalid(f"it holds `{name}`, which is nothing of this model")


def _check_param(program: Engine, name: str, rest: str, array: Array) -> None:
    param = program.model.params.get(rest.partition("/")[0])
    if param is None:
        _stranger(program, name, rest, array)
    elif array.shape != param.shape:
        raise files.invalid(f"`{name}` has shape {array.shape}, not {param.shape}")


def _check_offset(program: Engine, name: str, rest: str, array: Array) -> None:
    layer = program.model.layers.get(rest)
    if layer is None:
        _stranger(program, name, rest, array)
    elif array.shape != layer.energy_shape:
        raise files.invalid(f"`{name}` has shape {array.shape}, not {layer.energy_shape}")


def _check_chains(program: Engine, name: str, rest: str, array: Array) -> None:
    """States of a layer, rows first; of one that was never drawn, zeros."""
    layer = program.model.layers.get(rest.rpartition("/")[2])
    if layer is None:
        _stranger(program, name, rest, array)
    elif not array.ndim or array.shape[1:] != layer.energy_shape:
        shown = ", ".join(["chains", *map(str, layer.energy_shape)])
        raise files.invalid(f"`{name}` has shape {array.shape}, not ({shown})")
    elif array.any() and (wrong := outside(layer, array, grey=layer.role == "input")).any():
        raise files.invalid(f"`{name}` holds {array[wrong].flat[0]:g}, which is not in {layer.domain}")


_PARTS: Mapping[str, Callable[[Engine, str, str, Array], None]] = {
    "param": _check_param,
    "slot": _check_param,
    "offset": _check_offset,
    "chain": _check_chains,
}


def _check_alike(arrays: Arrays, alike: Arrays) -> None:
    for name, array in alike.items():
        if name not in arrays:
            raise files.invalid(f"`{name}` is missing")
        if arrays[name].shape != array.shape:
            raise files.invalid(f"`{name}` has shape {arrays[name].shape}, not {array.shape}")
    for name in arrays:
        if name not in alike:
            raise files.invalid(f"it holds `{name}`, which this training has not")


# --- evaluations


def keep_evaluation(run: Run, found: Mapping[str, Any], data: Any, settings: Mapping[str, Any]) -> str:
    """Add an evaluation to `evaluation.json` of the run's folder; why it could not be kept, or nothing.

    found: what was found, as `--json` has it. data: what it was found on. settings: how.
    """
    if run.path is None:
        return ""
    numbers = [v for v in found.values() if isinstance(v, float)]
    if not all(map(math.isfinite, numbers)):
        return "it is not a finite number"
    entry = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "energydsl": __version__,
        "updates": run.updates,
        "data": {"name": data.name, "rows": len(data)},
        "settings": dict(settings),
        **found,
    }
    try:
        with locked(run.path, ".evaluation.lock", wait=10.0):
            files.write_json(run.path / EVALUATIONS, [*read_evaluations(run.path), entry])
    except EnergyError as error:
        return error.diagnostics[0].message
    return ""


def read_evaluations(folder: Path) -> list[dict[str, Any]]:
    """All evaluations of a run that were kept, oldest first."""
    path = folder / EVALUATIONS
    if not path.exists():
        return []
    entries = files.parsed(files.read_text(path), path)
    if not isinstance(entries, list):
        raise files.invalid(f"{path} is damaged: it is no list of evaluations")
    for number, entry in enumerate(entries, 1):
        if found := config.problem(entry, config.EVALUATION):
            raise files.invalid(f"{path}, evaluation {number}: {found}")
    return entries

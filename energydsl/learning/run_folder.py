"""The folder that a run leaves: what is written there, and how it is read again, checked like any other input.

A folder holds `model.energy`, `config.json`, `graphs.npz`, `starts.npz`, `base.npz`, `metrics.csv`, checkpoints and `evaluation.json`.
Every file is written whole or not at all, and a file that is equal is left alone; `config.json`, last of those that
training begins with, has the digests of the others. Folders from before there were digests are read without them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from energydsl.api import Model
from energydsl.backends.choice import obstacle
from energydsl.backends.interface import Array, Arrays
from energydsl.diagnostics import EnergyError, Source
from energydsl.learning import checkpoint, config, files, metrics, schema, stopping
from energydsl.learning.checkpoint_arrays import SERIES, check_alike, check_arrays, part
from energydsl.learning.remarks import remarks
from energydsl.learning.run import Base, Row, Run
from energydsl.model.records import Graph
from energydsl.model.resolve import Overrides
from energydsl.options import Backend
from energydsl.program import Engine
from energydsl.program.initialise import base_rate
from energydsl.random import Rng

MODEL, GRAPHS, STARTS, BASE = "model.energy", "graphs.npz", "starts.npz", "base.npz"
_log = logging.getLogger(__name__)


def open_run(path: str | Path) -> Run:
    """The run in a folder, at its last whole checkpoint; of a damaged one `Run.warnings` and the log tell.

    Raises `EnergyError` where there is none, `DataError` (E0403) where a file does not hold what a run's does.
    """
    folder = files.folder_of(path, "a run")
    settings = config.read(folder)
    model = load_model(folder, settings)
    there: Backend = "auto" if obstacle(settings["backend"]) else settings["backend"]
    program = model.compile(there, settings["dtype"], settings.get("precision", "full") if there == "cupy" else "full")
    arrays, meta, warnings = latest(folder, program.engine, settings)
    history = history_until(folder, meta)
    ended = stopping.ended(settings, history)
    last, average = part(arrays, "param/"), part(arrays, "average/")
    best = part(arrays, "best/") if ended else {}
    return Run(
        program,
        last | average | best,
        settings,
        history,
        read_base(folder, program.engine, settings),
        part(arrays, "chain/negative/"),
        folder,
        meta["update"],
        meta["seconds"],
        meta["epoch"] >= settings["epochs"] or bool(ended),
        warnings=(*warnings, *remarks(settings, history)),
        last=last if average or best else {},
        series=part(arrays, SERIES),
        kept=stopping.best(settings["stop_when"], history)["update"] if best else -1,
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
        kind = "edges" if edges.shape[1] == 2 and (edges >= 0).all() else "hyperedges"
        found = tuple(tuple(unit for unit in edge if unit >= 0) for edge in edges.tolist())
        graphs[name] = Graph(name, kind, nodes, len(edges), edges=found)
    given = Overrides(settings["dims"], settings["consts"], graphs, folder, read_starts(folder, settings))
    return Model(Source(str(folder / MODEL), text), given)


# --- beginning and going on


def begin(folder: Path, engine: Engine, settings: dict[str, Any], base: Base) -> None:
    """Write what training begins with. Raises `EnergyError` where there is a run already."""
    if (folder / config.FILE).exists() and checkpoint.found(folder):
        raise EnergyError(f'{folder} holds a run already: go on with resume=True, or choose another out="FOLDER"')
    files.write_bytes(folder / MODEL, engine.model.module.source.text.encode())
    if graphs := config.kept_graphs(engine.model):
        files.write_arrays(folder / GRAPHS, graphs)
    if starts := engine.model.starts:
        files.write_arrays(folder / STARTS, starts)
        settings["starts"] = {n: files.digest(values) for n, values in starts.items()}
    files.write_arrays(folder / BASE, _flat(base))
    settings["base"] = _digest_of(base)
    files.write_json(folder / config.FILE, settings)


def resume(folder: Path, engine: Engine, settings: dict[str, Any]) -> Base:
    """Make sure that what is gone on with is what was begun; its base rates. Raises `EnergyError` with what differs."""
    if not (folder / config.FILE).exists():
        raise EnergyError(f"{folder} holds no run to resume")
    before = config.read(folder)
    different = config.differences(before, settings)
    if different:
        raise EnergyError(
            f"cannot resume {folder}: settings differ ({'; '.join(different)}). "
            f'To begin another run with its parameters: start="{folder}" out="OTHER"'
        )
    load_model(folder, before)
    if files.read_text(folder / MODEL) != engine.model.module.source.text:
        raise EnergyError(f'the model has changed since {folder} was begun; choose another out="FOLDER"')
    now = config.kept_graphs(engine.model)
    for name, edges in read_graphs(folder, before).items():
        if name in now and not np.array_equal(edges, now[name]):
            raise EnergyError(
                f"graph `{name}` has changed since {folder} was begun: {_edges_that_differ(edges, now[name])}. "
                'The parameters there belong to the edges they were trained on: choose another out="FOLDER"'
            )
    base = read_base(folder, engine, before)
    settings["base"] = _digest_of(base)
    settings |= {"starts": before["starts"]} if "starts" in before else {}
    files.write_json(folder / config.FILE, settings)
    return base


def _edges_that_differ(before: Array, now: Array) -> str:
    old, new = ({tuple(unit for unit in edge if unit >= 0) for edge in edges.tolist()} for edges in (before, now))
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
        if edges.dtype != np.int64 or edges.ndim != 2 or not _in_order(edges):
            raise files.invalid(f"{path}: `{name}` is not an array of edges, two unit numbers each, the smaller first")
        if name in facts and facts[name]["digest"] != files.digest(edges):
            was = facts[name]["edges"]
            raise files.invalid(
                f"{path}: graph `{name}` has changed since the run was begun ({was} edges then, {len(edges)} now): "
                "the parameters belong to other edges"
            )
    return graphs


def read_starts(folder: Path, settings: Mapping[str, Any]) -> Arrays:
    """Initial values of parameters that came from files, as they were when the run was begun."""
    path, digests = folder / STARTS, settings.get("starts", {})
    starts = files.read_arrays(path) if digests else {}
    for name, digest in digests.items():
        if name not in starts or files.digest(starts[name]) != digest:
            raise files.invalid(f"{path}: the initial values of `{name}` have changed since the run was begun")
    return starts


def _in_order(edges: Array) -> bool:
    """Rows of units in order, hyperedges filled up with -1."""
    rising = (edges[:, :-1] < edges[:, 1:]) | (edges[:, 1:] == -1)
    return bool(edges.shape[1] > 0 and (edges[:, 0] >= 0).all() and rising.all())


def read_base(folder: Path, engine: Engine, settings: Mapping[str, Any]) -> Base:
    """The base rates of the visible layers."""
    path = folder / BASE
    arrays = files.read_arrays(path)
    neutral = {n: base_rate(engine, n, None) for n in engine.model.by_role("visible")}
    if {n: a.shape for n, a in arrays.items()} != {n: a.shape for n, a in _flat(neutral).items()}:
        raise files.invalid(f"{path} does not hold the base rates of {', '.join(f'`{n}`' for n in neutral)}")
    for name, array in arrays.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise files.invalid(f"{path}: `{name}` is not an array of finite numbers")
    base = {n: tuple(arrays[f"{n}/{k}"] for k in range(len(fields))) for n, fields in neutral.items()}
    if settings.get("base") not in (None, _digest_of(base)):
        raise files.invalid(f"{path} has changed since the run was begun")
    return base


def history_until(folder: Path, meta: Mapping[str, Any]) -> list[Row]:
    """The reports up to a checkpoint; the last of them it holds itself, since metrics.csv is written after it."""
    history = [r for r in metrics.read(folder) if r["update"] <= meta["update"] and r["epoch"] <= meta["epoch"]]
    row = meta.get("row")
    if row is not None:
        known = [r for r in history if (r["epoch"], r["update"]) == (row["epoch"], row["update"])]
        for found in known:
            found.update(row)
        history += [] if known else [row]
    return history


# --- checkpoints


def latest(
    folder: Path, engine: Engine, settings: Mapping[str, Any], alike: Arrays | None = None
) -> tuple[Arrays, dict[str, Any], tuple[str, ...]]:
    """Arrays and meta data of the newest checkpoint that fits the run, and what was wrong with newer ones.

    alike: the arrays of a training that goes on from here: these are needed, and no others.
    """

    def check(arrays: Arrays, meta: dict[str, Any]) -> None:
        _check_meta(folder, settings, meta)
        check_arrays(engine, arrays)
        if alike is not None:
            # Folders from before chains were recorded have no records.
            check_alike({n: a for n, a in arrays.items() if not n.startswith(SERIES)}, alike)

    arrays, meta, warnings = checkpoint.load_latest(folder, check)
    for warning in warnings:
        _log.warning("%s", warning)
    return arrays, meta, tuple(warnings)


def _check_meta(folder: Path, settings: Mapping[str, Any], meta: dict[str, Any]) -> None:
    if found := schema.problem(meta, schema.META):
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

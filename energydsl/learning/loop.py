"""The training loop and the run it leaves: a folder that explains itself and can be gone on with."""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import energydsl
from energydsl.compiler import Model, load, obstacle
from energydsl.data import writers
from energydsl.data.sources import Data, from_arrays, load_data
from energydsl.diagnostics import ArgumentError, EnergyError, TrainingError
from energydsl.directed_program import DirectedProgram
from energydsl.domains import DOMAINS
from energydsl.graph import edges_of
from energydsl.learning import checkpoint
from energydsl.learning.centred import Centring
from energydsl.learning.discriminative import Discriminative
from energydsl.learning.greedy import Greedy, pretrain
from energydsl.learning.methods import CD, PCD, Method, WakeSleep
from energydsl.learning.optimizers import SGD, Optimizer, Slots
from energydsl.learning.phases import Phases, applicable
from energydsl.learning.wake_sleep import WakeSleepPhases
from energydsl.program import Arrays, Program
from energydsl.random import Rng

Array = NDArray[Any]
Report = Callable[[dict[str, Any]], None]

CHECKPOINT_SECONDS = 60.0
_REPORT_ROWS = 500
# So many rows and more tell whether a latent is the same for all of them.
_TELLING_ROWS = 200
# Updates between looks at whether all parameters are finite numbers: a look reads every parameter, and waits for a device.
_CHECKED_EVERY = 50


@dataclass
class Run:
    """A trained (or stopped) model: parameters, the program they belong to, and how it went.

    params: float arrays by name. history: one dict a report, as in metrics.csv. base: natural parameters of the visible
    layers' base rates, from which AIS starts. finished: False where training was interrupted.
    """

    program: Program
    params: Arrays
    config: dict[str, Any]
    history: list[dict[str, Any]] = field(default_factory=list)
    base: dict[str, tuple[Array, ...]] = field(default_factory=dict)
    chains: Arrays = field(default_factory=dict)
    path: Path | None = None
    updates: int = 0
    seconds: float = 0.0
    finished: bool = False


Judge = Callable[[Run, Data], Mapping[str, float]]


def train(
    program: Program,
    data: Data | Mapping[str, Any] | Any,
    method: Method | None = None,
    optimizer: Optimizer | None = None,
    epochs: int = 20,
    out: str | Path | None = None,
    seed: int = 0,
    *,
    batch: int = 100,
    validation: float | None = None,
    binarise: str | None = None,
    resume: bool = False,
    report: Report | None = None,
    params: Mapping[str, Any] | None = None,
    greedy: Greedy | None = None,
    start: Run | None = None,
    judge: Judge | None = None,
    judge_every: int = 1,
) -> Run:
    """Fit the parameters to data by the gradient of the log-likelihood.

    data: `Data`, a dict of arrays by layer, or the array of the only visible layer, rows first. validation: the fraction
    of rows held out for the figures on the way (by default a tenth where there are 100 rows or more). report: called
    with every row of metrics. With `out`, a run folder is written and `resume` goes on from its last checkpoint, so that
    the result equals the uninterrupted one. params: where training begins. greedy: train layer by layer first. start: a run
    to go on from, its parameters and persistent chains. judge: called every `judge_every` epochs with the run as it is and
    500 rows at most, held-out ones where there are any; its figures join the metrics. Ctrl-C saves and returns the run with
    `finished` False.

    Raises `TrainingError` where a parameter leaves the finite numbers, `DataError` for unfit data, `NotApplicable` where
    the method does not fit the model.
    """
    if epochs < 0 or batch < 1 or judge_every < 1:
        raise ArgumentError("epochs is not negative, batch and judge_every are at least 1")
    if start is not None:
        if params is not None or greedy is not None:
            raise ArgumentError("a run to go on from is where training begins: no greedy stages, no other params")
        params = start.params
    method, optimizer = method or default_method(program), optimizer or SGD()
    if not isinstance(data, Data):
        arrays = data if isinstance(data, Mapping) else {program.model.by_role("visible")[0]: data}
        data = from_arrays(program.model, arrays, binarise, impute=method.impute)
    config = _config(program, data, method, optimizer, epochs, batch, validation, seed)
    folder = Path(out) if out is not None else None
    if greedy is not None:
        config["greedy"] = {
            "epochs": list(greedy.epochs),
            "method": {"name": greedy.method.name, **asdict(greedy.method)},
            "optimizer": {"name": greedy.optimizer.name, **asdict(greedy.optimizer)},
        }
        if not (resume and folder is not None and checkpoint.found(folder)):
            visible = data.filled(seed).only(set(program.model.by_role("visible"))).arrays
            first = program.init(seed, visible) if params is None else program.check_params(params)
            params, stopped = pretrain(program, data, greedy, first, seed, batch, folder, resume, report)
            if stopped is not None:
                return stopped
            resume = False
    training = _Training(program, data, method, optimizer, config, params)
    training.judge, training.judge_every = judge, judge_every
    if start is not None:
        training.phases.take(start.chains)
    if folder is not None:
        training.open_folder(folder, resume)
    elif resume:
        raise ArgumentError("resume needs the run's folder: out=...")
    return training.run(report)


def default_method(program: Program) -> Method:
    """Wake-sleep for a model with directed parts, persistent chains for any other, but for one with inputs."""
    if isinstance(program, DirectedProgram):
        return WakeSleep()
    return CD() if program.model.by_role("input") else PCD()


def _config(
    program: Program,
    data: Data,
    method: Method,
    optimizer: Optimizer,
    epochs: int,
    batch: int,
    validation: float | None,
    seed: int,
) -> dict[str, Any]:
    if validation is None:
        validation = 0.1 if len(data) >= 100 else 0.0
    if not 0 <= validation < 1:
        raise ArgumentError("validation is a fraction, at least 0 and below 1")
    model = program.model
    return {
        "energydsl": energydsl.__version__,
        "model": model.name,
        "dims": dict(model.dims),
        "consts": {n: c.value for n, c in model.consts.items()},
        "backend": program.backend,
        "dtype": program.dtype.name,
        "precision": program.precision,
        "data": {"name": data.name, "rows": len(data), "digest": data.digest(), "binarise": data.binarise},
        "method": {"name": method.name, **asdict(method)},
        "optimizer": {"name": optimizer.name, **asdict(optimizer)},
        "epochs": epochs,
        "batch": batch,
        "validation": validation,
        "seed": seed,
    }


class _Training:
    def __init__(
        self,
        program: Program,
        data: Data,
        method: Method,
        optimizer: Optimizer,
        config: dict[str, Any],
        params: Mapping[str, Any] | None,
    ):
        self.program, self.optimizer, self.config = program, optimizer, config
        self.seed: int = config["seed"]
        self.data, self.held_out = _split(data, config["validation"], self.seed)
        self.batch = min(config["batch"], len(self.data))
        self.rng = Rng([self.seed, 1])
        applicable(program, method)
        self.phases: Phases | WakeSleepPhases
        if isinstance(program, DirectedProgram):
            assert isinstance(method, WakeSleep)
            self.phases = WakeSleepPhases(program, method, self.batch, self.rng)
        else:
            self.phases = Phases(program, method, self.batch, self.rng)
            self.phases.row *= method.generative
        self.sources: list[Phases | WakeSleepPhases | Discriminative] = [self.phases] if method.generative else []
        if method.predict:
            self.sources.append(Discriminative(program, method.predict, self.batch))
        self.imputed = method.impute
        whole = program.checked_arrays(self.data.filled(self.seed).arrays)
        visible = {n: whole[n] for n in program.model.by_role("visible")}
        self.base = {n: program.base_rate(n, a) for n, a in visible.items()}
        start = program.init(self.seed, visible) if params is None else program.check_params(params)
        self.params: Arrays = {n: program.xp.array(a) for n, a in start.items()}
        self.learned = [n for n, p in program.model.params.items() if "frozen" not in p.constraints]
        self.slots: Slots = optimizer.init({n: self.params[n] for n in self.learned}, program.xp.zeros_like)
        self.lr = program.xp.zeros((), program.dtype)
        self.step = (
            program.kernels.repeated(self._step, self.rng, self._work()) if self.phases.repeatable else self._step
        )
        self.sums: dict[str, tuple[Any, Any]] = {}
        self.centring = Centring(program, self.learned) if method.centred else None
        direct = set() if self.centring else self.phases.direct
        self.direct = [n for n in self.learned if n in direct and self._plain_step(n)]
        self.folder: Path | None = None
        self.history: list[dict[str, Any]] = []
        self.epoch, self.position, self.update, self.seconds = 0, 0, 0, 0.0
        self.norms: dict[str, float] = {}
        self.saved_at, self.stepped = -1, False
        self.judge: Judge | None = None
        self.judge_every = 1

    # --- the loop

    def run(self, report: Report | None) -> Run:
        self.started = time.monotonic() - self.seconds
        finished = True
        try:
            # Held throughout, reports too: threads that a BLAS library has once used spin on for longer than many an epoch.
            with self.program.held():
                self._epochs(report)
        except KeyboardInterrupt:
            finished = False
            self.seconds = time.monotonic() - self.started
        self._save()
        return self._as_it_is(finished)

    def _epochs(self, report: Report | None) -> None:
        last_save = time.monotonic()
        if not self.history:
            with _Uninterrupted():
                self._report()
            self._tell(report)
        while self.epoch < self.config["epochs"]:
            with _Uninterrupted() as calm:
                for rows in self._batches():
                    with np.errstate(all="ignore"):
                        self._update(rows)
                    calm.check()
                    if time.monotonic() - last_save > CHECKPOINT_SECONDS:
                        self.seconds = time.monotonic() - self.started
                        self._save()
                        last_save = time.monotonic()
                self.epoch, self.position = self.epoch + 1, 0
                self._report()
                self._save()
            self._tell(report)
            last_save = time.monotonic()

    def _as_it_is(self, finished: bool) -> Run:
        return Run(
            self.program,
            {n: np.array(self.program.host(a)) for n, a in self.params.items()},
            self.config,
            self.history,
            self.base,
            {n: np.array(self.program.host(a)) for n, a in self.phases.negative.items()},
            self.folder,
            self.update,
            self.seconds,
            finished,
        )

    def _batches(self) -> Iterator[Arrays]:
        """The batches of an epoch from the present position on: a permutation and draws fixed by seed, epoch, position."""
        order = np.random.default_rng([self.seed, 2, self.epoch]).permutation(len(self.data))
        for number in range(self.position, len(order) // self.batch):
            rows = np.sort(order[number * self.batch : (number + 1) * self.batch])
            rng = np.random.Generator(np.random.SFC64([self.seed, 3, self.epoch, number]))
            chosen = self.data.draw(rng, rows)
            yield chosen if self.imputed else self.program.checked_arrays(chosen)

    @property
    def total(self) -> int:
        epochs: int = self.config["epochs"]
        return int(max(1, epochs * (len(self.data) // self.batch)))

    def _update(self, data: Arrays) -> None:
        """One step down the gradient. Ctrl-C takes effect between updates only, so a saved state is always whole."""
        with self.program.held():
            for source in self.sources:
                source.load(data)
            self.lr.fill(self.optimizer.rate(self.update / self.total, self.update))
            if self.centring is not None:
                self.centring.at(self.update)
            self.sums, self.stepped = self.step(), True
            self.update += 1
            self.position += 1
            if self.update % _CHECKED_EVERY == 0:
                self._check()

    def _plain_step(self, name: str) -> bool:
        return self.optimizer.direct(self.program.model.params[name], name in self.program.derived.couplings)

    def _step(self) -> dict[str, tuple[Any, Any]]:
        """The work of an update, all of it on the device; sums of squares of gradients and new values.

        Where the gradient is one product and the step nothing but a multiple of it, the product is added onto the
        parameter at once; its size is found when it is asked for.
        """
        for source in self.sources:
            source.step(self.params)
        gradients = self._gradients([n for n in self.learned if n not in self.direct])
        if self.centring is not None:
            assert isinstance(self.phases, Phases)
            self.centring.follow(self.phases.both, self.phases.batch)
            gradients = self.centring.apply(gradients)
        sums = {}
        for name, gradient in gradients.items():
            sums[name] = self.optimizer.step(
                self.program.model.params[name],
                self.params[name],
                gradient.astype(self.program.dtype, copy=False),
                self.slots[name],
                self.lr,
                name in self.program.derived.couplings,
                self.program.kernels,
            )
        for name in self.direct:
            for source in self.sources:
                source.add_gradient(self.params, name, -self.lr)
        return sums

    def _gradients(self, names: list[str]) -> Arrays:
        """The gradient of the whole objective."""
        first, *others = self.sources
        total = first.gradient(self.params, names)
        if others:
            total = {n: self.program.xp.array(g) for n, g in total.items()}
        for source in others:
            for name, gradient in source.gradient(self.params, names).items():
                total[name] += gradient
        return total

    def _work(self) -> int:
        """Multiplications of one sweep over all rows."""
        return int(2 * self.batch * sum(a.size for a in self.params.values()))

    def _check(self, sizes: bool = False) -> None:
        """Raises `TrainingError` where a parameter has left the finite numbers; notes the sizes of the last gradients."""
        if not self.stepped:
            return
        host, square_sum = self.program.host, self.program.kernels.square_sum
        with self.program.held(), np.errstate(all="ignore"):
            found = dict(self.sums)
            for name in self.direct:
                slope = square_sum(self._gradients([name])[name]) if sizes else 0.0
                found[name] = slope, square_sum(self.params[name])
        for name, pair in found.items():
            slope, size = (p if isinstance(p, float) else float(host(p).sum()) for p in pair)
            if sizes or name not in self.direct:
                self.norms[name] = math.sqrt(slope) if math.isfinite(slope) else math.inf
            if not (math.isfinite(slope) and math.isfinite(size)):
                raise self._stopped(name, "it" if math.isfinite(slope) else "its gradient")

    def _stopped(self, name: str, what: str) -> TrainingError:
        kept = checkpoint.found(self.folder)[-1].name if self.folder and checkpoint.found(self.folder) else ""
        improper = [w for w in self._improper() if w]
        cause = improper[0] if improper else f"the learning rate {self.optimizer.lr:g} is probably too large"
        return TrainingError(
            f"training stopped at update {self.update}: parameter `{name}`: {what} is no longer a finite number. "
            f"Likely cause: {cause}." + (f" The last good checkpoint is {kept}." if kept else "")
        )

    def _improper(self) -> Iterator[str]:
        """Layers whose joint density need not exist for all parameters (W0405)."""
        infinite = [n for n, layer in self.program.model.units().items() if not DOMAINS[layer.domain.name].finite]
        for name in infinite:
            if self.program.derived.conditionals[name].coupled_by is not None:
                yield f"units of `{name}` are coupled, and the energy is unbounded below for these parameters"

    # --- figures on the way

    def _report(self) -> None:
        self._check(sizes=True)
        self.seconds = time.monotonic() - self.started
        row: dict[str, Any] = {"epoch": self.epoch, "update": self.update, "seconds": round(self.seconds, 3)}
        with np.errstate(all="ignore"):
            row |= self._figures()
        row |= {f"gradient_{n}": v for n, v in self.norms.items()}
        self.history.append(row)
        if self.folder is not None:
            self._write_metrics()

    def _tell(self, report: Report | None) -> None:
        """The judge, who does not count as training, and the report of an epoch that is safe on disk."""
        row, since = self.history[-1], time.monotonic()
        if self.judge is not None and (self.epoch % self.judge_every == 0 or self.epoch == self.config["epochs"]):
            candidates = [data.complete() for data in (self.held_out, self.data) if data is not None]
            whole = next((data for data in candidates if len(data)), None)
            row |= self.judge(self._as_it_is(False), self._some(whole)) if whole is not None else {}
            if self.folder is not None:
                self._write_metrics()
        self.started += time.monotonic() - since
        if report is not None:
            report(row)

    def _figures(self) -> dict[str, float]:
        """Reconstruction error, free energies of training and held-out rows and their gap, energies by term, latents that vary."""
        program, params = self.program, self.params
        known = self._sample_rows(self.data)
        figures: dict[str, float] = {}
        held = known if self.held_out is None else self._sample_rows(self.held_out)
        figures["reconstruction_error"] = self._reconstruction_error(held)
        free = self._free_energy(known)
        figures["free_energy_train"] = free
        if self.held_out is not None:
            figures["free_energy_validation"] = self._free_energy(held)
            figures["free_energy_gap"] = figures["free_energy_validation"] - free
        for label, values in program.term_energies(params, self.phases.negative).items():
            figures[f"energy_{label}" if label else "base_measure"] = float(np.mean(program.host(values)))
        return figures | self._varying(known)

    def _varying(self, x: Arrays) -> dict[str, float]:
        """The share of units of a layer of latents that are not the same for all rows, where there are enough to tell."""
        program, found = self.program, {}
        if len(next(iter(x.values()))) < _TELLING_ROWS:
            return {}
        state = program.with_latents(self.params, x, program.settings(), Rng([self.seed, 7]))
        for name in program.model.by_role("hidden"):
            differs = np.ptp(program.host(state[name]), axis=0) > 0
            one_hot = DOMAINS[program.model.layers[name].domain.name].one_hot
            found[f"varying_{name}"] = float(np.mean(differs.any(axis=-1) if one_hot else differs))
        return found

    def _chosen(self, data: Data) -> Data:
        """Rows for figures: whole ones; where these are few, ones that are filled in."""
        whole = data.complete()
        few = len(whole) < min(len(data), _TELLING_ROWS)
        return self._some(data.filled(self.seed, self.data) if few else whole)

    def _some(self, data: Data) -> Data:
        rows = np.random.default_rng([self.seed, 4]).permutation(len(data))[:_REPORT_ROWS]
        return data.rows(np.sort(rows))

    def _sample_rows(self, data: Data) -> Arrays:
        return self.program.layer_arrays(self._chosen(data).drawn(self.seed))

    def _free_energy(self, x: Arrays) -> float:
        """Mean F(v); where latents remain, the upper bound on it."""
        return -float(np.mean(self.program.host(self.program.bound(self.params, x, Rng([self.seed, 6]))[0])))

    def _reconstruction_error(self, x: Arrays) -> float:
        """Mean squared difference an entry between data and their one-step mean reconstruction."""
        error, units, program = 0.0, 0, self.program
        settings = program.settings()
        state = program.with_latents(self.params, x, settings, Rng([self.seed, 5]))
        for name, means in program.reconstruction(self.params, state, settings):
            error += float(np.sum(np.square(program.host(means - x[name])), dtype=np.float64))
            units += x[name].size
        return error / max(1, units)

    # --- the folder

    def open_folder(self, folder: Path, resume: bool) -> None:
        existing = folder / "config.json"
        if resume:
            self._resume(folder, existing)
        elif existing.exists() and checkpoint.found(folder):
            raise EnergyError(f"{folder} holds a run already: go on with --resume, or choose another --out")
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            source = self.program.model.module.source
            (folder / "model.energy").write_text(source.text, encoding="utf-8")
            graphs = {n: edges_of(g) for n, g in self.program.model.graphs.items() if g.kind == "edges"}
            if graphs:
                writers.npz(folder / "graphs.npz", graphs)
            base = {f"{n}/{k}": a for n, fields in self.base.items() for k, a in enumerate(fields)}
            writers.npz(folder / "base.npz", base)
            existing.write_text(json.dumps(self.config, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise EnergyError(f"cannot write {folder}: {error.strerror}") from None

    def _resume(self, folder: Path, config_path: Path) -> None:
        if not config_path.exists():
            raise EnergyError(f"{folder} holds no run to resume")
        before = _read_config(folder)
        now = json.loads(json.dumps(self.config))
        ignored = ("energydsl",)
        different = [k for k in now if now[k] != before.get(k) and k not in ignored]
        if different:
            shown = "; ".join(_difference(k, before.get(k), now[k]) for k in different)
            raise EnergyError(
                f"{folder} was begun otherwise, so it cannot be gone on with ({shown}). "
                f"Another run goes on from it: --start {folder} --out OTHER"
            )
        text = (folder / "model.energy").read_text(encoding="utf-8")
        if text != self.program.model.module.source.text:
            raise EnergyError(f"the model has changed since {folder} was begun; choose another --out")
        arrays, meta, self.warnings = checkpoint.load_latest(folder)
        self._restore(arrays, meta)
        self.history = [r for r in _read_metrics(folder) if r["update"] <= self.update and r["epoch"] <= self.epoch]

    def _save(self) -> None:
        if self.folder is None or self.saved_at == self.update:
            return
        self._check()
        host = self.program.host
        arrays = {f"param/{n}": host(a) for n, a in self.params.items()}
        arrays |= {f"slot/{n}/{k}": host(a) for n, slots in self.slots.items() for k, a in slots.items()}
        arrays |= {f"chain/{n}": a for n, a in self.phases.state().items()}
        if self.centring is not None:
            arrays |= {f"offset/{n}": host(a) for n, a in self.centring.offsets.items()}
        meta = {
            "update": self.update,
            "epoch": self.epoch,
            "position": self.position,
            "seconds": self.seconds,
            "rng": self.rng.state(),
        }
        with _Uninterrupted():
            checkpoint.save(self.folder, self.update, arrays, meta)
            self.saved_at = self.update

    def _restore(self, arrays: Arrays, meta: Mapping[str, Any]) -> None:
        params = {k.removeprefix("param/"): a for k, a in arrays.items() if k.startswith("param/")}
        self.params = {n: self.program.xp.array(a) for n, a in self.program.check_params(params).items()}
        for name, slots in self.slots.items():
            for key in slots:
                self.program.kernels.load(slots[key], arrays[f"slot/{name}/{key}"])
        self.phases.restore({k.removeprefix("chain/"): a for k, a in arrays.items() if k.startswith("chain/")})
        if self.centring is not None:
            for name, offset in self.centring.offsets.items():
                self.program.kernels.load(offset, arrays[f"offset/{name}"])
        self.rng.restore(meta["rng"])
        self.update, self.epoch, self.position = meta["update"], meta["epoch"], meta["position"]
        self.seconds, self.saved_at = meta["seconds"], meta["update"]
        if self.position >= len(self.data) // self.batch:
            self.epoch, self.position = self.epoch + 1, 0

    def _write_metrics(self) -> None:
        assert self.folder is not None
        names = list(dict.fromkeys(k for row in self.history for k in row))
        temporary = self.folder / ".metrics.csv.part"
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(self.history)
        temporary.replace(self.folder / "metrics.csv")


class _Uninterrupted:
    """Holds a Ctrl-C back until the block is done or `check` is called: raised inside a callback of the compiler it would be lost."""

    def __enter__(self) -> _Uninterrupted:
        import signal
        import threading

        self.pending = False
        self.before: Any = None
        if threading.current_thread() is threading.main_thread():
            self.before = signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, *_: Any) -> None:
        self.pending = True

    def check(self) -> None:
        """Let a Ctrl-C that came meanwhile take effect."""
        if self.pending:
            self.pending = False
            raise KeyboardInterrupt

    def __exit__(self, *_: Any) -> None:
        import signal

        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)
        self.check()


def _split(data: Data, fraction: float, seed: int) -> tuple[Data, Data | None]:
    count = int(len(data) * fraction)
    if not count:
        return data, None
    order = np.random.default_rng([seed, 0]).permutation(len(data))
    return data.rows(np.sort(order[count:])), data.rows(np.sort(order[:count]))


def held_out(
    data: Data, config: Mapping[str, Any], model: Model, sources: Iterable[str], key: str | None
) -> tuple[str, Data]:
    """What a run is judged on: the test split of a source that has one, else the rows held out, else all rows."""
    names = [s.rpartition("=")[2] for s in sources]
    if all(n.partition(":")[0] == "digits" or Path(n).is_dir() for n in names):
        return "test", load_data(model.resolved, sources, "test", config["data"]["binarise"], key)
    rest = _split(data, config["validation"], config["seed"])[1]
    return ("held-out", rest) if rest is not None else ("training", data)


def _difference(name: str, before: Any, now: Any) -> str:
    """What a setting was and is; of one of many parts, those that differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        parts = [k for k in {**before, **now} if before.get(k) != now.get(k)]
        return "; ".join(_difference(f"{name} {k}", before.get(k), now.get(k)) for k in parts)
    return f"{name}: {before} then, {now} now"


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise EnergyError(f"{folder} is not a run folder: it has no readable config.json") from None
    return dict(config)


def _read_metrics(folder: Path) -> list[dict[str, Any]]:
    path = folder / "metrics.csv"
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    whole = ("epoch", "update")
    return [{k: int(v) if k in whole else float(v) if v else None for k, v in row.items()} for row in rows]


def load_model(folder: Path, config: Mapping[str, Any]) -> Model:
    """The model of a run folder, with the sizes and constants it was run with."""
    graphs: dict[str, Any] = {}
    if (folder / "graphs.npz").exists():
        with np.load(folder / "graphs.npz", allow_pickle=False) as file:
            for name in file.files:
                edges = [(int(a), int(b)) for a, b in file[name]]
                graphs[name] = SimpleNamespace(nodes=range(max(map(max, edges), default=-1) + 1), edges=edges)
    return load(folder / "model.energy", config["dims"], config["consts"], graphs)


def open_run(path: str | Path) -> Run:
    """The run in a folder, at its last whole checkpoint. Raises `EnergyError` where there is none."""
    folder = Path(path)
    config = _read_config(folder)
    model = load_model(folder, config)
    there = "auto" if obstacle(config["backend"]) else config["backend"]
    program = model.compile(there, config["dtype"], config.get("precision", "full") if there == "cupy" else "full")
    arrays, meta, _ = checkpoint.load_latest(folder)
    params = {k.removeprefix("param/"): a for k, a in arrays.items() if k.startswith("param/")}
    chains = {k.removeprefix("chain/negative/"): a for k, a in arrays.items() if k.startswith("chain/negative/")}
    base: dict[str, tuple[Array, ...]] = {}
    with np.load(folder / "base.npz", allow_pickle=False) as file:
        for key in sorted(file.files):
            name = key.split("/")[0]
            base[name] = (*base.get(name, ()), file[key])
    return Run(
        program,
        {n: program.host(a) for n, a in program.check_params(params).items()},
        config,
        _read_metrics(folder),
        base,
        chains,
        folder,
        meta["update"],
        meta["seconds"],
        meta["epoch"] >= config["epochs"],
    )

"""Trajectory tempering: chains exchange states with models that the training passed through (Bereux, Decelle, Furtlehner, Rosset & Seoane 2025).

Frozen models of the past are rungs of a ladder that begins at independent units (`annealing.rungs`). From the last of them come
equilibrium samples, of which some are lent to the chains of the training, and others, the witnesses, never are: they alone say how far
the training has gone from the last rung, and what log Z is. Chains that the gradient follows cannot say that: it raises the energy
just where they stand.

The gradient goes on while one exchange in `FREEZE` is accepted; then the model is frozen, and the ladder finds new samples and
its log Z. Where a step was too far for that, training goes back to the last rung, and steps are half as long from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from energydsl.annealing import rungs as ladder
from energydsl.annealing.partition import log_mean_weight
from energydsl.annealing.path import Array, Path
from energydsl.annealing.rungs import Draws, Rung
from energydsl.backends.interface import Arrays
from energydsl.diagnostics import TrainingError
from energydsl.learning.chains.persistent import Persistent
from energydsl.learning.checkpoint_arrays import part
from energydsl.learning.phases import Phases
from energydsl.program.samplers.record import uniforms
from energydsl.program.states import random_state

# A model is frozen when fewer exchanges than this are accepted, and training goes back below the other, or when it comes so soon.
FREEZE, BACK, SOON = 0.3, 0.1, 2
# Halvings of the rate, one after the other, at which there is no sense in more.
_HALVINGS = 30
# Draws of every chain of the last rung that are lent, and as many that are witnesses.
_DRAWS = 10
# One in so many witnesses is asked in an update; all of them where something hangs on it.
_ASKED = 5


@dataclass
class Way:
    """What trajectory tempering has passed through.

    lent: samples of the last rung, by layer, (samples, *layer), of layers that are not summed out; working: a copy of them, with which
    chains exchange states; witness: samples that no chain ever meets; known: their log weights there, (samples,), float64. since:
    updates since the last rung. backs: how often training went back, one after the other. pace: what is left of the rate.
    acceptance: of exchanges, as the witnesses say. turns, time, old: what chains of the last rung took to settle, their
    autocorrelation time, both in turns of the ladder, and the share of them that were not renewed on the way.
    """

    rungs: list[Rung]
    lent: Arrays
    witness: Arrays
    known: Array
    working: Arrays = field(default_factory=dict)
    since: int = 0
    backs: int = 0
    pace: float = 1.0
    acceptance: float = 1.0
    turns: int = 0
    time: float = 1.0
    old: float = 0.0


@dataclass(frozen=True)
class Trajectory(Persistent):
    """So many chains, and ten times as many samples of the last rung for them to exchange states with."""

    indivisible = "models of its past are kept, and judged, by all chains together"

    @property
    def repeatable(self) -> bool:  # type: ignore[override]
        """No: it looks before every update."""
        return False

    @property
    def straight(self) -> bool:  # type: ignore[override]
        """No: exchanges look at the states."""
        return False

    def init(self, phases: Phases) -> None:
        """Random chains; the ladder is built before the first update. Raises `NotApplicable` for samplers that adapt."""
        super().init(phases)
        _path(phases, {}).check_fixed("trajectory tempering")

    def before(self, phases: Phases, params: Arrays) -> Arrays | None:
        """Freeze the model where that is due; the parameters to go back to where a step was too far, else None.

        Raises `TrainingError` where steps have been halved in vain.
        """
        if phases.own is None:
            phases.own = self._begun(phases, params)
            return None
        way: Way = phases.own
        path = _path(phases, params)
        way.acceptance = _acceptance(path, way, _ASKED)
        if way.acceptance < FREEZE:
            way.acceptance = _acceptance(path, way, 1)
        way.since += 1
        if way.acceptance >= FREEZE:
            way.backs = 0
            return None
        if way.acceptance >= BACK and way.since > SOON:
            self._frozen(phases, way, _path(phases, params, copied=True))
            return None
        way.pace, way.backs, way.since = way.pace / 2, way.backs + 1, 0
        if way.backs > _HALVINGS:
            raise TrainingError(
                f"training stopped: after {_HALVINGS} halvings of the learning rate one update still takes the model so far that "
                f"fewer than {FREEZE:.0%} of exchanges with it are accepted. More chains make a smoother gradient; constraints or a penalty "
                "may keep the energy from growing without bound"
            )
        self._put(phases, way)
        return way.rungs[-1].path.params

    def pace(self, phases: Phases) -> float:
        """Halved for good whenever training went back."""
        return 1.0 if phases.own is None else phases.own.pace

    def step(self, phases: Phases, params: Arrays) -> None:
        """Exchange states with samples of the last rung, then run the sweeps."""
        self._exchange(phases, _path(phases, params))
        super().step(phases, params)

    def _exchange(self, phases: Phases, path: Path) -> None:
        """Exchange states with distinct samples of the last rung at random; layers summed out are drawn anew."""
        way, samples, random = phases.own, phases.negative.samples, phases.random
        top, host = way.rungs[-1], phases.engine.host
        random.next()
        order = np.argsort(host(uniforms(path.program, random, (_DRAWS * self.count, 1)))[:, 0], kind="stable")
        rows = phases.engine.xp.asarray(order[: self.count])
        partner = {n: a[rows] for n, a in way.working.items()}
        there, here = (ladder.log_weights(path, x) - top.log_weights(x) for x in (partner, samples))
        ladder.swap(path, samples, partner, ladder.accepted(path, there - here, random))
        for name, values in partner.items():
            way.working[name][rows] = values
        path.draw_summed(samples, 1.0, random)

    def figures(self, phases: Phases, params: Arrays) -> dict[str, float]:
        """log Z as the witnesses say, its standard error, and how far the ladder has come."""
        way = phases.own
        if way is None:
            return {}
        found = {
            "rungs": len(way.rungs),
            "exchanged": way.acceptance,
            "settled_in": way.turns,
            "not_renewed": way.old,
            "pace": way.pace,
        }
        ratio = ladder.log_weights(_path(phases, params), way.witness) - way.known
        if not np.isfinite(ratio).all():  # the next update goes back
            return found
        known, error = ladder.log_z(way.rungs)
        since, spread, _ = log_mean_weight(ratio)
        return {"log_z": known + since, "log_z_std": float(np.hypot(error, spread)), **found}

    def arrays(self, phases: Phases) -> Arrays:
        """The ladder and its samples."""
        way, dtype = phases.own, phases.engine.dtype
        if way is None:
            return {}
        numbers = [[r.time, r.gain, r.error, r.draws] for r in way.rungs]
        counts = [way.since, way.backs, way.pace, way.acceptance, way.turns, way.time, way.old]
        saved: Arrays = {"numbers": np.array(numbers, dtype), "counts": np.array(counts, dtype)}
        for kind in _SAMPLES:
            saved |= {f"{kind}/{n}": a for n, a in getattr(way, kind).items()}
        for k, rung in enumerate(way.rungs):
            saved |= {f"{k}/state/{n}": a for n, a in rung.states.items()}
            if k == 0 or rung.path is not way.rungs[k - 1].path:
                saved |= {f"{k}/param/{n}": a for n, a in rung.path.params.items()}
        return {f"ladder/{n}": a for n, a in saved.items()}

    def restore(self, phases: Phases, saved: Mapping[str, Array]) -> None:
        """Go on from what `arrays` gave."""
        saved = part(saved, "ladder/")
        if not saved:
            return
        xp = phases.engine.xp
        found: list[Rung] = []
        for k, (time, gain, error, drawn) in enumerate(saved["numbers"].astype(np.float64).tolist()):
            params = {n: xp.array(a) for n, a in part(saved, f"{k}/param/").items()}
            path = _path(phases, params) if params else found[-1].path
            states = {n: xp.array(a) for n, a in part(saved, f"{k}/state/").items()}
            found.append(Rung(path, time, states, gain, error, int(drawn)))
        lent, working, witness = ({n: xp.array(a) for n, a in part(saved, f"{kind}/").items()} for kind in _SAMPLES)
        since, backs, pace, acceptance, turns, time, old = saved["counts"].astype(np.float64).tolist()
        known = found[-1].log_weights(witness)
        phases.own = Way(
            found, lent, witness, known, working, int(since), int(backs), pace, acceptance, int(turns), time, old
        )

    # --- rungs

    def _begun(self, phases: Phases, params: Arrays) -> Way:
        """A ladder from independent units to where training begins, and chains drawn there."""
        path = _path(phases, params, copied=True)
        rungs, found = ladder.climb(path, 2 * _DRAWS, self.count, phases.random)
        way = Way(rungs, {}, {}, np.zeros(0))
        self._take(phases, way, found)
        self._put(phases, way)
        return way

    def _frozen(self, phases: Phases, way: Way, path: Path) -> None:
        """A new last rung, its samples and its log Z."""
        ladder.append(way.rungs, path, 1.0, way.witness, self.count, phases.random)
        self._take(phases, way, ladder.draws(way.rungs, 2 * _DRAWS, phases.random))

    def _take(self, phases: Phases, way: Way, found: Draws) -> None:
        """New draws: every other one is lent, the others are witnesses."""
        by_draw = {n: a.reshape(2 * _DRAWS, self.count, *a.shape[1:]) for n, a in found.states.items()}
        way.lent, way.witness = ({n: a[k::2].reshape(-1, *a.shape[2:]) for n, a in by_draw.items()} for k in (0, 1))
        way.known = way.rungs[-1].log_weights(way.witness)
        way.working = {n: phases.engine.xp.array(a) for n, a in way.lent.items()}
        way.since, way.turns, way.time, way.old = 0, found.turns, found.time, found.old

    def _put(self, phases: Phases, way: Way) -> None:
        """Chains where samples of the last rung are."""
        way.working = {n: phases.engine.xp.array(a) for n, a in way.lent.items()}
        fresh = random_state(phases.engine, self.count, phases.random)
        for name, array in phases.negative.samples.items():
            array[...] = way.lent[name][: self.count] if name in way.lent else fresh[name]


_SAMPLES = ("lent", "working", "witness")


def _acceptance(path: Path, way: Way, every: int) -> float:
    """How many exchanges the last rung would have with a model, as one in `every` of the witnesses says; 0 where it is no model."""
    asked = slice(None, None, every)
    ratio = ladder.log_weights(path, {n: a[asked] for n, a in way.witness.items()}) - way.known[asked]
    return ladder.acceptance(ratio) if np.isfinite(ratio).all() else 0.0


def _path(phases: Phases, params: Arrays, copied: bool = False) -> Path:
    """From independent units, at the base rates of the data, to the model at these parameters."""
    if copied:
        params = {n: phases.engine.xp.array(a) for n, a in params.items()}
    return Path(phases.engine.core, params, phases.base, sampler=phases.sampler)

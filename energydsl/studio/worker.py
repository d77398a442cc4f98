"""A process that answers one question at a time, and can be given up: what a text asks for may take for ever."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any

from energydsl.backends.interface import Array
from energydsl.diagnostics import EnergyError
from energydsl.model.resolve import Overrides
from energydsl.options import Backend

# Seconds for which an older question is worked on while a newer one waits; and between looks at whether there is an answer.
_PATIENCE, _LOOK = 1.0, 0.02


class Stale(Exception):
    """There is a newer question."""


@dataclass(frozen=True)
class Origin:
    """Where the texts come from. name: of their file; trained: parameters by name."""

    name: str
    overrides: Overrides
    trained: dict[str, Array]
    backend: Backend


class Desk:
    """What is answered, by the name of the question."""

    def __init__(self, origin: Origin):
        self.origin = origin
        self.chains: Any = None
        self.number = 0

    def analyse(self, text: str) -> dict[str, Any]:
        """What the page shows of a text."""
        from energydsl.studio.analysis import analysed

        return analysed(text, self.origin.name, self.origin.overrides)

    def begin(self, text: str, number: int, seed: int, keep: bool) -> dict[str, Any]:
        """Begin chains of a text. keep: go on with the states of those before, where they fit; number: by which they are known."""
        from energydsl.studio.chains import Chains

        o = self.origin
        self.chains = Chains(text, o.name, o.overrides, o.trained, o.backend, seed, self.chains if keep else None)
        self.number = number
        return {"backend": self.chains.program.backend, "untrained": self.chains.untrained}

    def picture(self, number: int, sweeps: int, layer: str, means: bool, settings: dict[str, Any]) -> dict[str, Any]:
        """Run chains for some sweeps, and a picture of them."""
        if self.chains is None or number != self.number:
            return {"gone": True}
        self.chains.advance(sweeps, **settings)
        found: dict[str, Any] = self.chains.shown(layer, means, **settings)
        return found


def serve(connection: Connection, origin: Origin) -> None:
    """Answer until the other end closes. Faults of a text are told in words, and so are those of energydsl."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    desk = Desk(origin)
    while True:
        try:
            name, given = connection.recv()
        except EOFError:
            return
        try:
            answer = getattr(desk, name)(**given)
        except EnergyError as error:
            answer = {"error": str(error)}
        except MemoryError:
            answer = {"error": "there is not enough memory for arrays of these sizes"}
        except Exception as error:
            answer = {"error": f"internal error, a fault of energydsl: {type(error).__name__}: {error}"}
        connection.send(answer)


class Worker:
    """The process, begun when it is first asked and again after it was given up."""

    def __init__(self, origin: Origin):
        self.origin = origin
        self.process: Any = None
        self.connection: Any = None
        self.turn = asyncio.Lock()
        self.newest = 0

    async def newest_of(self, name: str, seconds: float, given: dict[str, Any]) -> dict[str, Any]:
        """As `ask`; a question that waits, or takes longer than a second, when a newer one comes is given up. Raises `Stale`."""
        self.newest += 1
        return await self.ask(name, seconds, given, self.newest)

    async def ask(self, name: str, seconds: float, given: dict[str, Any], number: int | None = None) -> dict[str, Any]:
        """The answer, or in `error` why there is none."""
        async with self.turn:
            if number not in (None, self.newest):
                raise Stale
            self._begin()
            return await asyncio.to_thread(self._answer, (name, given), seconds, number)

    def _answer(self, question: Any, seconds: float, number: int | None) -> dict[str, Any]:
        begun = monotonic()
        while True:
            try:
                if question is not None:
                    self.connection.send(question)
                    question = None
                if self.connection.poll(_LOOK):
                    answer: dict[str, Any] = self.connection.recv()
                    return answer
            except (EOFError, OSError):
                self.end()
                return {"error": "the process that worked on this text has ended: it may have run out of memory"}
            taken = monotonic() - begun
            if number not in (None, self.newest) and taken > _PATIENCE:
                self.end()
                raise Stale
            if taken > seconds:
                self.end()
                return {"error": f"this takes longer than {seconds:.0f} seconds, and was given up"}

    def _begin(self) -> None:
        if self.process is not None and self.process.is_alive():
            return
        self.end()
        spawn = multiprocessing.get_context("spawn")
        self.connection, other = spawn.Pipe()
        self.process = spawn.Process(target=serve, args=(other, self.origin), daemon=True)
        self.process.start()
        other.close()

    def end(self) -> None:
        """End the process, whatever it does."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.connection.close()
            self.process = None

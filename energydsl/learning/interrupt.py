"""Ctrl-C, SIGTERM and SIGHUP: they take effect where a run can be saved, and all of them alike."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from energydsl.ranks import Team

_ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupted(KeyboardInterrupt):
    """What Ctrl-C raises, for another signal."""

    def __init__(self, number: int):
        super().__init__()
        self.number = number


def number_of(error: KeyboardInterrupt) -> int:
    """The signal behind an interrupt; a command that it ends has the status 128 + this."""
    return int(getattr(error, "number", signal.SIGINT))


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _raise(number: int, _: Any) -> None:
    raise Interrupted(number)


@contextmanager
def heeded() -> Iterator[tuple[int, ...]]:
    """SIGTERM and SIGHUP raise `Interrupted`, where nobody has said otherwise; gives those that do so from here on."""
    taken = tuple(n for n in _ENDING if _in_main_thread() and signal.getsignal(n) is signal.SIG_DFL)
    for number in taken:
        signal.signal(number, _raise)
    try:
        yield taken
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


class Uninterrupted:
    """Holds signals back until the block is done or `check` is called: raised inside a callback of the compiler they would be lost.

    What was to happen at a signal then happens; one that is ignored, as under nohup, stays so.
    """

    def __enter__(self) -> Uninterrupted:
        self.pending: list[int] = []
        self.before: dict[int, Any] = {}
        if _in_main_thread():
            for number in (signal.SIGINT, *_ENDING):
                handler = signal.getsignal(number)
                if callable(handler):
                    self.before[number] = handler
                    signal.signal(number, lambda n, _: self.pending.append(n))
        return self

    def check(self) -> None:
        """Let a signal that came meanwhile take effect."""
        while self.pending:
            number = self.pending.pop()
            self.before[number](number, None)

    def agreed(self, team: Team, due: bool) -> bool:
        """As `check`, on all ranks alike: a signal that one of them got stops them all; and whether for one of them something is due.

        Raises `Interrupted` where others got a signal.
        """
        waiting = max(self.pending, default=0)
        number, found = divmod(team.most(2 * waiting + due), 2)
        self.check()
        if number and team.size > 1:
            raise Interrupted(number)
        return bool(found)

    def __exit__(self, *_: Any) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.check()

"""A model none of whose parameters is learned, as a run: nothing is to be trained before it is asked for anything."""

from __future__ import annotations

from energydsl.api import Model
from energydsl.diagnostics import ArgumentError
from energydsl.learning.run import Run


def untrained(model: Model) -> Run:
    """Raises `ArgumentError` where a parameter is learned."""
    learned = [f"`{n}`" for n, p in model.params.items() if "frozen" not in p.constraints]
    if learned:
        are = "is a parameter" if len(learned) == 1 else "are parameters"
        raise ArgumentError(f"{' and '.join(learned)} {are} to be learned: train the model, and give the run's folder")
    program = model.compile()
    return Run(program, program.init(), {"data": {"binarise": None}}, finished=True)

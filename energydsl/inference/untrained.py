"""A model none of whose parameters is to be learned, as a run: it can be evaluated as it is."""

from __future__ import annotations

from energydsl.api import Model
from energydsl.diagnostics import ArgumentError
from energydsl.learning.run import Run


def untrained(model: Model) -> Run:
    """The run of a model whose parameters are all frozen. Raises `ArgumentError` where one is to be learned."""
    learned = [f"`{n}`" for n, p in model.params.items() if "frozen" not in p.constraints]
    if learned:
        are = "is a parameter" if len(learned) == 1 else "are parameters"
        raise ArgumentError(
            f"{', '.join(learned)} {are} to be learned: train the model, then give the folder of that run"
        )
    program = model.compile()
    return Run(program, program.init(), {"data": {"binarise": None}}, finished=True)

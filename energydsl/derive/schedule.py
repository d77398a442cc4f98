"""Gibbs blocks for a clamping pattern: layers by colouring, units inside a layer by colour or one by one."""

from __future__ import annotations

from collections.abc import Mapping

from energydsl.derive.records import BlockPart, Schedule
from energydsl.diagnostics import Diagnostic, Note
from energydsl.energy.terms import Energy
from energydsl.graph.colouring import UnitColouring, colour_layers
from energydsl.graph.terms import interactions
from energydsl.model.records import Resolved, ScheduleBlock


def schedule(
    model: Resolved, energy: Energy, parts: Mapping[str, UnitColouring], clamped: frozenset[str] = frozenset()
) -> Schedule:
    """Blocks in order; every free unit is in exactly one, and no two units of a block share a term."""
    free = [n for n in parts if n not in clamped]
    if model.schedule:
        groups = [[n for n, _ in block.parts if n in free] for block in model.schedule]
    else:
        groups = colour_layers(free, interactions(energy))
    return tuple(block for group in groups for block in _blocks(group, parts))


def _blocks(group: list[str], parts: Mapping[str, UnitColouring]) -> Schedule:
    """A group of layers that do not meet, cut where units of one layer do: colour 0 of all, colour 1 of all, ..."""
    scans = tuple((BlockPart(n, "scan"),) for n in group if parts[n].kind == "scan")
    rest = [n for n in group if parts[n].kind != "scan"]
    depth = max((parts[n].count for n in rest), default=0)
    return (
        tuple(
            tuple(
                BlockPart(n, parts[n].kind, colour if parts[n].kind == "colours" else 0)
                for n in rest
                if colour < parts[n].count
            )
            for colour in range(depth)
        )
        + scans
    )


def check_schedule(model: Resolved, energy: Energy, parts: Mapping[str, UnitColouring]) -> list[Diagnostic]:
    """E0301: blocks of the user's schedule whose units are not conditionally independent."""
    found: list[Diagnostic] = []
    pairs = interactions(energy)
    for block in model.schedule:
        found += _block_problems(block, energy, pairs, parts)
    return found


def _block_problems(
    block: ScheduleBlock, energy: Energy, pairs: Mapping[frozenset[str], int], parts: Mapping[str, UnitColouring]
) -> list[Diagnostic]:
    names = [n for n, _ in block.parts]
    found = []
    for pair, number in pairs.items():
        if len(pair) == 2 and pair <= set(names):
            a, b = (n for n in names if n in pair)
            message = f"`{a}` and `{b}` are not conditionally independent, so they cannot share a block"
            found.append(_refusal(block, message, "put them into blocks of their own", energy, number))
    for name, by_parts in block.parts:
        if name in parts and parts[name].coupled and not by_parts:
            message = f"the units of `{name}` are not conditionally independent, so they cannot be one block"
            help = f"write `{name}*` to visit it unit by unit or colour by colour, or leave the schedule out"
            found.append(_refusal(block, message, help, energy, pairs[frozenset((name,))]))
    return found


def _refusal(block: ScheduleBlock, message: str, help: str, energy: Energy, number: int) -> Diagnostic:
    term = energy.terms[number]
    note = Note(f"this term couples them: {term.spans[0].text}", term.spans[0])
    return Diagnostic("E0301", message, block.span, help, (note,))

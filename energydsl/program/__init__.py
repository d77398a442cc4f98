"""Compiled models, ready to run: `Program`, and the engines that it stands on."""

from energydsl.program.engine import Engine as Engine
from energydsl.program.program import Program as Program

"""Conditionals along a line: a unit of real numbers that functions of several units hold, integrated on panels."""

from energydsl.program.lines.scan import Scan as Scan

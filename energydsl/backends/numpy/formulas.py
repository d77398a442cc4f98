"""A family's formulas as NumPy: one expression, or statements that write into arrays at hand."""

from __future__ import annotations

import math
from collections import Counter

from energydsl.backends.scalar_text import INFIX
from energydsl.backends.text import Lines
from energydsl.domains.scalar import Num, Op, Scalar, Var

_NUMPY = {"exp", "log", "sqrt", "abs", "tanh", "sin", "cos", "sign", "negative", "add", "subtract", "multiply"}
_NUMPY |= {"divide", "less", "power", "floor", "log1p"}
# Functions that take `out`.
_WRITING = ("sigmoid", "tanh", "softmax_last", "multiply")


def call(name: str, arguments: list[str], out: str = "") -> str:
    """A call of a function of NumPy or of the runtime."""
    prefix = "np." if name in _NUMPY else ""
    return f"{prefix}{name}({', '.join([*arguments, *([f'out={out}'] if out else [])])})"


def expression(node: Scalar) -> str:
    """A formula as one expression."""
    match node:
        case Var(name=name):
            return name
        case Num(value=value):
            return "math.inf" if math.isinf(value) else repr(value)
        case Op(name="negative", arguments=(inner,)):
            return f"(-{expression(inner)})"
        case Op(name=name, arguments=(left, right)) if name in INFIX:
            return f"({expression(left)} {INFIX[name]} {expression(right)})"
        case Op(name=name, arguments=arguments):
            return call(name, [expression(a) for a in arguments])
    raise AssertionError(node)


def assignment(node: Scalar, out: str) -> str:
    """A statement that writes a formula into an array."""
    if isinstance(node, Op) and node.name in _WRITING:
        return call(node.name, [expression(a) for a in node.arguments], out)
    return f"{out}[...] = {expression(node)}"


class InPlace:
    """A formula as statements that write into arrays at hand: eta, u, and at the end the output.

    Arrays over chains and units (`full`) are overwritten at their last use; what occurs twice is computed once.
    """

    def __init__(self, name: str, full: frozenset[str], out: str):
        self.name, self.full, self.out = name, full, out
        self.lines: Lines = []
        self.uses: Counter[Scalar] = Counter()
        self.known: dict[Scalar, tuple[str, bool]] = {}
        self.spare = 0

    def statements(self, formula: Scalar) -> Lines:
        """The statements that write the formula into the output."""
        self._count(formula)
        text, _ = self._emit(formula, self.out)
        if text != self.out:
            self.lines.append(f"    {self.out}[...] = {text}")
        return self.lines

    def _count(self, node: Scalar) -> None:
        self.uses[node] += 1
        if isinstance(node, Op) and self.uses[node] == 1:
            for argument in node.arguments:
                self._count(argument)

    def _emit(self, node: Scalar, out: str = "") -> tuple[str, bool]:
        """Text of a value and whether it is a full array that may be overwritten."""
        if node in self.known:
            text, is_full = self.known[node]
            self.uses[node] -= 1
            return text, is_full and self.uses[node] == 0
        if isinstance(node, Var):
            self.uses[node] -= 1
            return node.name, node.name in self.full and self.uses[node] == 0
        if isinstance(node, Num):
            return expression(node), False
        assert isinstance(node, Op)
        arguments = [self._emit(a) for a in node.arguments]
        if not any(self._is_full(a) for a in node.arguments):
            return self._small(node, [text for text, _ in arguments]), False
        return self._large(node, arguments, out)

    def _small(self, node: Op, texts: list[str]) -> str:
        """A value that does not vary with chains and units both: a name where it is used again."""
        text = call(node.name, texts)
        if self.uses[node] > 1:
            name = f"shared{len(self.known)}"
            self.lines.append(f"    {name} = {text}")
            self.known[node] = (name, False)
            return name
        return text

    def _large(self, node: Op, arguments: list[tuple[str, bool]], out: str) -> tuple[str, bool]:
        """A value written into the output, an argument that is not needed again, or a spare array."""
        full = [text for text, spare in arguments if spare]
        if out or node.name in ("choose_last", "pick_last"):
            target = out or "new"
        else:
            target = full[0] if full else self._buffer()
        self.lines.append(f"    {call(node.name, [text for text, _ in arguments], target)}")
        if self.uses[node] > 1:
            self.known[node] = (target, True)
            self.uses[node] -= 1
            return target, False
        return target, True

    def _is_full(self, node: Scalar) -> bool:
        if isinstance(node, Var):
            return node.name in self.full
        return isinstance(node, Op) and any(self._is_full(a) for a in node.arguments)

    def _buffer(self) -> str:
        name = f"spare{self.spare}"
        self.lines.append(f'    {name} = w("{name}:{self.name}", eta1.shape)')
        self.spare += 1
        return name

"""What a certificate says: its checks, and what of the model they exercised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict
from xml.etree.ElementTree import Element

from energydsl.markup import bullets, element, html, table


class CheckRow(TypedDict):
    """A check as `verify --json` shows it."""

    name: str
    error: float
    tolerance: float
    ok: bool


class ExercisedRow(TypedDict):
    """A term or parameter as `verify --json` shows it."""

    kind: str
    name: str
    checks: list[str]


class CertificateRow(TypedDict):
    """A certificate as `verify --json` shows it."""

    ok: bool
    model: str
    sizes: str
    checks: list[CheckRow]
    exercised: list[ExercisedRow]


@dataclass(frozen=True)
class Check:
    """One identity: its largest error and what is allowed for rounding.

    decisive: False where the energies are so large that rounding alone may be as large as what is compared: whatever the
    kernels do, the check cannot fail. parameters: those that made a difference to what was compared.
    """

    name: str
    error: float
    tolerance: float
    decisive: bool = True
    parameters: frozenset[str] = frozenset()

    @property
    def holds(self) -> bool:
        """Whether the error is within what is allowed (a NaN is not)."""
        return bool(self.error <= self.tolerance)

    @property
    def ok(self) -> bool:
        """Whether the check holds and could have failed."""
        return self.holds and self.decisive

    @property
    def status(self) -> str:
        """`ok`, `WRONG`, or `incomplete`."""
        if not self.holds:
            return "WRONG"
        return "ok" if self.decisive else "incomplete"


@dataclass(frozen=True)
class Exercised:
    """A term of the energy as it was written, or a parameter, and the checks in which it made a difference."""

    kind: str
    name: str
    checks: tuple[str, ...]


@dataclass(frozen=True)
class Certificate:
    """All checks of one model, the sizes they were made at, and what of the model they exercised."""

    model: str
    sizes: str
    checks: tuple[Check, ...]
    exercised: tuple[Exercised, ...] = ()

    @property
    def right(self) -> bool:
        """Whether every check holds."""
        return all(c.holds for c in self.checks)

    @property
    def missed(self) -> tuple[Exercised, ...]:
        """What no check exercised."""
        return tuple(e for e in self.exercised if not e.checks)

    @property
    def undecided(self) -> tuple[Check, ...]:
        """Checks that hold but could not have failed."""
        return tuple(c for c in self.checks if c.holds and not c.decisive)

    @property
    def ok(self) -> bool:
        """Whether every check holds and could have failed, and each term and parameter was exercised by one."""
        return self.right and not self.missed and not self.undecided

    def as_dict(self) -> CertificateRow:
        """The keys that `verify --json` promises."""
        return {
            "ok": self.ok,
            "model": self.model,
            "sizes": self.sizes,
            "checks": [{"name": c.name, "error": c.error, "tolerance": c.tolerance, "ok": c.ok} for c in self.checks],
            "exercised": [{"kind": e.kind, "name": e.name, "checks": list(e.checks)} for e in self.exercised],
        }

    def __str__(self) -> str:
        width = max(len(c.name) for c in self.checks)
        return "\n".join(
            [
                f"{self.model}: checked at {self.sizes}",
                *(
                    f"  {c.name:<{width}}  error {c.error:8.1e}  allowed {c.tolerance:7.0e}  {c.status}"
                    for c in self.checks
                ),
                *self._counts(),
                *(f"  not exercised: {e.kind} `{e.name}`" for e in self.missed),
                *self._verdict(),
            ]
        )

    def shown(self) -> list[Element]:
        """The same for a page: a verdict, the checks, and what of the model they exercised."""
        verdict = "; ".join(self._verdict())
        checks = [(c.name, f"{c.error:.1e}", f"{c.tolerance:.0e}", c.status) for c in self.checks]
        exercised = [(e.name, e.kind, ", ".join(e.checks) or "nothing") for e in self.exercised]
        return [
            element("p", f"{self.model}, checked at {self.sizes}: ", element("strong", verdict)),
            table(("identity", "error", "allowed", "verdict"), checks),
            bullets(line.strip() for line in self._counts()),
            *([table(("exercised", "kind", "by"), exercised)] if exercised else []),
        ]

    def _repr_html_(self) -> str:
        return html(*self.shown())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _counts(self) -> list[str]:
        lines = []
        for kind in ("term", "parameter"):
            some = [e for e in self.exercised if e.kind == kind]
            if some:
                lines.append(f"  {kind}s exercised: {sum(bool(e.checks) for e in some)} of {len(some)}")
        return lines

    def _verdict(self) -> list[str]:
        if not self.right:
            return ["THE DERIVATION IS WRONG"]
        lines = []
        if self.undecided:
            lines.append(
                "incomplete: rounding at energies this large hides what some checks compare; smaller constants (-c) may do"
            )
        if self.missed:
            lines.append("incomplete: all identities hold, but not for all of the model; other sizes (-D) may do")
        return lines or ["all identities hold"]

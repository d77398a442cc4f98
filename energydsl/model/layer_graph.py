"""`layers` statements -> ordinary declarations and energies, as `explain` prints them.

Every layer named gets a bias and its domain's own term, every link a bilinear term, every arrow a conditional energy
and its recognition counterpart.
"""

from __future__ import annotations

from collections.abc import Mapping

from energydsl.diagnostics import Span
from energydsl.domains import DOMAINS
from energydsl.domains.own_terms import bias_alone
from energydsl.syntax import tree

LABEL = "layers"


def expand(module: tree.Module, layers: Mapping[str, tuple[str, tree.Entry]], params: set[str]) -> list[tree.Statement]:
    """Declarations and energies that the `layers` statements of `module` stand for.

    `layers` maps a name to its role and entry; `params` are the parameters declared by hand, which are used as they
    are where a generated name meets them.
    """
    chains = [c for s in module.statements if isinstance(s, tree.Layers) for c in s.chains]
    if not chains:
        return []
    return _Expansion(layers, set(params)).run(chains)


class _Expansion:
    def __init__(self, layers: Mapping[str, tuple[str, tree.Entry]], declared: set[str]):
        self.layers = layers
        self.declared = declared
        self.params: list[tree.Entry] = []

    def run(self, chains: list[tree.Chain]) -> list[tree.Statement]:
        names: dict[str, tree.Name] = {}
        links: list[tuple[tree.Name, tree.Name, tree.Hop]] = []
        parents: dict[str, list[tuple[tree.Name, tree.Hop]]] = {}
        for chain in chains:
            before = chain.start
            names.setdefault(before.id, before)
            for hop in chain.hops:
                names.setdefault(hop.layer.id, hop.layer)
                if hop.link == "--":
                    links.append((before, hop.layer, hop))
                else:
                    child, parent = (before, hop.layer) if hop.link == "<-" else (hop.layer, before)
                    parents.setdefault(child.id, []).append((parent, hop))
                before = hop.layer
        known = {n: name for n, name in names.items() if n in self.layers}
        own = {n: self._own_terms(name, "b_") for n, name in known.items() if self.layers[n][0] != "input"}
        statements: list[tree.Statement] = []
        terms = [t for n, part in own.items() if n not in parents for t in part]
        terms += [
            self._coupling(a, b, hop, f"W_{a.id}_{b.id}") for a, b, hop in links if a.id in known and b.id in known
        ]
        if terms:
            statements.append(_energy("energy", (), (), terms))
        for target, arrows in parents.items():
            statements += self._conditional(target, arrows, own)
        statements += self._recognitions(parents)
        if self.params:
            span = self.params[0].span
            statements.insert(0, tree.Declaration(span, "param", tuple(self.params)))
        return statements

    def _conditional(
        self, child: str, hops: list[tuple[tree.Name, tree.Hop]], own: dict[str, list[tuple[str, tree.Expr]]]
    ) -> list[tree.Statement]:
        hops = [(p, h) for p, h in hops if p.id in self.layers]
        if child not in self.layers or not hops:
            return []
        target = tree.Name(hops[0][1].span, child)
        couplings = [self._coupling(target, p, h, f"W_{child}_{p.id}") for p, h in hops]
        return [_energy("energy", (target,), tuple(p for p, _ in hops), [*own.get(child, ()), *couplings])]

    def _recognitions(self, parents: dict[str, list[tuple[tree.Name, tree.Hop]]]) -> list[tree.Statement]:
        children: dict[str, list[tuple[tree.Name, tree.Hop]]] = {}
        for child, hops in parents.items():
            for parent, hop in hops:
                if child in self.layers and parent.id in self.layers and self.layers[parent.id][0] == "hidden":
                    children.setdefault(parent.id, []).append((tree.Name(hop.span, child), hop))
        found: list[tree.Statement] = []
        for upper, arrows in children.items():
            target = tree.Name(arrows[0][1].span, upper)
            terms = self._own_terms(target, "r_")
            terms += [self._coupling(c, target, _unnamed(h), f"R_{c.id}_{upper}") for c, h in arrows]
            found.append(_energy("recognition", (target,), tuple(c for c, _ in arrows), terms))
        return found

    def _own_terms(self, layer: tree.Name, prefix: str) -> list[tuple[str, tree.Expr]]:
        """Signed terms of a layer alone: its bias and what its domain needs to be normalisable."""
        role, entry = self.layers[layer.id]
        at = layer.span
        bias = tree.Name(at, f"{prefix}{layer.id}")
        rate = tree.Call(at, tree.Name(at, "base_rate"), (("", layer),)) if role == "visible" else None
        self._declare(bias, self._axes(entry), rate)
        unit = tree.Name(at, layer.id)
        domain = DOMAINS.get(entry.domain.name.id) if entry.domain else None
        own = domain.own_terms if domain else bias_alone  # an unknown domain is refused elsewhere
        return own(at, unit, bias)

    def _coupling(self, a: tree.Name, b: tree.Name, hop: tree.Hop, default: str) -> tuple[str, tree.Expr]:
        """`- sum[..] a[..] * W[.., ..] * b[..]`, as a matrix form where both layers are vectors."""
        weight = hop.weight or tree.Name(hop.span, default)
        at = hop.span
        axes_a, axes_b = self._axes(self.layers[a.id][1]), self._axes(self.layers[b.id][1])
        self._declare(weight, axes_a + axes_b, _normal(at))
        left, right = tree.Name(at, a.id), tree.Name(at, b.id)
        if len(axes_a) == len(axes_b) == 1:
            return "-", tree.Product(at, left, (("@", weight), ("@", right)))
        rows = [tree.Name(at, f"i{n}") for n in range(1, len(axes_a) + 1)]
        columns = [tree.Name(at, f"k{n}") for n in range(1, len(axes_b) + 1)]
        product = tree.Product(
            at, _element(left, rows), (("*", _element(weight, rows + columns)), ("*", _element(right, columns)))
        )
        binders = tuple(tree.Binder(at, (n,)) for n in rows + columns)
        return "-", tree.Reduce(at, binders, product) if binders else product

    def _declare(self, name: tree.Name, axes: tuple[tree.Expr, ...], init: tree.Expr | None) -> None:
        if name.id in self.declared:
            return
        self.declared.add(name.id)
        self.params.append(tree.Entry(name.span, name, axes=axes, value=init))

    @staticmethod
    def _axes(entry: tree.Entry) -> tuple[tree.Expr, ...]:
        domain = entry.domain
        known = DOMAINS.get(domain.name.id) if domain else None
        return entry.axes + (domain.arguments if domain and known and known.one_hot else ())


def _unnamed(hop: tree.Hop) -> tree.Hop:
    return tree.Hop(hop.span, hop.link, hop.layer, None)


def _energy(
    keyword: str, targets: tuple[tree.Name, ...], given: tuple[tree.Name, ...], terms: list[tuple[str, tree.Expr]]
) -> tree.Energy:
    sign, first = terms[0]
    span: Span = first.span
    head = tree.Negate(span, first) if sign == "-" and not isinstance(first, tree.Product) else first
    if sign == "-" and isinstance(first, tree.Product):
        head = tree.Product(span, tree.Negate(span, first.head), first.tail)
    value: tree.Expr = tree.Sum(span, head, tuple(terms[1:])) if len(terms) > 1 else head
    name = None if targets else tree.Name(span, LABEL)
    return tree.Energy(span, keyword, name, targets, given, value)


def _element(base: tree.Name, indices: list[tree.Name]) -> tree.Expr:
    return tree.Subscript(base.span, base, tuple(indices)) if indices else base


def _normal(at: Span) -> tree.Expr:
    return tree.Call(at, tree.Name(at, "normal"), (("sd", tree.Number(at, "0.01")),))

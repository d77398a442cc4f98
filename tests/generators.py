"""Random programs: texts for the formatter and the fuzzer, and whole models for the certificate."""

from __future__ import annotations

from hypothesis import strategies as st

_NAMES = st.sampled_from(["a", "b", "W", "v", "hh", "x1", "σ", "lambda", "class", "np", "eta", "t0", "rows"])
_NUMBERS = st.sampled_from(["0", "1", "2.5", ".5", "1e-3", "10"])
_COMMENTS = st.sampled_from(["", "  # why", "  # allow: W0402", "  #", "  # ünï ###"])


def expressions() -> st.SearchStrategy[str]:
    """Texts of expressions, with more parentheses than needed."""
    leaves = _NAMES | _NUMBERS

    def extend(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "@", " - "]), inner).map(
                lambda t: f"({t[0]}) {t[1]} ({t[2]})"
            ),
            st.tuples(leaves, st.sampled_from(["+", "*", "@"]), leaves).map(lambda t: f"{t[0]} {t[1]} {t[2]}"),
            inner.map(lambda x: f"-({x})"),
            inner.map(lambda x: f"({x})'"),
            inner.map(lambda x: f"({x})^2"),
            inner.map(lambda x: f"exp({x})"),
            inner.map(lambda x: f"sum({x})"),
            inner.map(lambda x: f"sum[i, j < k] ({x})"),
            inner.map(lambda x: f"sum[i < j <= k, l <= m] ({x})"),
            inner.map(lambda x: f"2 * sum[c in H] -prod[i in c] ({x})"),
            inner.map(lambda x: f"2 * sum[(i, k) in G] -({x})"),
            inner.map(lambda x: f"(sum[i in range(2, 3)] ({x})) * 3"),
            st.tuples(_NAMES, inner).map(lambda t: f"{t[0]}[(i + 1) % 3, {t[1]}]"),
        )

    return st.recursive(leaves, extend, max_leaves=8)


def modules() -> st.SearchStrategy[str]:
    """Texts of files: they parse, and mean nothing."""
    breaks = st.sampled_from(["\n", "\n\n", "\n\n\n", " ", "\n# apart\n"])
    declared = st.tuples(
        st.sampled_from(["dim {0} = {1}", "const {0} : positive = {1}", "let {0} = {1}", "param {0}[{1}] : symmetric = {1}",
                         "visible {0}[{1}, 2] : categorical[{1}]", "param {0}, {0}2[3] = normal(sd = {1})", "graph {0} = grid({1}, periodic = true)"]),
        _NAMES, expressions(), _COMMENTS,
    ).map(lambda t: t[0].format(t[1], t[2]) + t[3])  # fmt: skip
    energies = st.tuples(
        st.sampled_from(["energy = ", "energy part = ", "energy v | h = ", "recognition h | v = "]),
        st.lists(expressions(), min_size=1, max_size=4),
        _COMMENTS,
        st.sampled_from([" + ", "\n  - ", "  # here\n + "]),
    ).map(lambda t: t[0] + t[3].join(f"({x})" for x in t[1]) + t[2])
    others = st.sampled_from(
        [
            "layers v -- h (W) <- k",
            "schedule (v, h*), (k)",
            "energy = sum(v)  # plain",
            "augment part (h, k), rest  # more",
            "marginalise h, k",
            'import "parts/rbm.energy" as rbm  # of the lecture',
            "use rbm",
            "use rbm(I = 2 * K, J = -1,  # sizes\n t = x) as lower on v, h,  # layers\n k = on",
            "use on as on on on",
            "dim I, J = 2, on",
        ]
    )
    pieces = st.lists(st.tuples(st.one_of(declared, energies, others), breaks), max_size=6)
    return pieces.map(lambda ps: "".join(text + ("\n" if "#" in text else "") + gap for text, gap in ps))


# What once was derived wrong, of a layer {0} of two units: statistics at a computed place, chains without wrap, squares of windows,
# terms that hold the units together, literal units, energies of size 1e6.
_PECULIAR = [
    "+ 3*{0}[1]^2",
    "+ 0.5 * sum[i in range(0, 1)] ({0}[i + 1] - {0}[i])^2",
    "+ 0.2 * sum[i in range(1)] (sum[p in range(2)] (p0[p])*{0}[i + p])^2",
    "+ 0.3*{0}[0]^2 + sum[i in range(1, 2)] {0}[i]^2",
    "+ 0.5*{0}[0]*{0}[1]",
    "+ 1e6 * sum({0}^2)",
    "+ 0.5 * sum[i] (0.3*{0}[i] - 0.2*{0}[(i + 1) % 2])^2",
]


def peculiar(draw: st.DrawFn, plain: list[tuple[str, str]], layers: list[tuple[str, str]]) -> list[str]:
    """Terms inside one layer: of any that is no array of states, and of the first binary one."""
    terms = []
    for name, domain in plain:
        if draw(st.integers(0, 3)) == 0 and domain != "count":
            terms.append(draw(st.sampled_from(_PECULIAR)).format(name))
    binary = [name for name, domain in layers if domain == "binary"]
    if binary:
        choices = ["+ 0", f"- sum(softplus({binary[0]}))", f"+ sum({binary[0]})^2"]
        terms.append(draw(st.sampled_from(choices)))
    return terms


# Indices as numbers, over a layer {0} of two units.
_NUMBERED = [
    "",
    "+ sum[i] (i + 0.5)*{0}[i]",
    "- 0.3 * sum[i < k] {0}[i]*{0}[k] / (k - i)^2",
    "+ sum[i, k] exp(i - k / 2)*{0}[i]*{0}[k]",
    "+ 0.4 * prod[i] ({0}[i] - 0.5)",
    "+ sum[i <= j <= k] {0}[i]*{0}[k]*(j + 1)",
]


# Functions of several units: of a form {0} with the free index f, shared by terms, nested once, beside a unit {1}.
_JOINT = [
    "- sum[f] softplus({0})",
    "+ 0.3 * sum[f] r0[f]*({0})^3",
    "+ sum[f] log(1 + ({0})^2)",
    "- 2 * tanh(sum[f] r0[f]*sigmoid({0}))",
    "- log(sum[f] exp({0}))",
    "+ 0.5 * sum[f] cos({0})*({0})",
    "+ sum[f] sqrt(2 + sin({0}) * tanh(r0[f])^2)",
    "- (sum[f] ({0}))^4 / 20",
    "- sum[f, g] {1}*tanh({0} + r0[g])",
]


def joint(draw: st.DrawFn, layers: list[tuple[str, str]]) -> list[str]:
    """Functions of several units of layers with bounds, which nothing falls too fast for."""
    found: list[str] = []
    if not layers or draw(st.integers(0, 2)):
        return found
    chosen = draw(st.lists(st.sampled_from(layers), min_size=1, max_size=2, unique=True))
    parts = ["r0[f]"]
    for name, domain in chosen:
        states = domain.startswith("categorical")
        binders, entry, weight = ("a, b", "[a, b]", "q1[a, b, f]") if states else ("a", "[a]", "q0[a, f]")
        parts.append(f"sum[{binders}] {weight}*{name}{entry}")
    form = " + ".join(f"({p})" for p in parts)
    name, domain = chosen[0]
    beside = f"{name}[g, 0]" if domain.startswith("categorical") else f"{name}[g]"
    for _ in range(draw(st.integers(1, 2))):
        found.append(draw(st.sampled_from(_JOINT)).format(form, beside))
    return found


@st.composite
def models(draw: st.DrawFn) -> str:
    """Whole models over the derived domains, with couplings of any kind between layers and inside them."""
    infinite = {
        "real": "+ sum({0}^2 / (2 * {1}^2))",
        "positive": "+ sum({1} * {0}^2)",
        "count": "+ sum(lgamma({0} + 1))",
    }
    infinite["interval[-1, 2]"] = "+ sum({1} * {0}^2)"
    singular = {"positive": "+ sum((1 - {1}) * log({0}))", "interval[-1, 2]": "- sum({1} * log(2 - {0}))"}
    domains = dict.fromkeys(["binary", "spin", "integer[-1, 1]", *infinite], 1) | {"categorical[3]": 2}
    count = draw(st.integers(1, 3))
    layers = [(f"x{k}", draw(st.sampled_from(sorted(domains)))) for k in range(count)]
    lines, terms, params = [], [], []
    seen = False
    for k, (name, domain) in enumerate(layers):
        if domain in infinite and seen:
            domain = "spin"
        seen |= domain in infinite
        layers[k] = (name, domain)
        role = "visible" if k == 0 or draw(st.booleans()) else "hidden"
        lines.append(f"{role} {name}[2] : {domain}")
        if domain in infinite:
            lines.append(f"param s{k}[2] : positive = 1")
            terms.append(infinite[domain].format(name, f"s{k}"))
            if domain in singular and draw(st.booleans()):
                terms.append(singular[domain].format(name, f"s{k}"))
        if domain.startswith("integer"):
            terms.append(draw(st.sampled_from(["", f"+ sum({name}^2)", f"- 0.3 * sum(exp({name}) * {name})"])))

    def entry(k: int, i: str, a: str) -> str:
        name, domain = layers[k]
        return f"{name}[{i}, {a}]" if domains[domain] == 2 else f"{name}[{i}]"

    def axes(k: int, i: str, a: str) -> list[str]:
        return [i, a] if domains[layers[k][1]] == 2 else [i]

    for number in range(draw(st.integers(1, 5))):
        arity = draw(st.integers(1, 3))
        chosen = [draw(st.integers(0, count - 1)) for _ in range(arity)]
        chosen = [k for n, k in enumerate(chosen) if layers[k][1] not in infinite or n == chosen.index(k)]
        letters = [(f"i{n}", f"a{n}") for n in range(len(chosen))]
        if draw(st.booleans()) and len(chosen) == 2:
            letters[1] = (letters[0][0], letters[1][1])
        binders = list(dict.fromkeys(x for k, (i, a) in zip(chosen, letters, strict=True) for x in axes(k, i, a)))
        product = "*".join(entry(k, i, a) for k, (i, a) in zip(chosen, letters, strict=True))
        sizes = ["3" if x.startswith("a") else "2" for x in binders]
        params.append(f"w{number}[{', '.join(sizes)}]")
        factor = draw(st.sampled_from(["", "0.5 * ", "2 * "]))
        wrap = draw(st.sampled_from(["{}", "exp({})", "{}^2", "tanh({})"]))
        if any(layers[k][1] == "count" for k in chosen):
            factor, wrap = "0.2 * ", "tanh({})"
        weight = wrap.format(f"w{number}[{', '.join(binders)}]")
        sign = draw(st.sampled_from("+-"))
        terms.append(f"{sign} {factor}(sum[{', '.join(binders)}] {weight}*{product})")
    bounded = [(name, domain) for name, domain in layers if domain not in infinite or domain.startswith("interval")]
    terms += joint(draw, bounded)
    terms += peculiar(draw, [(name, domain) for name, domain in layers if domains[domain] == 1], layers)
    finite = [name for name, domain in layers if domain in ("binary", "spin", "integer[-1, 1]")]
    terms += [draw(st.sampled_from(_NUMBERED)).format(finite[0])] if finite else []
    lines += [f"param {p}" for p in (*params, "p0[2]", "q0[2, 2]", "q1[2, 3, 2]", "r0[2]")]
    return "\n".join([*lines, "energy = 0 " + " ".join(terms)])


# Functions of windows {0}, {1} of a layer: alone, in a product, one inside the other's place, beside what holds a single unit {2}.
_OF_WINDOWS = [
    "softplus({0})",
    "0.3*({0})^3",
    "tanh({0})*sigmoid({1})",
    "exp(0.5 * tanh({0} + {1}))",
    "{2}*tanh({0})",
    "tanh(r0 + 2*tanh({0}) - r0*tanh({1}))",
]


@st.composite
def windowed(draw: st.DrawFn) -> str:
    """Models of functions of a few units each, at every place of a chain or ring, with what else may stand beside them."""
    domain, size = draw(st.sampled_from([("binary", 7), ("spin", 7), ("integer[-1, 1]", 5), ("categorical[3]", 4)]))
    ring, states, latent = draw(st.booleans()), domain.startswith("categorical"), draw(st.booleans())

    def unit(place: str, state: str) -> str:
        at = f"({place}) % {size}" if ring else place
        return f"x[{at}, {state}]" if states else f"x[{at}]"

    def window(shift: int) -> str:
        inner, weight = ("p in range(2), a in range(3)", "q1[p, a]") if states else ("p in range(2)", "q0[p]")
        return f"r0 + sum[{inner}] {weight}*{unit(f'k + p + {shift}', 'a')}" + " + h[k]" * latent

    places = size if ring else size - 2
    functions = draw(st.lists(st.sampled_from(_OF_WINDOWS), min_size=1, max_size=2))
    found = [f.format(f"({window(0)})", f"({window(draw(st.integers(0, 1)))})", unit("k", "0")) for f in functions]
    found += draw(st.sampled_from([[], [f"0.5*{unit('k', '1')}*{unit('k + 1', '1')}"]]))
    lines = [f"visible x[{size}] : {domain}", "param q0[2], q1[2, 3], r0"]
    lines += [f"hidden h[{places}] : spin"] if latent and size < 6 else []
    text = "\n".join([*lines, "energy = " + " + ".join(f"sum[k in range({places})] {f}" for f in found)])
    return text if latent and size < 6 else text.replace(" + h[k]", "")

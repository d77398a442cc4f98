"""What is refused of `import` and `use`: `«` marks where the culprit begins, in whichever file; all else is in the message."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

import pytest

import energydsl as ed
from energydsl.api import check
from energydsl.diagnostics import Diagnostic, Source
from energydsl.model.resolve import Overrides

MAIN = "m.energy"
RBM = """model rbm
dim I = 3, J = 2
visible v[I] : binary
hidden h[J] : binary
param W[I, J], b[I] = base_rate(v), c[J]
energy = - b @ v - c @ h - v @ W @ h
"""
OPEN = RBM.replace("dim I = 3, J = 2", "dim I, J = 2")
FIELD = "dim K = 3\nconst t : positive = 1\ninput x[K] : real\nhidden s[K] : spin\nenergy = - t * x @ s\n"
HEAD = 'import "rbm.energy" as rbm\nvisible x[3] : binary\nhidden g[2] : binary, f[2] : binary, k[4] : spin\n'
END = "energy = - sum(x) - sum(g) - sum(f) - sum(k)\n"

# (code, part of the message, the model, other files)
TABLE: list[tuple[str, str, str, dict[str, str]]] = [
    ("E0501", "No such file", HEAD.replace('"rbm.energy"', '«"rmb.energy"') + "use rbm on x, g\n", {}),
    ("E0501", "No such file", 'import «"parts/rbm.energy" as rbm\nuse rbm', {}),
    ("E0501", "a folder", 'import «"d.energy" as d\nuse d', {"d.energy/x.energy": RBM}),
    ("E0502", "lies outside the folder", 'import «"../rbm.energy" as rbm\nuse rbm', {}),
    ("E0502", "lies outside the folder", 'import «"parts/../../rbm.energy" as rbm\nuse rbm', {}),
    ("E0502", "not a relative path", 'import «"/etc/rbm.energy" as rbm\nuse rbm', {}),
    ("E0502", "not a relative path", 'import «"C:\\rbm.energy" as rbm\nuse rbm', {}),
    ("E0502", "not a relative path", 'import «"" as rbm\nuse rbm', {}),
    ("E0502", "not a file of a model", 'import «"secret.txt" as rbm\nuse rbm', {"secret.txt": "secret"}),
    (
        "E0502",
        "lies outside the folder",
        'import "a.energy" as a\nuse a',
        {"a.energy": 'visible v[2] : spin\ngraph G = edges(«"../../e.csv")\nenergy = - sum(v)'},
    ),
    ("E0503", "a.energy -> a.energy", 'import "a.energy" as a\nuse a', {"a.energy": '«import "a.energy" as a\nuse a\n'}),
    (
        "E0503",
        "a.energy -> b.energy -> a.energy",
        'import "a.energy" as a\nuse a',
        {"a.energy": 'import "b.energy" as b\nuse b\n', "b.energy": '«import "a.energy" as a\nuse a\n'},
    ),
    (
        "E0504",
        "more than 8 deep",
        'import "f0.energy" as f\nuse f',
        {f"f{n}.energy": f'{"«" * (n == 7)}import "f{n + 1}.energy" as f\nuse f\n' for n in range(12)},
    ),
    ("E0504", "larger than 1 MiB", 'import «"a.energy" as a\nuse a', {"a.energy": "#" * ((1 << 20) + 1)}),
    (
        "E0504",
        "written out, this model is larger",
        'import "a.energy" as a\n«use a\nuse a as b',
        {"a.energy": "#" * (1 << 19) + "\nconst t = 1"},
    ),
    ("E0505", "has no dim or const `N`", HEAD + "use rbm(«N = 3) on x, g\n", {"rbm.energy": RBM}),
    ("E0505", "has no dim or const `W`", HEAD + "use rbm(«W = 3) on x, g\n", {"rbm.energy": RBM}),
    ("E0505", "has no dim or const `h`", HEAD + "use rbm(«h = 3) on x, g\n", {"rbm.energy": RBM}),
    ("E0505", "has no layer `u`", HEAD + "use rbm on «u = x\n", {"rbm.energy": RBM}),
    ("E0505", "has no layer `I`", HEAD + "use rbm on «I = x\n", {"rbm.energy": RBM}),
    ("E0505", "has 2 layers to bind", HEAD + "use rbm on x, g, «f\n", {"rbm.energy": RBM}),
    ("E0506", "`I` is bound twice", HEAD + "use rbm(I = 3, «I = 4) on x, g\n", {"rbm.energy": RBM}),
    ("E0506", "`v` is bound twice", HEAD + "use rbm on x, «v = f\n", {"rbm.energy": RBM}),
    ("E0506", "bound to both `v` and `h`", HEAD + "use rbm on x, h = «x\n", {"rbm.energy": RBM}),
    ("E0507", "dim `I` of rbm.energy has no value", HEAD + "«use rbm on x, g\n", {"rbm.energy": OPEN}),
    ("E0507", "visible layer `v` of rbm.energy is bound to no", HEAD + "«use rbm on h = g\n", {"rbm.energy": RBM}),
    ("E0507", "dim `I` has no value", OPEN.replace("dim I", "dim «I"), {}),
    ("E0508", "has shape (3), and `x` has (4)", HEAD.replace("3]", "4]") + "use rbm on «x, g\n", {"rbm.energy": RBM}),
    ("E0508", "has shape (3), and `y` has (3, 1)", HEAD + "visible y[3, 1] : binary\nuse rbm on «y\n", {"rbm.energy": RBM}),
    ("E0509", "is binary, and `x` is spin", HEAD.replace("binary", "spin", 1) + "use rbm on «x, g\n", {"rbm.energy": RBM}),
    (
        "E0509",
        'has the letters "TGCA", and `x` has "ACGT"',
        'import "a.energy" as a\nvisible x : categorical[4] = "ACGT"\nuse a on «x',
        {"a.energy": 'visible v : categorical[4] = "TGCA"\nparam b[4]\nenergy = - b @ v'},
    ),
    ("E0504", "larger than 1 MiB", f"{HEAD}«use rbm as {'p' * 99_999} on x, g\n", {"rbm.energy": RBM}),
    (
        "E0509",
        "is categorical[3], and `x` is categorical[4]",
        'import "a.energy" as a\nvisible x : categorical[4]\nuse a on «x',
        {"a.energy": "dim K = 3\nvisible v : categorical[K]\nparam b[K]\nenergy = - b @ v"},
    ),
    ("E0510", "two uses are called `rbm`", HEAD + "use rbm on x, g\nuse «rbm on x, f\n", {"rbm.energy": RBM}),
    ("E0510", "`r_W` comes with this use", HEAD + "param r_W\nuse rbm as «r on x, g\n", {"rbm.energy": RBM}),
    ("E0510", "energy term `r` comes with", HEAD + "energy r = 1\nuse rbm as «r on x, g\n", {"rbm.energy": RBM}),
    (
        "E0510",
        "`W_x_g` comes with this use",
        'import "a.energy" as a\nvisible x : spin\nhidden g : spin\nlayers x -- g\nuse a as «W',
        {"a.energy": "const x_g = 1"},
    ),
    (
        "E0510",
        "`e` is a number in a.energy",
        'import "a.energy" as a\nvisible x : spin\nparam e\nuse a on x\nenergy = - e * x',
        {"a.energy": "visible v : spin\nenergy = - «e * v"},
    ),
    (
        "E0511",
        "`x` of f.energy is an input layer, and `x` is a visible layer",
        'import "f.energy" as f\nvisible x[3] : real\nhidden s[3] : spin\nuse f on «x, s',
        {"f.energy": FIELD},
    ),
    (
        "E0511",
        "`v` of rbm.energy is a visible layer, and `x` is an input layer",
        HEAD.replace("visible x", "input x") + "use rbm on «x, g\n",
        {"rbm.energy": RBM},
    ),
    (
        "E0511",
        "`h` is summed out",
        HEAD + "use rbm on x, «h = g\n",
        {"rbm.energy": RBM + "marginalise h\n"},
    ),
    ("W0408", "rbm.energy is imported and not used", "«" + HEAD + END, {"rbm.energy": RBM}),
    # what other codes say
    ("E0201", "no file is imported as `rmb`", HEAD + "use «rmb on x, g\nuse rbm on x, g\n", {"rbm.energy": RBM}),
    ("E0201", "unknown layer `gg`", HEAD + "use rbm on x, «gg\n", {"rbm.energy": RBM}),
    ("E0201", "`rbm_W` is a param, not a layer", HEAD + "use rbm on x\nuse rbm as s on x, «rbm_W\n", {"rbm.energy": RBM}),
    ("E0201", "unknown dim `N`", HEAD + "use rbm(I = «N) on x, g\n", {"rbm.energy": RBM}),
    ("E0201", "`T` is not declared in rbm.energy", HEAD + "const T = 1\nuse rbm on x, g\n", {"rbm.energy": RBM + "energy = - «T * sum(v)"}),
    ("E0201", "unknown layer `g`", HEAD + "use rbm on x, g\n", {"rbm.energy": RBM + "layers v -- «g"}),
    ("E0202", "two files are imported as", HEAD + 'import "b.energy" as «rbm\nuse rbm on x, g', {"rbm.energy": RBM, "b.energy": RBM}),
    ("E0213", "`t` is positive, and `T` need not be", 'import "f.energy" as f\nconst T = 1\ninput x[3] : real\nhidden s[3] : spin\nuse f(t = «T) on x, s', {"f.energy": FIELD}),
    ("E0101", "found", HEAD + "use rbm on x, g", {"rbm.energy": RBM + "dim «= 3"}),
    ("E0206", "", HEAD + "use rbm on x, g", {"rbm.energy": RBM + "energy more = sum[«W] v[W]"}),
    ("E0209", "", HEAD + "use rbm on x, g", {"rbm.energy": RBM + "energy more = v @ W @ «v"}),
    ("E0211", "not a positive integer", HEAD + "use rbm(I = «1 / 2) on x, g", {"rbm.energy": RBM}),
    ("E0310", "", HEAD + "use rbm on x, g", {"rbm.energy": RBM + "hidden r : real\nenergy more = «exp(exp(r^2))"}),
    ("W0401", "`rbm_u` is not used", HEAD + "use rbm on x, g\n" + END, {"rbm.energy": RBM + "param «u"}),
]  # fmt: skip


def diagnosed(folder: Path, text: str, files: dict[str, str]) -> list[Diagnostic]:
    """What is found in a model whose files are written into the folder, under names relative to it."""
    for name, written in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(written.replace("«", ""))
    with chdir(folder):
        return check(Source(MAIN, text.replace("«", "")), Overrides({}, {}, {}, Path()))


@pytest.mark.parametrize(("code", "message", "text", "files"), TABLE, ids=[f"{t[0]}-{n}" for n, t in enumerate(TABLE)])
def test_the_place_and_the_code(tmp_path: Path, code: str, message: str, text: str, files: dict[str, str]) -> None:
    (name, marked) = next((n, t) for n, t in {MAIN: text, **files}.items() if "«" in t)
    found = diagnosed(tmp_path, text, files)
    matching = [d for d in found if d.code == code]
    assert matching, [d.render() for d in found]
    first = matching[0]
    assert first.span is not None
    assert (first.span.source.name, first.span.start) == (name, marked.index("«")), first.render()
    assert message in first.message
    assert [d for d in found if d.severity == "error" and d.code != code] == []
    if name != MAIN:
        assert first.all_notes[-1].message == "used here"
        assert first.all_notes[-1].span.source.name == MAIN
        assert first.as_dict()["file"] == name
    if code.startswith("E05") or code == "W0408":
        assert first.help


def test_a_string_has_no_folder() -> None:
    with pytest.raises(ed.ModelError, match="without a folder cannot import") as error:
        ed.loads('import "rbm.energy" as rbm\nuse rbm')
    assert [d.code for d in error.value.diagnostics] == ["E0502"]

"""What editors read of the language, from its own tables: `python editors/make.py` writes the files anew."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np

from energydsl.editor.words import OPERATORS, RULES, WORDS
from energydsl.syntax.parser import patterns

HERE = Path(__file__).resolve().parent
MADE = "made by editors/make.py from the tables of the language"
# What TextMate, and what Vim, calls words of a kind.
SCOPES = {
    "statement": "keyword.control",
    "keyword": "keyword.other",
    "later": "invalid.illegal",
    "function": "support.function",
    "domain": "support.type",
    "constraint": "storage.modifier",
    "initialiser": "entity.name.function",
    "generator": "entity.name.function",
}
GROUPS = {
    "statement": "Statement",
    "keyword": "Keyword",
    "later": "Error",
    "function": "Function",
    "domain": "Type",
    "constraint": "StorageClass",
    "initialiser": "Function",
    "generator": "Function",
}


def textmate() -> str:
    """The TextMate grammar, which VS Code and others read. A name is matched last, so that no digit of it is a number."""
    terminals = patterns()
    rules: list[dict[str, object]] = [
        {"name": "comment.line.number-sign.energy", "match": terminals["COMMENT"]},
        {"name": "string.quoted.double.energy", "match": terminals["STRING"]},
    ]
    for rule in RULES:
        scope = f"{SCOPES[rule.kind]}.energy"
        if rule.after:
            rules.append({"match": rf"{rule.after}\s*({rule.pattern})", "captures": {"1": {"name": scope}}})
        else:
            rules.append({"name": scope, "match": rule.pattern})
    signs = sorted(sign for sign in OPERATORS if sign not in "()[],:")
    rules += [
        {"name": "variable.other.energy", "match": terminals["NAME"]},
        {"name": "constant.numeric.energy", "match": terminals["NUMBER"]},
        {"name": "keyword.operator.energy", "match": "|".join("".join(f"\\{c}" for c in s) for s in signs)},
    ]
    grammar = {"$comment": MADE, "name": "energy", "scopeName": "source.energy", "patterns": rules}
    return json.dumps(grammar, indent=2) + "\n"


def vim_syntax() -> str:
    """The syntax file of Vim and Neovim."""
    lines = [f'" Syntax of energydsl models, {MADE}.', 'if exists("b:current_syntax")', "  finish", "endif", ""]
    for rule in RULES:
        words = "\\|".join(rule.words)
        if rule.after or rule.before:
            after = rf"\%({rule.after}\s*\)\@<=" if rule.after else ""
            before = rf"\ze\s*{rule.before}" if rule.before else ""
            lines.append(rf"syntax match energy{rule.kind.title()} /{after}\<\%({words}\)\>{before}/")
        else:
            lines.append(f"syntax keyword energy{rule.kind.title()} {' '.join(rule.words)}")
    lines += [
        r"syntax match energyNumber /\<\d\+\%(\.\d*\)\?\%([eE][+-]\?\d\+\)\?\|\.\d\+\%([eE][+-]\?\d\+\)\?/",
        r"syntax match energyOperator /[-+*\/@^%<>=|&']/",
        'syntax match energyString /"[^"]*"/',
        "syntax match energyComment /#.*$/ contains=energyTodo,@Spell",
        "syntax keyword energyTodo TODO FIXME contained",
        "",
    ]
    kinds = {**GROUPS, "number": "Number", "operator": "Operator", "string": "String", "comment": "Comment"}
    lines += [f"highlight default link energy{kind.title()} {group}" for kind, group in kinds.items()]
    return "\n".join([*lines, "highlight default link energyTodo Todo", "", 'let b:current_syntax = "energy"', ""])


def vim_indent() -> str:
    """The indentation of Vim: a statement begins at the margin, and what goes on with it stands further in."""
    statements = "\\|".join(["#", *(rf"{word}\>" for word in WORDS["statement"])])
    return f"""" Indentation of energydsl models, {MADE}.
if exists("b:did_indent")
  finish
endif
let b:did_indent = 1
setlocal indentexpr=EnergyIndent(v:lnum) indentkeys=o,O,*<Return>,{",".join(f"0={w}" for w in WORDS["statement"])}
let b:undo_indent = "setlocal indentexpr< indentkeys<"

if exists("*EnergyIndent")
  finish
endif

function! EnergyIndent(line)
  let before = prevnonblank(a:line - 1)
  if before == 0 || getline(a:line) =~# '^\\s*\\%({statements}\\)'
    return 0
  endif
  let text = substitute(getline(before), '\\s*#.*$', '', '')
  let open = count(text, '(') + count(text, '[') > count(text, ')') + count(text, ']')
  if open || text =~# '\\%([-+*/@^=,&|:<]\\|--\\)$'
    return indent(before) > 0 ? indent(before) : shiftwidth()
  endif
  return getline(a:line) =~# '^\\s*[-+*/@,&|)]' || getline(a:line) =~# '^\\s*\\]' ? shiftwidth() : 0
endfunction
"""


def icon(size: int = 128) -> bytes:
    """The icon as a PNG: a state at rest in the deeper of two wells."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    u = 3.2 * (x - 0.5)
    height = 0.66 - 0.16 * (u**2 - 1) ** 2 + 0.06 * u
    pixels = np.empty((size, size, 3), np.uint8)
    pixels[:] = (24, 32, 48)
    pixels[y > height] = (58, 96, 160)
    pixels[abs(y - height) < 0.022] = (240, 196, 84)
    pixels[(x - 0.81) ** 2 + (y - 0.585) ** 2 < 0.0058] = (255, 244, 214)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def files() -> dict[str, str]:
    """Every text that is made, by its path."""
    return {
        "vscode/syntaxes/energy.tmLanguage.json": textmate(),
        "vim/syntax/energy.vim": vim_syntax(),
        "vim/indent/energy.vim": vim_indent(),
    }


if __name__ == "__main__":
    for name, text in files().items():
        (HERE / name).write_text(text, encoding="utf-8")
    (HERE / "vscode" / "icon.png").write_bytes(icon())

"""The documentation as a site: built by Sphinx from the pages that come with the package, once, and kept in the cache folder.

Built pages do not come with it: they are five times as large, and the reference is that of the code that is installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from energydsl.backends.kernel_cache import cache_folder, obstacle
from energydsl.diagnostics import EnergyError, suggestion
from energydsl.syntax.resources import folder

NEEDED = ("sphinx", "myst_parser", "furo")
PACKAGE = Path(__file__).resolve().parents[1]


def sources() -> Path:
    """The folder of the pages as they are written."""
    return Path(str(folder("docs")))


def pages() -> dict[str, str]:
    """The name of each page, and its address in the site."""
    written = sorted(p for p in sources().iterdir() if p.suffix in (".md", ".ipynb"))
    return {p.stem: f"{p.stem}.html" for p in written} | {"python": "api/index.html"}


def address(page: str) -> str:
    """Where a page is in the site; of the code of an error, its place. Raises `EnergyError` for one that there is not."""
    known = pages()
    if page in known:
        return known[page]
    code = page.upper()
    if f"## {code}\n" in (sources() / "errors.md").read_text(encoding="utf-8"):
        return f"{known['errors']}#{code.lower()}"
    help = suggestion(page, known) or f"there are {', '.join(known)}, and codes of errors"
    raise EnergyError(f"there is no page `{page}`: {help}")


def kept() -> Path:
    """Where the site of these pages and this code is kept. Raises `EnergyError` where there is no such folder."""
    place = cache_folder()
    why = "there is no home directory" if place is None else obstacle(place)
    if place is None or why:
        raise EnergyError(f"the site cannot be kept: {why}; set ENERGYDSL_CACHE to a folder of your own")
    digest = hashlib.sha256()
    for path in sorted([*sources().rglob("*"), *PACKAGE.rglob("*.py")]):
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return place / f"site-{digest.hexdigest()[:16]}"


def build(target: Path) -> None:
    """Build the site, in place of others that are kept. Raises `EnergyError` where Sphinx is missing or fails."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise EnergyError(
            f'the site is built by {", ".join(missing)}, not installed here: pip install "energydsl[docs]". '
            f"The pages as plain text are in {sources()}"
        )
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    command = [sys.executable, "-P", "-m", "sphinx", "-q", "-d", f"{part}/.doctrees", str(sources()), str(part)]
    path = os.pathsep.join([str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path})
    if done.returncode:
        shutil.rmtree(part, ignore_errors=True)
        raise EnergyError(f"Sphinx could not build the site: {done.stderr.strip()}")
    shutil.rmtree(part / ".doctrees")
    for old in target.parent.glob("site-*"):
        shutil.rmtree(old, ignore_errors=True)
    part.replace(target)

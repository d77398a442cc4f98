"""What `gpu.sh` has left in a folder as one JSON file, or the name of the slowest kernel in a list by ncu.

python benchmarks/gpu_results.py DIR             # DIR/results.json; 1 where a stage failed or is not done
python benchmarks/gpu_results.py --slowest CSV   # of `ncu --csv --metrics gpu__time_duration.sum`
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

METRIC = "gpu__time_duration.sum"
# Stages without which there is no result; those of which one is enough, and what these begin with.
NEEDED, PROFILES, BEGUN = ("tests", "rows"), ("profile", "timeline", "events"), ("ranking",)


def slowest(text: str) -> str:
    """The kernel that takes the most time in all; empty where the list has none. What is no part of the table is passed over."""
    lines = text.splitlines()
    start = next((n for n, line in enumerate(lines) if line.startswith('"ID"')), len(lines))
    total: dict[str, float] = defaultdict(float)
    for row in csv.DictReader(lines[start:]):
        if row.get("Metric Name") == METRIC:
            scale = {"nsecond": 1e-9, "ns": 1e-9, "usecond": 1e-6, "us": 1e-6, "msecond": 1e-3, "ms": 1e-3}
            value = float(row["Metric Value"].replace(",", ""))
            total[_base(row["Kernel Name"])] += value * scale.get(row["Metric Unit"], 1.0)
    return max(total, key=lambda name: total[name]) if total else ""


def _base(signature: str) -> str:
    """The name of a function without what it returns and takes, its template's arguments and its namespace, as ncu takes it."""
    return signature.partition("(")[0].partition("<")[0].split()[-1].split("::")[-1]


def stages(folder: Path) -> dict[str, dict[str, Any]]:
    """Exit code, seconds and last line of each stage that has been run."""
    found = {}
    for path in sorted(folder.glob("*.code")):
        code, seconds = path.read_text().split()
        said = folder / f"{path.stem}.txt"
        last = (said.read_text(errors="replace").strip().splitlines() or [""])[-1] if said.exists() else ""
        found[path.stem] = {"code": int(code), "seconds": int(seconds), "said": last}
    return found


def results(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """All results of a folder, and what failed or is missing."""
    done, rows = stages(folder), folder / "rows.json"
    measured = json.loads(rows.read_text()) if rows.exists() else {"versions": {}, "rows": []}
    begun = {*NEEDED, *(path.stem for path in folder.glob("*.txt"))} - {*PROFILES, *BEGUN}
    wrong = [name for name in sorted(begun) if name not in done or done[name]["code"]]
    if not any(name in done and not done[name]["code"] for name in PROFILES):
        wrong.append("profile")
    return measured | {"stages": done, "failed": wrong}, wrong


def main(arguments: Sequence[str]) -> int:
    """Write the results, or print the name of a kernel."""
    if "--slowest" in arguments:
        print(slowest(Path(arguments[-1]).read_text(errors="replace")))
        return 0
    folder = Path(arguments[0])
    found, wrong = results(folder)
    (folder / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    print(f"failed or not done: {', '.join(wrong)}" if wrong else "all done, none failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Measure the product: `python -m bench` runs everything, `python -m bench NAME --size N` one module.

A module is listed in MODULES and has `run(size: int | None) -> Iterator[Figure]`; times are CPU seconds
(time.process_time). One that needs Django calls django.setup() itself. Figures are printed as a table and kept in
bench/results.json under "NAME: figure", so running one module replaces that module's rows only. Exit code 1 when any
figure of this run misses its limit.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.figures import Figure

MODULES = ("drift", "register", "scoring", "portfolio", "faults")
RESULTS = Path(__file__).parent / "results.json"
COLUMNS = ("name", "size", "value", "unit", "floor", "ratio", "at_least", "limit", "ok")


def measure(module: str, size: int | None) -> Iterator[Figure]:
    """The figures of one module, each named after it."""
    for one in import_module(f"bench.{module}").run(size):
        yield replace(one, name=f"{module}: {one.name}")


def keep(module: str, figures: list[Figure]) -> None:
    """Replace the module's rows in the results file and leave the others."""
    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    others = [row for row in rows if not row["name"].startswith(f"{module}: ")]
    rows = others + [asdict(one) for one in figures]
    # In the order of the registry, so that re-running one module does not reshuffle the file.
    rows.sort(key=lambda row: _rank(row["name"].split(": ")[0]))
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")


def _rank(module: str) -> int:
    return MODULES.index(module) if module in MODULES else len(MODULES)


def table(figures: list[Figure]) -> str:
    """The figures as aligned text."""
    rows = [COLUMNS, *(tuple(_cell(getattr(one, column)) for column in COLUMNS) for one in figures)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> int:
    """Run what the command line asks for; 0 when every limit was kept."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("name", nargs="?", choices=MODULES, help="one module; all when left out")
    parser.add_argument("--size", type=int, help="how much to measure; only with a name")
    arguments = parser.parse_args()
    if arguments.size is not None and (arguments.name is None or arguments.size < 1):
        parser.error("--size needs the name of one module, and must be at least 1")
    figures: list[Figure] = []
    for module in [arguments.name] if arguments.name else MODULES:
        measured = list(measure(module, arguments.size))
        keep(module, measured)
        figures += measured
    print(table(figures))
    return 1 if any(one.ok is False for one in figures) else 0


if __name__ == "__main__":
    sys.exit(main())

"""Try the corners, and write what came of it into docs/versions.md: `make matrix`, or `python -m matrix NAME …`."""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from matrix.corners import CORNERS, Corner

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "versions.md"
TRIED = ("parse", "extras", "contract", "guest")
"""The files of tests/corners."""
_BEGIN, _END = "<!-- the run writes this table -->\n", "<!-- end -->"
_HEAD = ("corner", "Airflow", "Python", "pandas", "scikit-learn", "MLflow client", "MLflow server")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="corners; by default all")
    parser.add_argument("--without", nargs="*", default=[], choices=TRIED, help="what not to try")
    arguments = parser.parse_args()
    known = _rows_of_page()
    failed = False
    for corner in CORNERS:
        if arguments.names and corner.name not in arguments.names:
            continue
        came = {what: _try(corner, what) for what in TRIED if what not in arguments.without}
        failed |= "failed" in came.values()
        known[corner.name] = _row(corner, {**_before(known.get(corner.name)), **came})
        _write([known[each.name] for each in CORNERS if each.name in known])
    return int(failed)


def _try(corner: Corner, what: str) -> str:
    """Run one file of tests in one corner; return `yes`, `failed` or why it was not tried."""
    with tempfile.TemporaryDirectory(prefix="retrain-") as folder:
        report = Path(folder) / "report.xml"
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "", f"--junitxml={report}"]
        # The name as a whole: 3.1 is also the beginning of another one.
        chosen = f"[{corner.name}] or -{corner.name}]"
        subprocess.run([*words, f"tests/corners/test_{what}.py", "-k", chosen], cwd=PROJECT, check=False)
        cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314 - pytest has written it
    if not cases:
        raise RuntimeError(f"no test of {what} is for {corner.name}")
    if any(case.find(kind) is not None for case in cases for kind in ("failure", "error")):
        return "failed"
    skipped = next((found for case in cases if (found := case.find("skipped")) is not None), None)
    return "yes" if skipped is None else f"not tried: {skipped.get('message')}"


def _row(corner: Corner, came: dict[str, str]) -> list[str]:
    pins = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", corner.lock.read_text(encoding="utf-8"), re.M))
    versions = [pins[name] for name in ("apache-airflow", "pandas", "scikit-learn", "mlflow-skinny")]
    airflow, pandas, sklearn, client = versions
    of_corner = [f"**{corner.name}**: {corner.offer}", airflow, corner.python, pandas, sklearn, client, corner.server]
    return [*of_corner, *(came.get(what, "–") for what in TRIED)]


def _before(row: list[str] | None) -> dict[str, str]:
    return {} if row is None else dict(zip(TRIED, row[-len(TRIED) :], strict=True))


def _rows_of_page() -> dict[str, list[str]]:
    text = PAGE.read_text(encoding="utf-8")
    lines = text[text.index(_BEGIN) + len(_BEGIN) : text.index(_END)].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| **")]
    return {row[0].split("**")[1]: row for row in rows}


def _write(rows: list[list[str]]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    lines = [[*_HEAD, *TRIED], ["---"] * (len(_HEAD) + len(TRIED)), *rows]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    page = text[: text.index(_BEGIN) + len(_BEGIN)] + table + text[text.index(_END) :]
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())

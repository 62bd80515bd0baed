"""An interpreter that has nothing but what models say that they need."""

import subprocess
import sys
from pathlib import Path

from matrix.environments import UV


def python_with(requirements: str, folder: Path) -> str:
    """Make an environment in a new folder of these lines of a requirements.txt; return its interpreter."""
    folder.mkdir()
    # MLflow's server is not needed to load a model.
    (folder / "requirements.txt").write_text(requirements.replace("mlflow==", "mlflow-skinny=="), encoding="utf-8")
    python = str(folder / "venv" / "bin" / "python")
    for words in (
        ["venv", "--python", sys.executable, str(folder / "venv")],
        ["pip", "install", "--python", python, "-r", str(folder / "requirements.txt")],
    ):
        subprocess.run([UV, *words], check=True, capture_output=True)
    return python

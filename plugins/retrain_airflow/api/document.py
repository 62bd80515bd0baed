"""Writes the API's OpenAPI document: `python -m retrain_airflow.api.document FILE`. Needs no Airflow and no MLflow."""

import json
import sys
from pathlib import Path
from typing import Any, cast

from retrain_airflow.api.app import create_app


def text() -> str:
    nothing = cast(Any, None)  # which the document is not made of
    return json.dumps(create_app(nothing, nothing).openapi(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")

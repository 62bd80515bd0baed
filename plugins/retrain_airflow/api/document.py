"""Writes the API's OpenAPI document: `python -m retrain_airflow.api.document FILE`. Needs no Airflow and no MLflow."""

import json
import sys
from pathlib import Path
from typing import Any, cast

from retrain_airflow.api.app import create_app


def text() -> str:
    unused = cast(Any, None)  # the document does not depend on the backend
    return json.dumps(create_app(unused, unused).openapi(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")

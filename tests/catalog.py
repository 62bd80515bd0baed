"""A registry like Unity Catalog, in front of MLflow's: it has no stages, and refuses what that refuses."""

import json
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.tap import Tap

_SEARCHES = ("/model-versions/search", "/registered-models/search")


class Catalog(Tap):
    def refusal(self, request: BaseHTTPRequestHandler, body: bytes) -> bytes | None:
        path, asked = _path(request), parse_qs(urlsplit(request.path).query)
        if path.endswith("/model-versions/transition-stage"):
            return _error("transition_model_version_stage is not for this registry")
        if path.endswith(_SEARCHES) and "order_by" in asked:
            return _error("Argument 'order_by' is unsupported")
        # The condition on prompts is the client's own, which it leaves out where the registry is Unity Catalog.
        if path.endswith("/registered-models/search") and "is_prompt" not in asked.get("filter", ["is_prompt"])[0]:
            return _error("Argument 'filter_string' is unsupported")
        if path.endswith("/model-versions/search") and " AND " in asked.get("filter", [""])[0]:
            return _error("one condition is supported, on name or run_id")
        if path.endswith("/registered-models/create") and json.loads(body)["name"].count(".") != 2:
            return _error("a name has three parts: catalog.schema.model")
        return None

    def changed(self, request: BaseHTTPRequestHandler, content: bytes) -> bytes:
        if "/model-versions/" not in request.path and "/registered-models/" not in request.path:
            return content
        left_out = {"current_stage", *(("tags", "aliases") if _path(request).endswith(_SEARCHES) else ())}
        return json.dumps(_without(left_out, json.loads(content or b"{}"))).encode()


def _path(request: BaseHTTPRequestHandler) -> str:
    return urlsplit(request.path).path


def _error(message: str) -> bytes:
    return json.dumps({"error_code": "BAD_REQUEST", "message": message}).encode()


def _without(names: set[str], value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without(names, each) for name, each in value.items() if name not in names}
    return [_without(names, each) for each in value] if isinstance(value, list) else value

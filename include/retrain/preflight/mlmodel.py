"""The description of a model, its file `MLmodel`, as whoever may write into the store may have written it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

MOST_BYTES = 4_000_000
_DEEPEST = 64
_PICKLES = (".pkl", ".pickle", ".cloudpickle", ".joblib", ".dill", ".pt", ".pth")
"""Endings of files that can run any code when they are loaded; PyTorch's hold pickles."""
_WRITTEN_LATER = {
    *("MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt", "constraints.txt"),
    *("environment_variables.txt", "registered_model_meta"),
}
"""Files that MLflow writes after it has measured `model_size_bytes`."""


@dataclass(frozen=True)
class MLmodel:
    about: Mapping[str, Any]

    @staticmethod
    def read(content: bytes) -> "MLmodel":
        """Raises ValueError with a clause that says what is wrong."""
        try:
            text = content.decode()
            _refuse_deep(text)
            # Every value stays a text: nothing is built that a text could make slow or large.
            about = yaml.load(text, yaml.CBaseLoader)  # noqa: S506 - it builds nothing but texts, lists and mappings
        except UnicodeDecodeError:
            raise ValueError("it is not a text in UTF-8") from None
        except yaml.YAMLError as error:
            raise ValueError(f"it is not YAML: {' '.join(str(error).split())[:200]}") from None
        if not isinstance(about, dict):
            raise ValueError("it holds no fields")
        return MLmodel(about)

    def text(self, name: str) -> str | None:
        value = self.about.get(name)
        return value if isinstance(value, str) and value not in ("", "null") else None

    @property
    def size(self) -> int | None:
        """Bytes of the files, without those that were written later."""
        text = self.text("model_size_bytes") or ""
        return int(text) if text.isdecimal() and len(text) < 19 else None

    @property
    def flavors(self) -> dict[str, Mapping[str, Any]]:
        flavors = self.about.get("flavors")
        given = flavors.items() if isinstance(flavors, dict) else ()
        return {str(name): fields if isinstance(fields, dict) else {} for name, fields in given}

    @property
    def has_signature(self) -> bool:
        signature = self.about.get("signature")
        return isinstance(signature, dict) and bool(signature.get("inputs") or signature.get("params"))

    @property
    def python(self) -> str | None:
        found = self.flavors.get("python_function", {}).get("python_version")
        return found if isinstance(found, str) else None

    @property
    def trusts(self) -> list[str]:
        """The types that whoever loads it with MLflow is asked to trust."""
        lists = (fields.get("skops_trusted_types") for fields in self.flavors.values())
        return [each for found in lists if isinstance(found, list) for each in found if isinstance(each, str)]

    def named_files(self) -> Iterator[str]:
        """Yield the files and folders that it names, without which it cannot be loaded."""
        for fields in self.flavors.values():
            for name in (
                "model_path",
                "pickled_model",
                "data",
                "python_model",
                "model_data",
                "code",
                "model_code_path",
            ):
                value = fields.get(name)
                if isinstance(value, str) and value not in ("", "null", "."):
                    yield value

    def pickles(self, files: Iterator[str]) -> list[str]:
        """Return which of the files are pickles, by their names."""
        return sorted(file for file in files if file.lower().endswith(_PICKLES))


def measured(path: str) -> bool:
    """Return whether a file counts for `model_size_bytes`."""
    return path not in _WRITTEN_LATER


def _refuse_deep(text: str) -> None:
    """Refuse what is too deep before it is built: what builds it calls itself for each level, in C."""
    depth = 0
    for event in iter(yaml.CSafeLoader(text).get_event, None):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} deep")

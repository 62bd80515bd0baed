"""What the code says about its own fields: the text behind an attribute, which Python itself does not keep."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise


def docs_of(kind: type) -> dict[str, str]:
    """Return the text behind each attribute of a class, in one line; what it inherits comes first."""
    found = dict[str, str]()
    for each in reversed(kind.__mro__):
        if each.__module__.startswith("retrain."):
            found.update(_own(each))
    return found


def _own(kind: type) -> Iterator[tuple[str, str]]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for statement, after in pairwise(body):
        match statement, after:
            case (
                (ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)])),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, " ".join(text.split())


def doc_of(kind: type) -> str:
    """Return what a class says of itself: each of its paragraphs in one line."""
    return "\n\n".join(" ".join(part.split()) for part in (kind.__doc__ or "").split("\n\n"))

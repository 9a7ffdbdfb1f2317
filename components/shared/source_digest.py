"""What code does, as a digest.

Comments, docstrings and layout don't count, so that a better sentence costs no training.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def source_digest(path: Path) -> bytes:
    """SHA-256 (32 bytes) of a file: of Python its syntax tree, of anything else its bytes.

    The same on every supported version of Python: `ast.dump` isn't.
    """
    status = path.stat()
    return _digest(path, status.st_mtime_ns, status.st_size)


@cache
def _digest(path: Path, modified: int, size: int) -> bytes:
    content = path.read_bytes()
    try:
        tree = ast.parse(content) if path.suffix == ".py" else None
    except (SyntaxError, ValueError):
        tree = None
    return hashlib.sha256(
        content if tree is None else repr(_plain(tree)).encode("utf-8", "surrogatepass")
    ).digest()


def _plain(value: Any) -> Any:
    """Return a syntax tree as tuples: node, then each field that holds something, by name."""
    if isinstance(value, ast.AST):
        fields: list[Any] = [type(value).__name__]
        for name in value._fields:
            item: Any = getattr(value, name, None)
            if (
                name == "body"
                and isinstance(value, _DOCUMENTED)
                and ast.get_docstring(value, clean=False) is not None
            ):
                item = item[1:]
            if item is not None and item != []:
                fields.append((name, _plain(item)))
        return tuple(fields)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value

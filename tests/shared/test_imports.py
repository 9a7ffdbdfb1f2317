"""The import rules of the architecture, read off the source."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from pipelines.code_version import COMPONENTS, ROOT, SHARED

FILES = sorted((ROOT / "components").rglob("*.py"))
WRITES_JOBLIB = ROOT / "components" / "training" / "export" / "interchange.py"
# What modules of the shared package import beyond the standard library; the others import nothing
# else.
OUTSIDE = {
    "artifacts/examples.py": {"pyarrow"},
    "artifacts/signing.py": {"cryptography"},
    "images/": {"PIL", "numpy"},
    "inference/": {"ai_edge_litert", "numpy"},
    "statistics.py": {"numpy"},
    "store/google.py": {"google", "requests"},
    "store/s3.py": {"boto3", "botocore"},
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def packages(path: Path) -> set[str]:
    return {
        name.split(".")[1]
        for name in imported(path)
        if name.startswith("components.") and name.split(".")[1] in (*COMPONENTS, *SHARED)
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_components_import_the_shared_packages_and_never_one_another(path: Path) -> None:
    parts = path.relative_to(ROOT / "components").parts
    if len(parts) == 1:
        return
    own = parts[0]
    allowed = {own, *SHARED}
    assert packages(path) <= allowed, f"{path} imports {packages(path) - allowed}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_kfp_stays_outside_the_images(path: Path) -> None:
    if path.name != "component.py":
        assert not {name for name in imported(path) if name.split(".")[0] in ("kfp", "pipelines")}


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "components" / "shared").rglob("*.py")),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_the_shared_package_needs_few_libraries(path: Path) -> None:
    outside = (
        {name.split(".")[0] for name in imported(path)}
        - set(sys.stdlib_module_names)
        - {"components"}
    )
    name = path.relative_to(ROOT / "components" / "shared").as_posix()
    assert outside <= set().union(
        *(libraries for prefix, libraries in OUTSIDE.items() if name.startswith(prefix))
    )


def test_no_pickle_is_ever_loaded() -> None:
    guilty = [
        path
        for path in FILES
        if imported(path) & {"pickle", "joblib", "cloudpickle", "dill", "shelve"}
    ]
    assert guilty == [WRITES_JOBLIB]
    called = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(WRITES_JOBLIB.read_text()))
        if isinstance(node, ast.Call)
    }
    assert {name for name in called if name.startswith("joblib.")} == {"joblib.dump"}


def test_every_test_folder_has_its_environment() -> None:
    from tests.run import FOLDERS

    assert {
        path.name for path in (ROOT / "tests").iterdir() if (path / "__init__.py").exists()
    } == set(FOLDERS)

"""The launcher inside a task's pod: what it starts, and what it makes of the outputs.

backend/src/v2/component/launcher_v2.go of 2.17.0: addDefaultParams, compileCmdAndArgs,
getPlaceholders, execute, collectOutputParameters, uploadOutputArtifacts.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.pipelines.kfp_backend.compiled import BackendError, Json
from tests.pipelines.kfp_backend.driver import as_text, local_path


def command_line(words: list[str], executor_input: Json, component: Json, root: Path) -> list[str]:
    """The command line of the user's program.

    Every placeholder of the launcher replaced, wherever it stands in a word.

    Args:
        words: as the driver left them. root: a folder that stands for the pod's root; every path
            begins with it.
    """
    filled = _with_defaults(executor_input, component)
    replacements = {
        "{{$}}": json.dumps(_rooted(filled, root), ensure_ascii=False),
        **_placeholders(filled, root),
    }
    return [words[0], *(_replaced(word, replacements) for word in words[1:])]


def _replaced(word: str, replacements: dict[str, str]) -> str:
    for placeholder, text in replacements.items():
        word = word.replace(placeholder, text)
    return word


def _with_defaults(executor_input: Json, component: Json) -> Json:
    values = dict(executor_input["inputs"]["parameterValues"])
    for name, definition in component.get("inputDefinitions", {}).get("parameters", {}).items():
        if "defaultValue" in definition and name not in values:
            values[name] = definition["defaultValue"]
    return {**executor_input, "inputs": {**executor_input["inputs"], "parameterValues": values}}


def _placeholders(executor_input: Json, root: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for side in ("inputs", "outputs"):
        for name, value in executor_input[side]["artifacts"].items():
            uri = value["artifacts"][0]["uri"]
            found[f"{{{{$.{side}.artifacts['{name}'].uri}}}}"] = uri
            found[f"{{{{$.{side}.artifacts['{name}'].path}}}}"] = str(at(root, local_path(uri)))
    for name, value in executor_input["inputs"]["parameterValues"].items():
        found[f"{{{{$.inputs.parameters['{name}']}}}}"] = as_text(value)
    for name, value in executor_input["outputs"]["parameters"].items():
        found[f"{{{{$.outputs.parameters['{name}'].output_file}}}}"] = str(
            at(root, value["outputFile"])
        )
    return found


def prepare_outputs(executor_input: Json, root: Path) -> None:
    """Make the folders of the outputs; in a pod's fresh file system none of the files is there."""
    outputs = executor_input["outputs"]
    paths = [
        outputs["outputFile"],
        *(value["outputFile"] for value in outputs["parameters"].values()),
    ]
    paths += [local_path(value["artifacts"][0]["uri"]) for value in outputs["artifacts"].values()]
    for path in (at(root, path) for path in paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)


def collect_outputs(executor_input: Json, component: Json, root: Path) -> tuple[Json, Json]:
    """Output parameters and artifacts of a task that ended well.

    Raises BackendError where a parameter wasn't written.

    What the program itself put into its executor output comes first. An artifact may be missing: a
    warning, no failure.
    """
    outputs = executor_input["outputs"]
    file = at(root, outputs["outputFile"])
    said: Json = json.loads(file.read_text()) if file.is_file() else {}
    parameters: Json = dict(said.get("parameterValues", {}))
    kinds = component.get("outputDefinitions", {}).get("parameters", {})
    for name, value in outputs["parameters"].items():
        if name in parameters:
            continue
        try:
            text = at(root, value["outputFile"]).read_text()
        except OSError as error:
            raise BackendError(f"failed to read output parameter name={name!r}: {error}") from error
        parameters[name] = _typed(name, text, kinds[name]["parameterType"])
    artifacts = {}
    for name, value in outputs["artifacts"].items():
        own = (said.get("artifacts", {}).get(name, {}).get("artifacts") or [{}])[0]
        artifacts[name] = {
            "artifacts": [{**value["artifacts"][0], "metadata": own.get("metadata", {})}]
        }
    return parameters, artifacts


def _typed(name: str, text: str, kind: str) -> Any:
    """metadata/converter.go, TextToPbValue."""
    if kind == "STRING":
        return text
    if kind == "BOOLEAN" and text.strip().lower() in ("true", "false"):
        return text.strip().lower() == "true"
    if kind in ("NUMBER_INTEGER", "NUMBER_DOUBLE"):
        return float(text)
    if kind in ("LIST", "STRUCT") and isinstance(
        value := json.loads(text), list if kind == "LIST" else dict
    ):
        return value
    raise BackendError(f"output parameter {name!r}: {text!r} is no {kind}")


def _rooted(executor_input: Json, root: Path) -> Json:
    """The executor input with the files' paths below the root.

    Addresses of artifacts stay: programs take paths from arguments.
    """
    if root == Path("/"):
        return executor_input
    outputs = executor_input["outputs"]
    parameters = {
        name: {"outputFile": str(at(root, value["outputFile"]))}
        for name, value in outputs["parameters"].items()
    }
    return {
        **executor_input,
        "outputs": {
            **outputs,
            "parameters": parameters,
            "outputFile": str(at(root, outputs["outputFile"])),
        },
    }


def at(root: Path, path: str) -> Path:
    return root / path.lstrip("/")

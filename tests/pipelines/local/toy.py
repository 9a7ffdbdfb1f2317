"""A tiny pipeline for tests of the local runner.

Its steps are Python one-liners in the reporting environment.
"""

from kfp import dsl
from kfp.dsl import Artifact, Input, Output

IMAGE = "localhost/emotion-reporting:toy"
COMMAND = ["python", "-m", "tests.pipelines.local.toy_step"]


@dsl.container_component
def first(say: str, folder: str, word: dsl.OutputPath(str), note: Output[Artifact]):  # type: ignore[valid-type]
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=[
            "first",
            "--say",
            say,
            "--folder",
            folder,
            "--word",
            word,
            "--note",
            note.path,
            "--executor-input",
            "{{$}}",
        ],
    )


@dsl.container_component
def second(folder: str, note: Input[Artifact]):
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=["second", "--folder", folder, "--note", note.path, "--executor-input", "{{$}}"],
    )


@dsl.container_component
def last(folder: str, status: dsl.PipelineTaskFinalStatus):
    return dsl.ContainerSpec(
        image=IMAGE,
        command=COMMAND,
        args=["last", "--folder", folder, "--status", status, "--executor-input", "{{$}}"],
    )


@dsl.pipeline(name="branch")
def branch(word: str, folder: str, note: Input[Artifact]):
    with dsl.If(word == "go"):
        second(folder=folder, note=note)


@dsl.pipeline(name="toy")
def toy(say: str, folder: str):
    ending = last(folder=folder)
    ending.set_caching_options(False)
    with dsl.ExitHandler(ending):
        begun = first(say=say, folder=folder)
        branch(word=begun.outputs["word"], folder=folder, note=begun.outputs["note"])

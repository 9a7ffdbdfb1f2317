"""The nightly retraining, as one kfp pipeline.

Each condition stands in a pipeline of its own and tests that pipeline's input: `kfp.local` resolves
no other form, and on a cluster it reads the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model

from components.deployment.component import deploy, register
from components.evaluation.component import evaluate, gate
from components.ingestion.component import ingest, resolve
from components.reporting.component import report
from components.resampling.component import resample
from components.serving.component import check_serving
from components.training.component import train
from components.validation.component import validate
from pipelines.resources import RUN, place


@contextmanager
def when(condition: object, name: str) -> Iterator[None]:
    """A condition with a name that is unique across nested pipelines.

    kfp numbers conditions per pipeline, and renumbers those that collide in the order of a protobuf
    map, which differs from process to process.
    """
    with dsl.If(condition, name=name) as group:
        group.name = f"condition-{name}"
        yield


@dsl.pipeline(name="promote")
def promote(word: str, preset: str, store: str, run_id: str, model: Input[Model], verdict: Input[Artifact]) -> None:
    """Blessed: the challenger becomes the champion. Needs approval: it waits in the registry for a person."""
    common = {"preset": preset, "store": store, "run_id": run_id}
    with when(word == "blessed", "blessed"):
        place(deploy(**common, model=model, verdict=verdict))
    with when(word == "needs-approval", "needs-approval"):
        place(register(**common, model=model, verdict=verdict))


@dsl.pipeline(name="retrain")
def retrain(decision: str, preset: str, store: str, run_id: str, plan: str, code_version: str, examples: Input[Dataset]) -> None:
    """Valid data: train a challenger and judge it."""
    with when(decision == "go", "valid-data"):
        common = {"preset": preset, "store": store, "run_id": run_id}
        sampling = place(resample(**common, examples=examples))
        trained = place(train(**common, code_version=code_version, examples=examples, sampling_plan=sampling.outputs["sampling_plan"]))
        model = trained.outputs["model"]
        scored = place(evaluate(**common, plan=plan, examples=examples, model=model))
        checked = place(check_serving(**common, plan=plan, model=model))
        judged = place(gate(**common, plan=plan, evaluation=scored.outputs["evaluation"], serving_check=checked.outputs["serving_check"]))
        promote(word=judged.outputs["word"], **common, model=model, verdict=judged.outputs["verdict"])


@dsl.pipeline(name="night")
def night(work: str, preset: str, store: str, run_id: str, plan: str, code_version: str) -> None:
    """New data, code or preset: read the images and judge them."""
    with when(work == "new", "new-work"):
        common = {"preset": preset, "store": store, "run_id": run_id, "plan": plan}
        read = place(ingest(**common))
        checked = place(validate(**common, examples=read.outputs["examples"]))
        retrain(decision=checked.outputs["decision"], **common, code_version=code_version, examples=read.outputs["examples"])


@dsl.pipeline(
    name="emotion-retraining",
    description="Nightly retraining of a facial-emotion classifier behind evaluation gates.",
    pipeline_config=RUN,
)
def retraining(preset: str, source: str, store: str, run_id: str = "", code_version: str = "", force: bool = False) -> None:
    """resolve → ingest → validate → resample → train → evaluate → check serving → gate → deploy; report always."""
    page = place(report(preset=preset, store=store, run_id=run_id))
    with dsl.ExitHandler(page, name="night-watch"):
        found = place(resolve(preset=preset, source=source, store=store, run_id=run_id, code_version=code_version, force=force))
        night(
            work=found.outputs["work"], preset=preset, store=store, run_id=found.outputs["run"],
            plan=found.outputs["plan"], code_version=code_version,
        )  # fmt: skip

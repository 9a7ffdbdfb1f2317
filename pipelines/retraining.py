"""The nightly retraining, as one kfp pipeline.

Each condition stands in a pipeline of its own and tests that pipeline's input: `kfp.local` resolves
no other form, and on a cluster it reads the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model
from kfp.dsl.base_component import BaseComponent

from components.deployment.component import deploy, register
from components.evaluation.component import evaluate, gate
from components.ingestion.component import ingest, resolve
from components.reporting.component import report
from components.resampling.component import resample
from components.serving.component import check_serving
from components.training.component import train
from components.validation.component import validate
from pipelines.resources import RUN, Cluster


@contextmanager
def when(condition: object, name: str, title: str) -> Iterator[None]:
    """Open a condition with a name that is unique across nested pipelines, and a title for people.

    kfp numbers conditions per pipeline, and renumbers those that collide in the order of a protobuf
    map, which differs from process to process.
    """
    with dsl.If(condition, name=name) as group:
        group.name = f"condition-{name}"
        group.display_name = title
        yield


def retraining(cluster: Cluster) -> BaseComponent:
    """Return the pipeline with the sizes, volumes and default parameters of a cluster."""
    place = cluster.place

    @dsl.pipeline(name="promote")
    def promote(
        word: str,
        preset: str,
        store: str,
        run_id: str,
        model: Input[Model],
        verdict: Input[Artifact],
    ) -> None:
        """Promote the blessed challenger, or ask a person.

        Args:
            word: The gate's word: blessed, rejected or needs-approval.
            preset: Digest of the preset, which resolve stored.
            store: Root of what outlives runs: gs://bucket/prefix, s3://bucket/prefix or
                pvc://claim/path.
            run_id: Name of the run in the store.
            model: The challenger: the served file, what it takes and answers, and golden images.
            verdict: The gate's word, and every check with its value, bound and reason.
        """
        common = {"preset": preset, "store": store, "run_id": run_id}
        with when(word == "blessed", "blessed", "Blessed"):
            place(deploy(**common, model=model, verdict=verdict))
        with when(word == "needs-approval", "needs-approval", "Needs approval"):
            place(register(**common, model=model, verdict=verdict))

    @dsl.pipeline(name="retrain")
    def retrain(
        decision: str,
        preset: str,
        store: str,
        run_id: str,
        plan: str,
        code_version: str,
        examples: Input[Dataset],
    ) -> None:
        """Train a challenger on valid data and judge it.

        Args:
            decision: What validation decided: go or stop.
            preset: Digest of the preset, which resolve stored.
            store: Root of what outlives runs: gs://bucket/prefix, s3://bucket/prefix or
                pvc://claim/path.
            run_id: Name of the run in the store.
            plan: Digest of the run plan, which resolve stored.
            code_version: Digest of the code and locks that the steps run with.
            examples: Accepted images with their labels and splits.
        """
        with when(decision == "go", "valid-data", "Valid data"):
            common = {"preset": preset, "store": store, "run_id": run_id}
            sampling = place(resample(**common, examples=examples))
            trained = place(
                train(
                    **common,
                    code_version=code_version,
                    examples=examples,
                    sampling_plan=sampling.outputs["sampling_plan"],
                )
            )
            model = trained.outputs["model"]
            scored = place(evaluate(**common, plan=plan, examples=examples, model=model))
            checked = place(check_serving(**common, plan=plan, model=model))
            measured = {
                "evaluation": scored.outputs["evaluation"],
                "serving_check": checked.outputs["serving_check"],
            }
            judged = place(gate(**common, plan=plan, **measured))
            promoted = promote(
                word=judged.outputs["word"],
                **common,
                model=model,
                verdict=judged.outputs["verdict"],
            )
            promoted.set_display_name("Promote")

    @dsl.pipeline(name="night")
    def night(
        work: str, preset: str, store: str, run_id: str, plan: str, code_version: str
    ) -> None:
        """Read new images and judge them.

        Args:
            work: What resolve decided: new or nothing-new.
            preset: Digest of the preset, which resolve stored.
            store: Root of what outlives runs: gs://bucket/prefix, s3://bucket/prefix or
                pvc://claim/path.
            run_id: Name of the run in the store.
            plan: Digest of the run plan, which resolve stored.
            code_version: Digest of the code and locks that the steps run with.
        """
        with when(work == "new", "new-work", "New data, code or preset"):
            common = {"preset": preset, "store": store, "run_id": run_id, "plan": plan}
            read = place(ingest(**common))
            checked = place(validate(**common, examples=read.outputs["examples"]))
            trained = retrain(
                decision=checked.outputs["decision"],
                **common,
                code_version=code_version,
                examples=read.outputs["examples"],
            )
            trained.set_display_name("Train and judge a challenger")

    @dsl.pipeline(
        name="emotion-retraining",
        display_name="Emotion retraining",
        description="Nightly retraining of a facial-emotion classifier behind evaluation gates.",
        pipeline_config=RUN,
    )
    def emotion_retraining(
        preset: str = cluster.preset,
        source: str = cluster.source,
        store: str = cluster.store,
        run_id: str = "",
        code_version: str = cluster.code_version,
        force: bool = False,
    ) -> None:
        """Run resolve → ingest → validate → resample → train → evaluate → check serving → gate → deploy; report always.

        Args:
            preset: Name of a shipped preset, or the JSON text of one. The tasks of this version
                have the sizes of the default's; a preset that needs more is refused.
            source: Address of the images (gs://, s3://, pvc:// or kaggle://), or a JSON list of
                several; empty where the preset names them.
            store: Root of what outlives runs: gs://bucket/prefix, s3://bucket/prefix or
                pvc://claim/path.
            run_id: Name of the run in the store; empty for its id in Kubeflow Pipelines.
            code_version: Digest of the code and locks that the steps run with; part of what makes a
                run new.
            force: Retrain even when nothing is new.
        """
        job = (
            dsl.PIPELINE_JOB_ID_PLACEHOLDER
        )  # the driver replaces it only where it is the whole value of a task's parameter
        page = place(report(store=store, run_id=run_id, job_id=job))
        with dsl.ExitHandler(page, name="night-watch") as watched:
            watched.display_name = "Retrain"
            found = place(
                resolve(
                    preset=preset,
                    source=source,
                    store=store,
                    run_id=run_id,
                    job_id=job,
                    compiled_for=cluster.device,
                    code_version=code_version,
                    force=force,
                )
            )
            new = night(
                work=found.outputs["work"],
                preset=found.outputs["preset_digest"],
                store=store,
                run_id=found.outputs["run"],
                plan=found.outputs["plan"],
                code_version=code_version,
            )
            new.set_display_name("Read new data")

    return emotion_retraining

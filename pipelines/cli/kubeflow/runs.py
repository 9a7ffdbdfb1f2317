"""`emotion submit`, `schedule` and `unschedule`: runs on a cluster with Kubeflow Pipelines."""

from __future__ import annotations

import secrets
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from components.shared.errors import InputError
from components.shared.preset import Preset
from components.shared.preset.sources import joined_uri
from components.shared.serialization import to_json
from components.shared.store.interface import claim_of
from pipelines import code_version, presets
from pipelines.cli.hints import hint
from pipelines.cli.kubeflow.connection import (
    Auth,
    CaFile,
    Host,
    Name,
    Namespace,
    PresetName,
    connect,
    named,
    schedule_name,
)
from pipelines.cli.terminal import console

if TYPE_CHECKING:
    from pipelines.cluster.publish import About
    from pipelines.resources import Cluster

SCHEDULED_AT = "0 30 2 * * *"
STORES = ("gs://", "s3://", "pvc://")

Data = Annotated[
    list[str] | None,
    typer.Option(
        help=(
            "Images that the cluster reads: gs://, s3://, pvc:// or kaggle://. Several times:"
            " joined. Left out where the preset names them."
        )
    ),
]
RemoteStore = Annotated[
    str,
    typer.Option(
        "--store",
        help=(
            "What outlives runs: gs://bucket/prefix, s3://bucket/prefix or pvc://claim/path. A"
            " claim is mounted in every task at /mnt/emotion/CLAIM. It needs: ReadWriteMany, in the"
            " run's namespace; its folder writable for user and group 65532, as which tasks run"
            " (Kubeflow's SDK sets no fsGroup); file locks that hold between nodes (NFS 4 or"
            " CephFS, no bucket under FUSE). Models are served from it where their namespace (the"
            " preset's serving.namespace) has a claim of that name on the same volume."
        ),
    ),
]
Registry = Annotated[
    str,
    typer.Option(
        help=(
            "Registry that holds the images. Not needed after `make push`, which recorded their"
            " digests in build/images.json."
        )
    ),
]
Gpu = Annotated[
    bool | None,
    typer.Option(
        "--gpu/--no-gpu",
        help=(
            "Train on the GPU pool, in the image of `make push GPU=1`, or on any node. By default"
            " as training.device of the preset."
        ),
    ),
]
ServiceAccount = Annotated[
    str, typer.Option(help="Identity of the run's pods: it opens the store (workload identity).")
]


def submit(
    store: RemoteStore,
    preset: PresetName = presets.DEFAULT,
    data: Data = None,
    run_id: Annotated[
        str,
        typer.Option(
            help="Name of the run. Submitted again under the same name, a run isn't started twice."
        ),
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Retrain even when nothing is new.")
    ] = False,
    registry: Registry = "",
    gpu: Gpu = None,
    service_account: ServiceAccount = "emotion-run",
    host: Host = "",
    auth: Auth = "",
    namespace: Namespace = "",
    ca_file: CaFile = None,
) -> None:
    """Run the pipeline on a cluster, once, now.

    The compiled pipeline is uploaded as a version that is named by its content, unless it stands
    there already.

    [dim]Examples:[/]
      emotion submit --preset fer2013-cnn --data gs://bucket/fer2013.zip --store gs://bucket/store --host http://localhost:8888
      emotion submit --store s3://mlpipeline/emotion --data s3://mlpipeline/faces --no-gpu --registry localhost:5001
      emotion submit --preset fer2013-cnn --store pvc://emotion/store --data pvc://emotion/fer2013.zip --host http://localhost:8888
      emotion submit … --host https://kubeflow.example/pipeline --auth cookie-file:~/.dex-cookie --namespace anna
    """
    chosen = presets.preset(preset)
    # Two who submit in the same second are two runs.
    name = (
        named("run", run_id)
        or f"{datetime.now(timezone.utc):%Y%m%d-%H%M%S}-{preset}-{secrets.token_hex(2)}"
    )
    parameters = _parameters(chosen, data, store, run_id=name, force=force)
    from pipelines.cluster import publish, status
    from pipelines.cluster.client import speaking

    cluster = _cluster(chosen, data, store, gpu)
    compiled = publish.compiled_for(registry, cluster)
    client = connect(host, auth, namespace, ca_file)
    _look_at_cluster(cluster, namespace, service_account)
    with speaking(client.host):
        pipeline, version = publish.ensure_version(
            client, compiled, publish.about_version(chosen.name, code_version.git_commit())
        )
        experiment = publish.ensure_experiment(client, preset)
        run = status.standing_run(client, experiment, name) if run_id else None
        started = run is None
        if run is None:
            about = _about_run(name, chosen, data)
            run = publish.start_run(
                client, about, experiment, pipeline, version, parameters, service_account
            )
    console.print(
        f"{'submitted' if started else 'already there'}: [bold]{name}[/] ({run.run_id})",
        soft_wrap=True,
    )
    console.print(
        f"version {publish.version_name(compiled)} · watch it with:"
        f" {hint('status', name, watch=True)}",
        markup=False,
        soft_wrap=True,
    )
    console.print(status.run_link(client.host, run.run_id), soft_wrap=True, markup=False)


def schedule(
    store: RemoteStore,
    preset: PresetName = presets.DEFAULT,
    data: Data = None,
    cron: Annotated[
        str, typer.Option(help="Six fields, seconds first: second minute hour day month weekday.")
    ] = SCHEDULED_AT,
    time_zone: Annotated[
        str,
        typer.Option(
            help=(
                "The zone that the cluster's scheduler counts in. Kubeflow has one for all"
                " schedules: CRON_SCHEDULE_TIMEZONE of "
                "ml-pipeline-scheduledworkflow, UTC unless somebody set it. Named here, it is said"
                " wherever the schedule is shown."
            )
        ),
    ] = "UTC",
    name: Name = "",
    registry: Registry = "",
    gpu: Gpu = None,
    service_account: ServiceAccount = "emotion-run",
    host: Host = "",
    auth: Auth = "",
    namespace: Namespace = "",
    ca_file: CaFile = None,
) -> None:
    """Run the pipeline every night; one night at a time, and a missed one is left out.

    The schedule holds the digests of the images, with the shipped presets in them, and the whole
    text of a preset that isn't shipped, so what it runs never changes by itself.
    Scheduled again with nothing changed, nothing happens; with another preset, code, time or place,
    the new schedule is created and then the old one is disabled. After a kill the next call puts in
    order what was left.

    [dim]Examples:[/]
      emotion schedule --preset fer2013-cnn --data gs://bucket/fer2013 --store gs://bucket/store
      emotion schedule --preset fer2013-cnn … --cron '0 0 4 * * 1-5' --time-zone Europe/Berlin
    """
    from pipelines.cluster import publish, schedules, status
    from pipelines.cluster.client import speaking

    chosen = presets.preset(preset)
    parameters = _parameters(chosen, data, store, run_id="", force=False)
    schedules.check_cron(cron)
    schedules.check_time_zone(time_zone)
    wanted = schedule_name(name, preset)
    cluster = _cluster(chosen, data, store, gpu)
    compiled = publish.compiled_for(registry, cluster)
    spec = schedules.ScheduleSpec(
        wanted, cron, time_zone, publish.version_name(compiled), service_account, parameters
    )
    client = connect(host, auth, namespace, ca_file)
    _look_at_cluster(cluster, namespace, service_account)
    with speaking(client.host):
        pipeline, version = publish.ensure_version(
            client, compiled, publish.about_version(chosen.name, code_version.git_commit())
        )
        experiment = publish.ensure_experiment(client, preset)
        standing, created = schedules.schedule(client, spec, experiment, pipeline, version)
    console.print(
        f"{'scheduled' if created else 'stands'}: [bold]{spec.name}[/] at {cron} ({time_zone})",
        soft_wrap=True,
    )
    console.print(
        f"version {spec.version} · recurring run {standing.recurring_run_id}", soft_wrap=True
    )
    console.print(
        status.recurring_run_link(client.host, standing.recurring_run_id),
        soft_wrap=True,
        markup=False,
    )


def unschedule(
    preset: PresetName = presets.DEFAULT,
    name: Name = "",
    host: Host = "",
    auth: Auth = "",
    namespace: Namespace = "",
    ca_file: CaFile = None,
) -> None:
    """Stop a schedule. Its recurring runs stay, disabled; a run that is under way goes on.

    [dim]Example:[/]
      emotion unschedule --preset fer2013-cnn
    """
    from pipelines.cluster import schedules
    from pipelines.cluster.client import speaking

    wanted = schedule_name(name, preset)
    client = connect(host, auth, namespace, ca_file)
    with speaking(client.host):
        stopped = schedules.unschedule(client, wanted)
    console.print(f"{wanted}: {'stopped' if stopped else 'no schedule is enabled'}")


def _parameters(
    preset: Preset, data: list[str] | None, store: str, *, run_id: str, force: bool
) -> dict[str, Any]:
    """Return what the pipeline takes. Raises InputError."""
    if not data and not preset.data.sources:
        raise InputError(
            f"the preset {preset.name} needs images",
            expected="--data gs://…, s3://…, pvc://… or kaggle://…",
        )
    _require_reachable(store, "--store", STORES)
    for uri in _sources(preset, data):
        _require_reachable(uri, "--data", (*STORES, "kaggle://"))
    if claim_of(store) and preset.serving.payload:
        raise InputError(
            f"the preset {preset.name} keeps features of what is served, and a predictor only reads"
            " a claim",
            expected="--store gs://… or s3://…",
            received=store,
            fix="or leave serving.payload out of the preset",
        )
    return {
        "preset": _preset_parameter(presets.forced(preset) if force else preset),
        "source": joined_uri(data) if data else "",
        "store": store,
        "run_id": run_id,
        "code_version": code_version.code_version(),
        "force": force,
    }


def _preset_parameter(preset: Preset) -> str:
    """Return the name of a shipped preset, else the text: the image of `resolve`, pinned by its content, holds those that are shipped."""
    return preset.name if presets.PRESETS.get(preset.name) == preset else to_json(preset)


def _cluster(preset: Preset, data: list[str] | None, store: str, gpu: bool | None) -> Cluster:
    """Return what the pipeline is compiled for: the preset's sizes, and what a form in the UI shows as defaults."""
    from pipelines.resources import Cluster, tasks_for

    gpus = preset.training.device == "gpu" if gpu is None else gpu
    device = "gpu" if gpus else preset.training.device
    claims = tuple(sorted({claim_of(uri) for uri in (store, *_sources(preset, data))} - {""}))
    source = joined_uri(data) if data else ""
    return Cluster(
        tasks_for(device, gpus=gpus),
        device,
        claims,
        preset.name,
        source,
        store,
        code_version.code_version(),
    )


def _look_at_cluster(cluster: Cluster, namespace: str, service_account: str) -> None:
    """Refuse what the cluster lacks, and warn of tasks that fit on no node.

    What can't be seen from here is said.

    Raises:
        InputError: the namespace, the service account or a claim isn't there.
    """
    from pipelines.cluster import checks

    named = checks.check_named(namespace or checks.KUBEFLOW, service_account, cluster.claims)
    named.require_none()
    room = checks.fits(cluster.tasks)
    for line in room.problems:
        console.print(
            f"[yellow]warning:[/] {escape(line)}; unless a pool grows for it, its pod will wait",
            soft_wrap=True,
        )
    for line in dict.fromkeys((*named.unchecked, *room.unchecked)):
        console.print(f"unchecked: {line}", style="dim", markup=False, soft_wrap=True)


def _about_run(name: str, preset: Preset, data: list[str] | None) -> About:
    from pipelines.cluster.publish import About

    commit = code_version.git_commit()
    return About(
        name,
        f"{preset.name} on {', '.join(_sources(preset, data))}"
        + (f"; commit {commit}" if commit else ""),
    )


def _sources(preset: Preset, data: list[str] | None) -> list[str]:
    """URIs of the images and of what gives them their labels."""
    return data or [
        where for source in preset.data.sources for where in (source.uri, source.votes) if where
    ]


def _require_reachable(uri: str, option: str, schemes: tuple[str, ...]) -> None:
    place = next((uri.removeprefix(scheme) for scheme in schemes if uri.startswith(scheme)), "")
    if not place or place.startswith("/"):
        raise InputError(
            f"the pods of a cluster can't reach {uri or 'an empty address'}",
            expected=f"{option} {' or '.join(f'{scheme}…' for scheme in schemes)}",
            fix="copy it into a bucket or onto a volume",
        )
    claim_of(uri)

"""Where the reading of images runs."""

from __future__ import annotations

from dataclasses import dataclass

from components.shared.preset.checks import require

# Runners that Beam starts through a job server, which it downloads unless it is told where one
# stands.
_JOB_SERVERS = {"FlinkRunner": "--flink_job_server_jar", "SparkRunner": "--spark_job_server_jar"}
# The local runners that Beam would download or guess; ours is the one that no option names.
_LOCAL = ("DirectRunner", "SwitchingDirectRunner", "PrismRunner", "BundleBasedDirectRunner")


@dataclass(frozen=True)
class IngestionPolicy:
    """How images are read.

    Attributes:
        beam: options of Beam's runner, which reads and decodes: ``--runner=DataflowRunner``,
            ``--temp_location=...`` and those of that runner. Empty: this machine, a worker process
            per core. The artifact is the same.
    """

    beam: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(
            all(option.startswith("--") for option in self.beam),
            "Beam's options",
            "--name=value each",
            self.beam,
        )
        if not self.beam:
            return
        require(
            bool(self.runner),
            "Beam's options",
            "--runner=DataflowRunner, PortableRunner, FlinkRunner or SparkRunner among them",
            self.beam,
        )
        require(
            self.runner not in _LOCAL,
            "Beam's runner",
            "no --runner at all for this machine",
            self.runner,
        )
        require(
            bool(self.shared),
            "Beam's options",
            "--temp_location=, a folder or bucket that this machine and every worker reach",
            self.beam,
        )
        jar = _JOB_SERVERS.get(self.runner, "")
        require(
            not jar or bool(self.option(jar)),
            f"the options of {self.runner}",
            f"{jar}=PATH, since Beam would download one, or --runner=PortableRunner"
            " --job_endpoint=HOST:PORT",
            self.beam,
        )

    @property
    def runner(self) -> str:
        """Name of the runner; nothing for this machine."""
        return self.option("--runner")

    @property
    def shared(self) -> str:
        """Folder or URI through which workers give back what they read."""
        return self.option("--temp_location").rstrip("/")

    def option(self, name: str) -> str:
        """Return the value of an option; nothing where it isn't given."""
        return next(
            (option.partition("=")[2] for option in self.beam if option.partition("=")[0] == name),
            "",
        )

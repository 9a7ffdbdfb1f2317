"""Where training stands after each finished epoch: stages, early stopping, history.

No arrays, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from components.shared.preset import Stage, TrainingPolicy

SCORES = (
    "accuracy",
    "loss",
    "val_accuracy",
    "val_loss",
    "learning_rate",
    "seconds",
    "images_per_second",
)
TIMES = ("seconds", "images_per_second")


@dataclass(frozen=True)
class Partial:
    """What an epoch that was asked to stop had done.

    Batches, their summed losses, rows answered right, seconds.
    """

    batches: int = 0
    loss: float = 0.0
    right: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Standing:
    """Where training stands after a finished epoch.

    Attributes:
        epoch: finished epochs in all.
        stage: index of the stage that goes on; the number of stages when training is over.
        stage_epoch: finished epochs of that stage.
        waited: of those, how many ended without a better held-out score.
        best_epoch: 1-based epoch of the best held-out score; 0 before the first.
        stages: first epoch (1-based) of each stage that began.
        history: per finished epoch, keys `SCORES`.
        partial: of the epoch that is under way.
    """

    epoch: int = 0
    stage: int = 0
    stage_epoch: int = 0
    waited: int = 0
    best_epoch: int = 0
    stages: tuple[int, ...] = ()
    history: dict[str, tuple[float, ...]] = field(default_factory=lambda: dict.fromkeys(SCORES, ()))
    partial: Partial = Partial()

    def over(self, policy: TrainingPolicy) -> bool:
        """Whether every stage has ended."""
        return self.stage >= len(policy.stages)

    def total_epochs(self, policy: TrainingPolicy) -> int:
        """How many epochs there will be if no further stage stops early."""
        ahead = sum(stage.epochs for stage in policy.stages[self.stage :])
        return self.epoch - self.stage_epoch + ahead

    def stage_scores(self, policy: TrainingPolicy) -> tuple[float, ...]:
        """Held-out scores of the present stage's finished epochs, higher is better."""
        scores = self.history[f"val_{policy.monitor}"][self.epoch - self.stage_epoch :]
        return scores if policy.monitor == "accuracy" else tuple(-score for score in scores)

    def improves(self, scores: dict[str, float], policy: TrainingPolicy) -> bool:
        """Whether these scores beat the best epoch's; an equal one doesn't."""
        if self.best_epoch == 0:
            return True
        best = self.history[f"val_{policy.monitor}"][self.best_epoch - 1]
        return (
            scores["val_accuracy"] > best
            if policy.monitor == "accuracy"
            else scores["val_loss"] < best
        )

    def after(self, scores: dict[str, float], policy: TrainingPolicy) -> Standing:
        """Return the standing one epoch later.

        The stage ends when its epochs or its patience are used up.
        """
        stage: Stage = policy.stages[self.stage]
        better = self.improves(scores, policy)
        then = replace(
            self,
            epoch=self.epoch + 1,
            stage_epoch=self.stage_epoch + 1,
            waited=0 if better else self.waited + 1,
            best_epoch=self.epoch + 1 if better else self.best_epoch,
            stages=self.stages if self.stage_epoch else (*self.stages, self.epoch + 1),
            history={name: (*self.history[name], scores[name]) for name in SCORES},
            partial=Partial(),
        )
        if then.stage_epoch >= stage.epochs or then.waited >= stage.patience:
            return replace(then, stage=self.stage + 1, stage_epoch=0, waited=0)
        return then

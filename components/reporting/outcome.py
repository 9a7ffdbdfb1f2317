"""The one word for a night, and the sentences around it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from components.reporting.evidence import Night, Observed
from components.reporting.page.filters import moment
from components.shared.findings import EvaluateFindings, RolloutFindings, Verdict
from components.shared.steps import TITLES
from components.shared.text import shortened


@dataclass(frozen=True)
class Outcome:
    """How the night ended.

    Attributes:
        word: one of `components.shared.run_plan.OUTCOME_WORDS`.
        headline: what that means, in a few words. sentence: the night in plain words.
        reasons: why, one sentence each.
        error: what broke, in one line; empty unless failed. failed_step: where, if a step is to
            blame.
    """

    word: str
    headline: str
    sentence: str
    reasons: tuple[str, ...]
    error: str = ""
    failed_step: str = ""


def judge(night: Night, pipeline_error: str = "") -> Outcome:
    """Derive the outcome from the evidence.

    Args:
        pipeline_error: what Kubeflow Pipelines says went wrong; it may know of failures that left
            no evidence, such as an image that couldn't be pulled.
    """
    broken = next((step for step in night.steps if step.status in ("failed", "running")), None)
    if broken:
        return _failed(night, broken.name, _in_words(broken))
    ended = _ended(night)
    if ended is None:
        lacking = next(step for step in night.steps if step.status not in ("succeeded", "skipped"))
        return _failed(
            night, lacking.name, "; ".join(filter(None, (_in_words(lacking), pipeline_error)))
        )
    if pipeline_error:
        return _failed(
            night,
            "",
            f"Every step that ran ended well ({ended.word}), but the pipeline didn't:"
            f" {pipeline_error}",
        )
    return ended


def pipeline_error(status: str) -> str:
    """Return what the final status that Kubeflow Pipelines passes to an exit handler says went wrong; empty if nothing."""
    try:
        value = json.loads(status)
        state = str(value.get("state", ""))
        error = value.get("error") or {}
    except (ValueError, AttributeError):
        return ""
    if state.upper() not in ("FAILED", "CANCELLED", "CANCELED"):
        return ""
    message = shortened(error.get("message", ""), 500) if isinstance(error, dict) else ""
    return f"pipeline {state.lower()}" + (f", {message}" if message else "")


def _ended(night: Night) -> Outcome | None:
    """Return the outcome of a night whose steps all ended well, or None where the flow broke off."""
    if night.resolve and night.resolve.plan.work == "nothing-new":
        champion = night.resolve.plan.champion
        sentence = (
            "Nothing was trained: data, code and preset are those of the last judged night, or too"
            " close to them."
        )
        serves = f" Version {champion.version} keeps serving." if champion else ""
        return Outcome(
            "nothing-new", "Nothing new tonight", sentence + serves, (night.resolve.plan.reason,)
        )
    if night.validate and night.validate.decision == "stop":
        failed = tuple(
            rule.sentence
            for rule in night.validate.rules
            if not rule.passed and rule.severity == "critical"
        )
        champion = night.resolve.plan.champion if night.resolve else None
        serves = f"; version {champion.version} keeps serving" if champion else ""
        return Outcome(
            "stopped",
            "Stopped before training",
            f"The data broke a rule that it must keep, so no model was trained{serves}.",
            failed,
        )
    if night.gate is None:
        return None
    return _judged(night, night.gate)


def _judged(night: Night, verdict: Verdict) -> Outcome | None:
    scored = _scored(night.evaluate) if night.evaluate else ""
    if verdict.word == "rejected":
        stays = (
            f"Version {verdict.champion} keeps serving."
            if verdict.champion
            else "Nothing serves yet."
        )
        headline = "Not promoted: the champion stays" if verdict.champion else "Not promoted"
        return Outcome("rejected", headline, f"{scored} {stays}".strip(), verdict.reasons)
    if verdict.word == "needs-approval":
        if night.step("register").status != "succeeded":
            return None
        asks = "The checks can't decide this alone: a person must approve it before it serves."
        return Outcome(
            "needs-approval", "A person must decide", f"{scored} {asks}".strip(), verdict.reasons
        )
    if night.step("deploy").status != "succeeded":
        return None
    rollout = night.deploy.rollout if night.deploy else None
    if rollout and rollout.outcome != "serving":
        return _not_served(rollout, scored, night.step("deploy").finished_at)
    headline = "Promoted: the new champion" if verdict.champion else "Promoted: the first champion"
    now = (
        f"It replaces version {verdict.champion}."
        if verdict.champion
        else "It is the first model to serve."
    )
    return Outcome("blessed", headline, f"{scored} {now}".strip(), verdict.reasons)


def _not_served(rollout: RolloutFindings, scored: str, at: str) -> Outcome:
    """Blessed by the gate, but not what serves: the cluster has the last word.

    Args:
        at: when the step that rolled it out ended. A pause says how things stood then: nobody
            writes the report anew when it ends.
    """
    serves = (
        f"Version {rollout.serving} keeps serving." if rollout.serving else "Nothing serves yet."
    )
    if rollout.outcome == "paused":
        asks = (
            f"On {moment(at)} a person had paused its rollout at {rollout.percent} % of the"
            " traffic. `emotion rollout status` says how it stands now; `emotion rollout resume`"
            " or `abort` goes on."
        )
        return Outcome(
            "needs-approval",
            "Its rollout was paused by a person",
            f"{scored} {asks}".strip(),
            (rollout.reason,),
        )
    if rollout.serving == rollout.version:
        image = (
            f", with the image {rollout.previous_image}"
            if rollout.previous_image not in ("", rollout.image)
            else " as before"
        )
        back = (
            "The rollout of its new"
            f" predictor{f', with the image {rollout.image},' if rollout.image else ''} was sent"
            " back."
        )
        headline = "Its new predictor was sent back"
        return Outcome(
            "rejected",
            headline,
            f"{scored} {back} {serves.rstrip('.')}{image}.".strip(),
            (rollout.reason,),
        )
    back = "The gate blessed it, but its rollout went wrong and was sent back."
    return Outcome(
        "rejected",
        "Not promoted: its rollout was sent back",
        f"{scored} {back} {serves}".strip(),
        (rollout.reason,),
    )


def _scored(found: EvaluateFindings) -> str:
    scores, champion = found.challenger, found.champion
    images = "test images" if found.scored_on == "test" else "held-out validation images"
    text = f"Tonight's model answers {scores.accuracy:.1%} of {scores.rows:,} {images} correctly"
    if champion:
        points = 100 * (scores.accuracy - champion.accuracy)
        compared = (
            f"{abs(points):.1f} points {'more' if points > 0 else 'less'} than"
            if abs(points) >= 0.05
            else "the same as"
        )
        text += f", {compared} the champion ({champion.accuracy:.1%})"
    gain = 100 * (scores.accuracy - scores.majority_share)
    return f"{text}, {gain:.1f} points above always answering the most frequent class."


def _failed(night: Night, step: str, error: str) -> Outcome:
    headline = f"Failed at {TITLES[step].lower()}" if step else "Failed"
    champion = night.resolve.plan.champion if night.resolve else None
    if night.deploy and night.deploy.champion:
        sentence = (
            f"Version {night.deploy.champion.version} was promoted and serves, but the run didn't"
            " end well."
        )
    elif step == "deploy":
        sentence = (
            "The gate said blessed, but the promotion didn't end well. Run again with --resume:"
            " deploying completes what is left undone."
        )
    elif champion:
        sentence = (
            f"The night broke off. The champion is untouched: version {champion.version} keeps"
            " serving."
        )
    else:
        sentence = "The night broke off; nothing was promoted."
    return Outcome("failed", headline, sentence, (error,), error, step)


def _in_words(step: Observed) -> str:
    title = TITLES[step.name]
    if step.status == "failed":
        return f"{title} failed: {step.error or 'no reason was recorded'}"
    if step.status == "running":
        return (
            f"{title} was killed: it began on {moment(step.started_at)} and never ended; to fix it:"
            " run again with --resume"
        )
    if step.status == "unreadable":
        return f"The evidence of {title.lower()} can't be read: {step.error}"
    return f"{title} never began"

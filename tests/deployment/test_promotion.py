from dataclasses import replace

import pytest

from components.contracts.errors import ConflictError, ContractError
from components.contracts.night import Pointer
from components.deployment.promotion import Promotion, decide, require_blessing
from tests.deployment.builders import write_model, write_verdict

OLD = Pointer("old", "run-1", "2026-11-20T00:00:00+00:00")
NEW = Pointer("new", "run-2", "2026-11-21T00:00:00+00:00")
OTHER = Pointer("other", "run-x", "2026-11-20T12:00:00+00:00")


@pytest.mark.parametrize("judged", [None, OLD])
def test_the_judged_champion_is_replaced(judged):
    assert decide(judged, None, judged.version if judged else None, NEW) == Promotion(NEW, judged)


@pytest.mark.parametrize(("current", "judged"), [(OTHER, "old"), (OTHER, None), (None, "old")])
def test_someone_elses_champion_is_a_conflict(current, judged):
    with pytest.raises(ConflictError, match="judged against; expected .*; received .*run again"):
        decide(current, None, judged, NEW)


def test_a_rerun_finishes_its_own_promotion_and_leaves_that_of_others():
    mine = Promotion(NEW, OLD)
    later = replace(NEW, run_id="run-3")
    assert decide(NEW, mine, "old", replace(NEW, since="later")) == mine
    assert decide(later, None, "old", NEW) is None
    assert decide(later, mine, "old", NEW) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"word": "rejected", "reasons": ("recall of fear fell",)}, "expected the verdict blessed; received rejected.*recall of fear fell"),
        ({"word": "needs-approval"}, "received needs-approval"),
        ({"challenger": "0" * 12}, "another version"),
        ({"model_name": "large"}, "different models; expected small; received verdict on large"),
    ],
)
def test_only_a_blessing_of_this_very_version_deploys(tmp_path, changes, message):
    manifest = write_model(tmp_path / "model", b"weights")
    verdict = write_verdict(tmp_path / "verdict", **{"challenger": manifest.version, "champion": None, **changes})
    with pytest.raises(ContractError, match=message):
        require_blessing(verdict, manifest, "small")

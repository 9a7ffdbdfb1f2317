"""The steps of a run: the one table that everything reads that lists or names them."""

from __future__ import annotations

# In the order of the flow; of register and deploy a run has at most one.
TITLES = {
    "resolve": "Resolve",
    "ingest": "Ingest",
    "validate": "Validate",
    "resample": "Resample",
    "train": "Train",
    "evaluate": "Evaluate",
    "check-serving": "Check serving",
    "gate": "Gate",
    "register": "Ask for approval",
    "deploy": "Deploy",
    "report": "Report",
}
STEPS = tuple(TITLES)

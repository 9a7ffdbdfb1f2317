"""Evaluation and the gate.

evaluate: an examples artifact, the challenger's artifact and the night plan in; predictions of
challenger, champion and anchor on identical held-out and test rows, their scores, what changed and
sample images out. gate: the evaluation and the serving check in; blessed, rejected or
needs-approval out, with a reason per check. What it judged stays in the store, and `replay` judges
it again.
"""

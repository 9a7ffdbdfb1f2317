"""Evaluation and the gate.

evaluate: an examples artifact, the challenger's artifact and the night plan in; scores of challenger,
champion and anchor on identical test rows, their predictions, a confusion matrix and sample images out.
gate: the evaluation and the serving check in; blessed, rejected or needs-approval out, with a reason per check.
"""

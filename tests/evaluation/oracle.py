"""statsmodels and scipy, asked from another process: statsmodels has an environment of its own.

JSON in, JSON out.

Each question is {"name": ..., "arguments": [...]}; the answers come in the same order.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

PYTHON = ROOT / ".venvs" / "oracle" / "bin" / "python"


def ask(questions: list[dict[str, Any]]) -> list[Any]:
    """The answers of one child process to all questions."""
    done = subprocess.run(
        [PYTHON, __file__],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[Any] = json.loads(done.stdout)
    return answers


def answer(name: str, arguments: list[Any]) -> Any:
    from scipy.stats import binomtest, norm
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.proportion import proportion_confint

    if name == "mcnemar":
        b, c = arguments
        return float(mcnemar([[0, b], [c, 0]], exact=True).pvalue)
    if name == "sign":
        b, c = arguments
        return float(binomtest(b, b + c, 0.5, alternative="less").pvalue) if b + c else 1.0
    if name == "clopper_pearson":
        successes, rows, alpha = arguments
        return [
            float(bound)
            for bound in proportion_confint(successes, rows, alpha=2 * alpha, method="beta")
        ]
    if name == "holm":
        rejected, adjusted, _, _ = multipletests(arguments[0], alpha=0.05, method="holm")
        return [adjusted.tolist(), rejected.tolist()]
    if name == "quantile":
        return float(norm.ppf(arguments[0]))
    raise ValueError(name)


if __name__ == "__main__":
    print(
        json.dumps(
            [answer(question["name"], question["arguments"]) for question in json.load(sys.stdin)]
        )
    )

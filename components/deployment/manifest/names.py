"""Names and labels of what stands on the cluster, within Kubernetes's limits.

KServe names a predictor's Deployment and Service ``<service>-<revision>-predictor``, and labels its
pods ``isvc.`` and that name; a label value may have 63 characters.
"""

from __future__ import annotations

import hashlib
import re

LABEL_LIMIT = 63
POD_LABEL_PREFIX = "isvc."
REVISION_LENGTH = len("v0123456789ab-0123")
SERVICE_LIMIT = LABEL_LIMIT - len(POD_LABEL_PREFIX) - len("--predictor") - REVISION_LENGTH
DIGEST_LENGTH = 6


def service_name(model_name: str) -> str:
    """Name of the model's InferenceService.

    Its own, shortened with a digest where it is too long.
    """
    if len(model_name) <= SERVICE_LIMIT and model_name[0].isalpha():
        return model_name
    digest = hashlib.sha256(model_name.encode()).hexdigest()[:DIGEST_LENGTH]
    kept = model_name.lstrip("0123456789-")[: SERVICE_LIMIT - DIGEST_LENGTH - 1].strip("-")
    return f"{kept or 'model'}-{digest}"


def revision_name(version: str, template: str) -> str:
    """Name of one version under one pod template.

    ``v<version>-<4 hex digits of the template's digest>``.

    Nothing else ever carries it, so that what is said of this name is said of this revision.
    """
    safe = re.sub(r"[^a-z0-9]", "", version.lower())[:12]
    return f"v{safe}-{hashlib.sha256(template.encode()).hexdigest()[:4]}"


def workload_name(service: str, revision: str) -> str:
    """Name of a revision's Deployment and Service."""
    return f"{service}-{revision}-predictor" if revision else f"{service}-predictor"


def label_value(text: str) -> str:
    """``text`` as a Kubernetes label value.

    At most 63 letters, digits, dashes, dots and underscores.
    """
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)[:LABEL_LIMIT].strip("-._")

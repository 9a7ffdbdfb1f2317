"""Imports TensorFlow Data Validation and Great Expectations once, apart from the warnings of their own imports."""

import os
import warnings

import pytest


def pytest_configure(config: pytest.Config) -> None:
    # pandas 1.5 (all that TFDV 1.16.1 takes) calls what NumPy 1.26 is about to drop.
    config.addinivalue_line(
        "filterwarnings", "ignore:np.find_common_type is deprecated:DeprecationWarning"
    )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import components.validation.distributions.statistics
        import components.validation.judge  # noqa: F401

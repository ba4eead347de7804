"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("no_deadline", deadline=None)  # a busy machine is no failure
settings.load_profile("no_deadline")

# read as huggingface_hub is imported: tests ask no hub but their own
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def thai_eval_dir() -> Path:
    """The folder of human Thai speech, or a skip that says where it is looked for."""
    folder = Path(os.environ.get("THAI_EVAL_DIR", ROOT.parent / "shared" / "thai_eval"))
    if not (folder / "dev.jsonl").is_file():
        pytest.skip(f"no Thai evaluation audio at {folder} (set THAI_EVAL_DIR)")
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With THAI_ASR_FORBID_SKIPS=1 a skipped test fails: CI has everything that tests need."""
    report = yield
    forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself (importorskip)."""
    report = yield
    forbid_skip(report)
    return report


def forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a skip a failure if skips are forbidden. Expected failures are no skips."""
    if os.environ.get("THAI_ASR_FORBID_SKIPS") != "1":
        return
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"THAI_ASR_FORBID_SKIPS=1, and this was skipped. {reason}"

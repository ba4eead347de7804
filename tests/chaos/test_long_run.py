"""Hours of mixed traffic on a server with the real model, in a process of its own.

    bash run_tests.sh soak tests/chaos/test_long_run.py

THAI_ASR_SOAK_MINUTES (120) is how long; 2 shows that it works, and proves nothing of memory.
THAI_ASR_SOAK_REPORT names the folder of the report, which docs/measurements.md shows.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asr.embedded_model import default_cache_dir, ensure_embedded_model
from benchmarks.model_switches import CATALOGUE
from tests.support.long_run import Plan, carry_out
from tests.support.long_run_report import LongRun
from tests.support.server_process import server_process

pytestmark = [pytest.mark.soak, pytest.mark.timeout(0)]

SHORT_MINUTES = 10.0


def plan_of(minutes: float) -> Plan:
    if minutes >= SHORT_MINUTES:
        return Plan(minutes=minutes, rounds=max(2, round(minutes / 20)))
    return Plan(
        minutes=minutes,
        rounds=2,
        speeches=2,
        cuts_s=(0.5, 2.0),
        sample_every_s=5.0,
        load_every_s=20 * minutes,
    )


async def test_hours_of_mixed_traffic(tmp_path: Path) -> None:
    minutes = float(os.environ.get("THAI_ASR_SOAK_MINUTES", "120"))
    report = Path(os.environ.get("THAI_ASR_SOAK_REPORT", str(tmp_path / "report")))
    catalogue = tmp_path / "models.yaml"
    model = ensure_embedded_model(default_cache_dir())
    catalogue.write_text(CATALOGUE.format(path=model), encoding="utf-8")
    settings = ("--profile", "balanced", "--models-file", str(catalogue), "--log-level", "info")
    kept = {
        "THAI_ASR_RESUME_S": "60" if minutes >= SHORT_MINUTES else "5",
        "THAI_ASR_KEEP_MODEL_S": "0",
    }
    run = LongRun(minutes)
    async with server_process(tmp_path, *settings, environment=kept) as server:
        try:
            await carry_out(server, plan_of(minutes), run)
        finally:
            run.write(report)
            print(run.table())
    troubles = [
        line for line in server.errors.splitlines() if " ERROR " in line or "Traceback" in line
    ]
    assert run.faults() == []
    assert run.lost == 0
    assert troubles == []
    assert await server.end() == 0

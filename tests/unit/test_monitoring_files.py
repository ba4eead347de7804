"""The dashboard and the alerts fit their tools, and ask for what the server exports."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client.parser import text_string_to_metric_families

from tests.support.front import installed
from tests.support.prometheus import (
    ALERTS,
    CONFIG,
    DOCS,
    alerts,
    dashboard,
    dashboard_queries,
    metrics_in,
)
from tests.support.running_server import run_server

NOT_SHOWN = {"process_virtual_memory_bytes", "process_start_time_seconds"}


def lost(written: Any, known: Any, path: str = "") -> Iterator[str]:
    """What a schema does not know of a document."""
    if isinstance(written, dict):
        for key, value in written.items():
            if not isinstance(known, dict) or key not in known:
                yield f"{path}/{key}"
            else:
                yield from lost(value, known[key], f"{path}/{key}")
    elif isinstance(written, list) and isinstance(known, list) and len(written) == len(known):
        for number, (one, other) in enumerate(zip(written, known, strict=True)):
            yield from lost(one, other, f"{path}/{number}")
    elif written != known:
        yield path


def unknown_to_grafana(board: dict[str, Any]) -> list[str]:
    register_default_plugins()
    encoded = JSONEncoder(sort_keys=True).encode(Dashboard.from_json(board))
    return list(lost(board, json.loads(encoded)))


def test_the_dashboard_fits_grafanas_schema() -> None:
    assert unknown_to_grafana(dashboard()) == []


def test_the_check_against_the_schema_finds_mistakes() -> None:
    board = dashboard()
    board["panels"][1]["gridPost"] = {}
    board["titel"] = "x"
    assert unknown_to_grafana(board) == ["/panels/1/gridPost", "/titel"]


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not taken & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def promtool(*arguments: object) -> None:
    program = installed("promtool", "prometheus")
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_configuration_and_rules_are_prometheus() -> None:
    promtool("check", "config", CONFIG)
    promtool("check", "rules", ALERTS)


def test_prometheus_takes_what_is_said_of_other_machines(tmp_path: Path) -> None:
    text = re.sub(
        r"^( +)# ( *\w+:(?: [\w/.]+)?)$", r"\1\2", CONFIG.read_text(encoding="utf-8"), flags=re.M
    )
    for name in ("thai_asr_token", "thai_asr_ca.pem"):
        (tmp_path / name).touch()
        text = text.replace(f"/etc/prometheus/{name}", str(tmp_path / name))
    text = text.replace("- alerts.yml", f"- {ALERTS}")
    (job,) = yaml.safe_load(text)["scrape_configs"]
    assert job["scheme"] == "https"
    assert job["tls_config"] == {"ca_file": str(tmp_path / "thai_asr_ca.pem")}
    assert job["authorization"] == {"credentials_file": str(tmp_path / "thai_asr_token")}
    file = tmp_path / "prometheus.yml"
    file.write_text(text, encoding="utf-8")
    promtool("check", "config", file)


def test_every_query_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel_{number}", "expr": expr}
        for number, expr in enumerate(dashboard_queries())
    ]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", path)


DRAINING_NOT = {"thai_asr_draining": "0x20"}


def series(name: str, values: str) -> dict[str, str]:
    metric, _, labels = name.partition("{")
    labels = labels.removesuffix("}") or 'port="none"'
    return {"series": f'{metric}{{instance="a",job="thai_asr",{labels}}}', "values": values}


@pytest.mark.parametrize(
    ("alert", "inputs", "quiet_at", "fires_at"),
    [
        ("ThaiAsrDown", {"up": "1 1 0x20"}, "2m", "4m"),
        ("ThaiAsrNoText", {'thai_asr_degraded{reason="no_text"}': "0 0 1x20"}, "1m", "2m"),
        ("ThaiAsrNotReady", {"thai_asr_ready": "1 0x20", **DRAINING_NOT}, "2m", "4m"),
        (
            "ThaiAsrAudioWithoutText",
            {"thai_asr_gaps_total": "0 0 1x20", **DRAINING_NOT},
            "1m",
            "3m",
        ),
        ("ThaiAsrRefusesStreams", {'thai_asr_admission{step="refusing"}': "0 1x20"}, "5m", "7m"),
        (
            "ThaiAsrDecodeThreadsLost",
            {'thai_asr_decode_threads_lost_total{reason="decode_timeout"}': "0 0 1x20"},
            "1m",
            "3m",
        ),
        (
            "ThaiAsrFinalsLate",
            {
                'thai_asr_final_latency_seconds_bucket{le="4.0"}': "0+1x20",
                'thai_asr_final_latency_seconds_bucket{le="6.0"}': "0+2x20",
                'thai_asr_final_latency_seconds_bucket{le="+Inf"}': "0+2x20",
            },
            "4m",
            "8m",
        ),
    ],
)
def test_alerts_go_off_when_they_should_and_not_before(
    tmp_path: Path, alert: str, inputs: dict[str, str], quiet_at: str, fires_at: str
) -> None:
    firing = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'
    case = {
        "interval": "1m",
        "input_series": [series(name, values) for name, values in inputs.items()],
        "promql_expr_test": [
            {"expr": firing, "eval_time": quiet_at},
            {"expr": firing, "eval_time": fires_at, "exp_samples": [{"labels": "{}", "value": 1}]},
        ],
    }
    test = {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [case]}
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump(test))
    promtool("test", "rules", path)


@pytest.mark.asyncio
async def test_what_is_asked_for_is_exported_and_what_is_exported_is_shown(tmp_path: Path) -> None:
    async with run_server(tmp_path) as server:
        answer = await asyncio.to_thread(page, f"{server.page_url}/metrics")
    exported = set()
    for family in text_string_to_metric_families(answer):
        ending = {"counter": "_total", "info": "_info"}.get(family.type, "")
        exported.add(family.name + ending)
    shown = metrics_in(dashboard_queries())
    assert shown | metrics_in(list(alerts().values())) <= exported
    ours = {name for name in exported if name.startswith(("thai_asr_", "process_"))}
    ours -= {name for name in ours if name.endswith("_created")}  # when a histogram began
    assert ours - shown == NOT_SHOWN


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:
        text: str = answer.read().decode()
        return text


def test_every_alert_is_explained() -> None:
    text = (DOCS / "monitoring.md").read_text(encoding="utf-8")
    missing = [name for name in alerts() if f"`{name}`" not in text]
    assert missing == []

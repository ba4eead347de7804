"""What the Docker files say, as far as it can be checked without Docker."""

from __future__ import annotations

import ipaddress
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.settings import ENV_PREFIX, Settings
from tests.support.dockerfile import ROOT, Dockerfile
from tests.support.front import installed

NAMES = ("Dockerfile", "Dockerfile.cuda")
SECRET = "TOKEN"
"""The token is no setting: a secret is not shown with them."""
COMPOSE = ("docker-compose.yml", "docker-compose.cuda.yml")


def compose(name: str = COMPOSE[0]) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return parsed


def is_known(variable: str) -> bool:
    name = variable.removeprefix(ENV_PREFIX)
    return name.lower() in Settings.names() or name == SECRET


@pytest.mark.parametrize("name", NAMES)
def test_the_linter_has_nothing_to_say(name: str) -> None:
    linter = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([linter, name], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_all_that_is_copied_is_there_and_reaches_the_builder(name: str) -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignore
    sources = Dockerfile.read(name).sources
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignore, source


@pytest.mark.parametrize("name", NAMES)
def test_ports_user_and_variables_fit_the_server(name: str) -> None:
    file = Dockerfile.read(name)
    defaults = Settings()
    assert file.only("EXPOSE") == f"{defaults.control_port} {defaults.audio_port}"
    assert file.only("USER").isdecimal()
    assert file.only("STOPSIGNAL") == "SIGTERM"
    variables = [key for key in file.variables if key.startswith(ENV_PREFIX)]
    assert len(variables) == 3
    assert all(is_known(key) for key in variables)
    for key in ("HF_HOME", "THAI_ASR_CACHE_DIR"):
        assert file.variables[key].startswith(file.only("VOLUME") + "/")


def test_both_images_have_the_same_server() -> None:
    cpu, cuda = (Dockerfile.read(name) for name in NAMES)
    assert set(cuda.sources) - set(cpu.sources) == {"requirements_gpu.txt"}
    assert cuda.installed == [*cpu.installed, "requirements_gpu.txt"]
    for instruction in ("ENTRYPOINT", "HEALTHCHECK", "EXPOSE", "VOLUME", "USER", "WORKDIR"):
        assert cpu.only(instruction) == cuda.only(instruction)
    assert cpu.variables.items() - cuda.variables.items() == set()


def test_the_python_of_the_image_is_one_that_the_server_runs_on() -> None:
    version = re.match(r"python:3\.(\d+)-slim", Dockerfile.read("Dockerfile").only("FROM"))
    assert version is not None
    assert 11 <= int(version[1]) <= 14


@pytest.mark.parametrize("name", COMPOSE)
def test_the_compose_file_fits_its_schema(name: str) -> None:
    check_schema(ROOT / name)


def check_schema(path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, path], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout


def test_more_tokens_are_in_a_folder_that_the_server_may_read(tmp_path: Path) -> None:
    steps = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    [written] = re.findall(r"^```yaml\n(.*?)^```", steps, re.M | re.S)
    override = tmp_path / "docker-compose.override.yml"
    override.write_text(written, encoding="utf-8")
    check_schema(override)
    asr = yaml.safe_load(written)["services"]["asr"]
    [(variable, file)] = asr["environment"].items()
    assert is_known(variable)
    assert asr["volumes"] == [f"./access:{file.rpartition('/')[0]}:ro"]
    user = Dockerfile.read("Dockerfile").only("USER")
    assert f"install -d -m 700 -o {user} access " in steps
    assert f"chown {user} access/access.toml" in steps


def test_the_compose_file_tells_the_server_what_it_knows() -> None:
    services = compose()["services"]
    environment = services["asr"]["environment"]
    assert all(is_known(key) for key in environment if key.startswith(ENV_PREFIX))
    assert "ports" not in services["asr"]  # nothing goes around nginx
    assert all(
        port.startswith("127.0.0.1:")
        for name in ("prometheus", "grafana")
        for port in services[name]["ports"]
    )
    grace_s = float(services["asr"]["stop_grace_period"].removesuffix("s"))
    assert grace_s > 10  # an exit takes 10 s at most


def test_the_compose_network_is_the_one_that_is_trusted() -> None:
    parsed = compose()
    services = parsed["services"]
    asr, nginx = (
        ipaddress.ip_address(services[name]["networks"]["inside"]["ipv4_address"])
        for name in ("asr", "nginx")
    )
    subnet = ipaddress.ip_network(parsed["networks"]["inside"]["ipam"]["config"][0]["subnet"])
    assert asr in subnet
    assert nginx in subnet
    trusted = services["asr"]["environment"]["THAI_ASR_TRUSTED_PROXIES"]
    assert ipaddress.ip_network(trusted) == ipaddress.ip_network(nginx)
    assert parsed["configs"]["prometheus"]["content"].count(f'"{asr}:8765"') == 1


def test_nginx_in_compose_runs_the_shipped_file_with_the_servers_address() -> None:
    services = compose()["services"]
    shell, option, script = services["nginx"]["command"]
    assert (shell, option) == ("sh", "-c")
    command = re.match(r"(sed '[^']+') (/thai-asr\.conf) >", script)
    assert command is not None
    assert f"./docs/nginx.conf:{command[2]}:ro" in services["nginx"]["volumes"]
    done = subprocess.run(
        [shell, option, f"{command[1]} {ROOT / 'docs' / 'nginx.conf'}"],
        capture_output=True,
        text=True,
        check=True,
    )
    asr = services["asr"]["networks"]["inside"]["ipv4_address"]
    assert re.findall(r"server ([\d.:]+);", done.stdout) == [f"{asr}:8765", f"{asr}:8766"]
    assert done.stdout.count("127.0.0.1") == 0


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(compose()["configs"]["prometheus"]["content"], encoding="utf-8")
    done = subprocess.run(
        [installed("promtool", "prometheus"), "check", "config", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

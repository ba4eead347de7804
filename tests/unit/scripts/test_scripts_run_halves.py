from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from scripts.run_halves import HARD, Result, halves, main, run_beside

ROOT = Path(__file__).resolve().parents[3]
MEET = """
import pathlib, sys, time
own, other, status = sys.argv[1:]
pathlib.Path(own).touch()
while not pathlib.Path(other).exists():
    time.sleep(0.01)
print("met")
sys.exit(int(status))
"""


def test_each_test_is_in_one_half() -> None:
    hard, rest = halves(["-rs"])
    assert hard[-len(HARD) :] == list(HARD)
    assert [part for part in rest if "ignore" in part] == [f"--ignore={each}" for each in HARD]
    assert all((ROOT / folder).is_dir() for folder in HARD)


def test_both_run_at_once_and_what_the_first_prints_is_kept(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    command = [sys.executable, "-c", MEET]
    met = run_beside([*command, one, two, "3"], [*command, two, one, "2"])
    assert met == (Result(3, "met\n"), 2)
    assert capfd.readouterr().out == "met\n"


def test_what_runs_beside_a_command_that_cannot_start_is_ended() -> None:
    began_s = time.monotonic()
    with pytest.raises(FileNotFoundError):
        run_beside([sys.executable, "-c", "import time; time.sleep(60)"], ["no-such-command"])
    assert time.monotonic() - began_s < 30


@pytest.mark.parametrize(("hard", "rest", "status"), [(0, 0, 0), (1, 0, 1), (0, 1, 1), (5, 0, 0)])
def test_one_failure_is_a_failure(
    hard: int, rest: int, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], lambda *_: (Result(hard, "seen\n"), rest)) == status
    assert capsys.readouterr().out.endswith("seen\n")

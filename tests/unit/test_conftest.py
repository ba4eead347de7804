"""The rule that CI lets no test skip itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"

TESTS = """\
import pytest

@pytest.fixture
def chromium():
    pytest.skip("no Chromium here")

def test_fixture(chromium): pass

def test_body(): pytest.skip("no node here")

@pytest.mark.skipif(True, reason="no audio here")
def test_mark(): pass

@pytest.mark.xfail
def test_expected(): assert False

def test_good(): pass
"""

MODULE = 'import pytest\npytest.importorskip("no_such_module_at_all")\n'


def run(folder: Path, forbid: str, test: str) -> tuple[int, str]:
    """Exit status and output of a pytest run over one test file under our conftest.py."""
    shutil.copy(CONFTEST, folder)
    (folder / "test_it.py").write_text(test)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", ".", "-rA"],
        cwd=folder,
        env=os.environ | {"THAI_ASR_FORBID_SKIPS": forbid},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


def test_at_home_a_skip_is_a_skip(tmp_path: Path) -> None:
    status, output = run(tmp_path, "0", TESTS)
    assert status == 0
    assert "1 passed, 3 skipped, 1 xfailed" in output


def test_forbidden_skips_fail_with_their_reasons(tmp_path: Path) -> None:
    status, output = run(tmp_path, "1", TESTS)
    assert status == 1
    assert "1 failed, 1 passed, 1 xfailed, 2 errors" in output
    for reason in ("no Chromium here", "no node here", "no audio here"):
        assert f"THAI_ASR_FORBID_SKIPS=1, and this was skipped. Skipped: {reason}" in output


def test_a_module_that_skips_itself_fails_too(tmp_path: Path) -> None:
    status, output = run(tmp_path, "1", MODULE)
    assert status != 0
    assert "this was skipped. Skipped: could not import 'no_such_module_at_all'" in output

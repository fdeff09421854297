"""What bin/ sets up before anything is installed: on a small project, so that no registry is asked."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

# pip itself is the only package that every new environment has.
PYPROJECT = """
[project]
dependencies = ["pip"]
[project.optional-dependencies]
more = ["pip"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    for script in (ROOT / "bin").iterdir():
        if script.is_file():
            shutil.copy(script, tmp_path / "bin")
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "requirements.lock").write_text("")
    return tmp_path


def set_up(project: Path, *extras: str) -> str:
    """What the set-up says; the test fails when it ends with an error."""
    result = attempt(project, *extras)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def attempt(project: Path, *extras: str) -> "subprocess.CompletedProcess[str]":
    code = f"import environment; print(environment.python_with({extras!r}))"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=project / "bin", capture_output=True, text=True, check=False)


def test_environment_is_made_once_mended_when_broken_and_extended_when_more_is_asked(project: Path) -> None:
    first = set_up(project)
    second = set_up(project)
    (project / ".venv" / "unfinished").touch()
    interrupted = set_up(project)
    (project / ".venv" / "bin" / "python").unlink()
    broken = set_up(project)
    extended = set_up(project, "more")
    (project / "requirements.lock").write_text("# changed\n")
    changed = set_up(project)

    assert "making a virtual environment" in first
    assert second.strip() == str(project / ".venv" / "bin" / "python")
    assert "half made or broken" in interrupted
    assert "half made or broken" in broken
    assert "installing 2 Python packages" in extended
    assert "making a virtual environment" not in extended
    assert "installing 2 Python packages" in changed, "what was installed before is brought up to date, too"
    assert json.loads((project / ".venv" / "clinicalft.json").read_text())["extras"] == ["more"]


def test_checkout_is_importable_from_any_folder(project: Path, tmp_path: Path) -> None:
    set_up(project)
    (project / "clinicalft").mkdir()
    (project / "clinicalft" / "__init__.py").touch()

    command = [str(project / ".venv" / "bin" / "python"), "-c", "import clinicalft; print(clinicalft.__file__)"]
    said = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True).stdout

    assert Path(said.strip()).is_relative_to(project)


def test_failed_installation_is_said_and_tried_again(project: Path) -> None:
    (project / "pyproject.toml").write_text(PYPROJECT.replace('["pip"]', '["./no-such-folder"]', 1))

    result = attempt(project)

    assert result.returncode == 1
    assert "failed (whole log:" in result.stderr.splitlines()[-1]
    assert "no-such-folder" in (project / "var" / "log" / "setup.log").read_text()
    (project / "pyproject.toml").write_text(PYPROJECT)
    again = set_up(project)
    assert "installing 1 Python packages" in again
    assert "making" not in again, "what pip had installed is kept"


def test_commands_that_set_up_at_the_same_time_take_turns(project: Path) -> None:
    code = "import environment, sys\nwith environment.alone(): print('in', flush=True); sys.stdin.read(); print('out')"
    command = [sys.executable, "-c", code]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=project / "bin", **pipes) as first:  # type: ignore[call-overload]
        assert first.stdout.readline() == "in\n"
        with subprocess.Popen(command, cwd=project / "bin", **pipes) as second:  # type: ignore[call-overload]
            assert "waiting for it" in second.stdout.readline()
            first.communicate("", timeout=20)
            assert second.communicate("", timeout=20)[0].split() == ["in", "out"]


def test_unknown_extra_is_refused_in_one_line(project: Path) -> None:
    result = attempt(project, "nonsense")

    assert result.stderr.splitlines()[-1].endswith("there is no extra nonsense in pyproject.toml.")
    assert not (project / ".venv").exists()


@pytest.mark.parametrize("arguments", [["--prot", "8000"], ["--port", "many"], ["extra"]])
def test_mistyped_option_is_refused_before_anything_is_installed(project: Path, arguments: list[str]) -> None:
    command = [sys.executable, str(project / "bin" / "up"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert result.returncode == 2
    assert not (project / ".venv").exists()

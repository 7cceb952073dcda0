"""What CI may do, and that it does what a contributor does."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.shell import ROOT

TEXT = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
WORKFLOW: dict[str, Any] = yaml.safe_load(TEXT)
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]


def test_actions_are_pinned() -> None:
    """Each action is named by the commit that was looked at, with the version beside it for the reader."""
    used = re.findall(r"uses: (.+)", TEXT)

    assert [] == [action for action in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)]


def test_least_permissions() -> None:
    """Nothing is allowed by default, a job may read at most, and no credentials are left in the working tree."""
    checkouts = [step for job in JOBS.values() for step in job["steps"] if "checkout" in step.get("uses", "")]

    assert {} == WORKFLOW["permissions"]
    assert [] == [name for name, job in JOBS.items() if job.get("permissions", {}) not in ({}, {"contents": "read"})]
    assert [False, False] == [step["with"]["persist-credentials"] for step in checkouts]


def test_the_pythons_are_those_that_we_promise() -> None:
    """The tests run on each Python that the package says it supports."""
    promised = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert promised == JOBS["tests"]["strategy"]["matrix"]["python"]


def test_one_job_stands_for_all() -> None:
    """The job that is required waits for every other one, runs always, and passes only if each succeeded."""
    required = JOBS["required"]
    others = [name for name in JOBS if name != "required"]

    assert (others, "always()") == (required["needs"], required["if"])
    assert required["steps"][0]["run"].endswith(f"= '{' '.join(['success'] * len(others))}'")


def test_it_runs_what_a_contributor_runs() -> None:
    """There is no step that cannot be done at home; what the runner's machine lacks is installed first."""
    commands = [step["run"] for name, job in JOBS.items() if name != "required" for step in job["steps"] if "run" in step]

    assert ["make test PYTHON=python", ".ci/run"] == [command for command in commands if not command.startswith("sudo apt-get ")]

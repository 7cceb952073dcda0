"""The conformance suite itself: it lets a sound family pass, whatever its fields are, and finds every fault of two that are not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

import pytest

from twotier.families import discover

HERE = Path(__file__).parent

CROOKED = {
    "test_every_field_is_described",
    "test_examples_are_answered_as_documented",
    "test_examples_are_rows",
    "test_fields_on_request_can_be_left_out",
    "test_gate_passes_on_the_raw_data",
    "test_answer_does_not_depend_on_neighbours",
    "test_number_that_is_not_finite_is_refused",
    "test_order_of_rows_does_not_matter",
    "test_refit_is_reproducible",
    "test_schemas_are_valid",
    "test_single_is_a_batch_of_one",
    "test_top_of_the_family_file_is_light",
    "test_unknown_field_is_refused",
    "test_value_of_another_type_is_refused",
}

WARPED = {
    "test_answer_survives_json",
    "test_artefact_round_trips",
    "test_card_is_of_the_family",
    "test_missing_field_is_refused",
    "test_order_of_keys_does_not_matter",
    "test_raw_data_is_the_same_every_time",
    "test_refit_is_reproducible",
    "test_target_is_no_feature",
}


def _check(environment: dict[str, str], *families: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "twotier.cli", "check", *families]
    return subprocess.run(command, cwd=HERE.parents[1], env={**os.environ, **environment}, capture_output=True, text=True, check=False)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("family", discover())
def test_shipped_family_passes(family: str) -> None:
    """Each family that comes with twotier does what every family must do, without a warning."""
    ran = _check({"PYTEST_ADDOPTS": "-W error"}, family)
    assert 0 == ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize("module", ["pytest", "jsonschema_rs"])
def test_what_the_suite_needs_is_named(module: str) -> None:
    """Where the suite's own libraries are not installed, one line says what to install."""
    script = f"import sys; sys.modules[{module!r}] = None; sys.argv = ['twotier', 'check']; from twotier.cli import main; main()"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (2, f"twotier: the suite needs {module}: pip install pytest jsonschema-rs\n") == (ran.returncode, ran.stderr)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bool]]:
    """By family, then by test: whether every case of it passed when the suite ran on the folder of families beside this file."""
    report = tmp_path_factory.mktemp("suite") / "report.xml"
    ran = _check({"TWOTIER_FAMILIES": str(HERE / "families"), "TWOTIER_SHIPPED": "false", "PYTEST_ADDOPTS": f"--junitxml={report}"})
    assert 1 == ran.returncode, ran.stdout
    passed: dict[str, dict[str, bool]] = defaultdict(dict)
    for case in ElementTree.parse(report).iter("testcase"):
        name, parameters = case.attrib["name"].rstrip("]").split("[")
        (family,) = {"kinds", "crooked", "warped"} & set(parameters.split("-"))
        passed[family][name] = passed[family].get(name, True) and len(case) == 0
    return passed


def test_sound_family_passes(outcomes: dict[str, dict[str, bool]]) -> None:
    """A family with text, choices, gaps and whole numbers, and two estimators, passes every test; and each of them can fail."""
    assert [] == [name for name, passed in outcomes["kinds"].items() if not passed]
    assert CROOKED | WARPED == outcomes["kinds"].keys()


@pytest.mark.parametrize(("family", "faults"), [("crooked", CROOKED), ("warped", WARPED)], ids=["crooked", "warped"])
def test_every_fault_is_found(outcomes: dict[str, dict[str, bool]], family: str, faults: set[str]) -> None:
    """A family whose faults are known fails exactly the tests that are about them."""
    assert faults == {name for name, passed in outcomes[family].items() if not passed}

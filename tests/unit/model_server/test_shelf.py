"""The shelf keeps what aliases point at, loads the rest on demand, and never gives up what serves for what may not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError
from structlog.testing import capture_logs

from tests.unit.model_server.shelves import rig, unreadable_ledger
from tests.unit.registry.kit import FAILED, PASSED, publish
from tests.versions import MODEL, artefact, flip_byte, promote
from twotier.errors import DigestMismatch, NotServable, UnknownFamily, UnknownVersion
from twotier.model_server import shelf
from twotier.registry import GateReport, Version
from twotier.wire import AliasInfo


def test_champion_is_loaded_at_the_first_look(data: Path) -> None:
    """It answers for its alias and its name without another load; the others are known, and not in memory."""
    with rig(data) as made:
        assert ["log_reg_1", "log_reg_1"] == [made.answers("champion"), made.answers("log_reg_1")]
        assert AliasInfo(version="log_reg_1", serving="log_reg_1") == made.champion()
        assert ["log_reg_4", "log_reg_3", "log_reg_2", "log_reg_1"] == [each.version for each in made.iris().versions]
        assert ["log_reg_1"] == made.registry.loads == made.loaded()
        assert made.shelf.ready


def test_info_tells_what_the_ledger_knows_of_a_version(data: Path) -> None:
    """Its estimator, its metrics and whether it passed its gate."""
    with rig(data) as made:
        newest = made.iris().versions[0]
        assert ("log_reg", True, False) == (newest.estimator, newest.gate_passed, newest.loaded)
        assert 0.94737 == round(newest.metrics["test"]["accuracy"], 5)


def test_info_tells_what_the_gate_found(data: Path) -> None:
    """Of a version that was refused as of one that passed, a long finding in part; of one that was not judged, that it was not."""
    with rig(data) as made:
        long = GateReport(passed=False, findings=(f"failed: {'x' * 1000}",))
        for gate in (FAILED, None, long):
            publish(made.registry, gate=gate)
        made.shelf.refresh()
        cut, unjudged, refused, passed, *_ = made.iris().versions
        assert (False, [f"failed: {'x' * 492}…"]) == (cut.gate_passed, cut.gate_findings)
        assert (None, None) == (unjudged.gate_passed, unjudged.gate_findings)
        assert (False, ["failed: accuracy is 0.5.", "passed: it answers."]) == (refused.gate_passed, refused.gate_findings)
        assert passed.gate_passed and passed.gate_findings and all(not each.startswith("failed") for each in passed.gate_findings)


def test_info_tells_of_the_newest_versions_alone_what_the_gate_found(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read again and again, and is bounded; whether they passed is told of all."""
    monkeypatch.setattr(shelf, "_MOST_TOLD", 1)
    with rig(data) as made:
        newest, *older = made.iris().versions
        assert newest.gate_findings and older
        assert {None} == {one.gate_findings for one in older} and None not in {one.gate_passed for one in older}


def test_pinned_version_is_loaded_on_demand_and_once(data: Path) -> None:
    """The second call finds it in memory, by whichever name."""
    with rig(data) as made:
        assert not made.shelf.has("iris", "log_reg_4")
        assert ["log_reg_4", "log_reg_4"] == [made.answers("log_reg_4"), made.answers("log_reg_latest")]
        assert ["log_reg_1", "log_reg_4"] == made.registry.loads
        assert made.shelf.has("iris", "log_reg_4") and made.shelf.has("iris", "log_reg_latest")


def test_what_is_in_memory_can_be_had_without_asking_for_it(data: Path) -> None:
    """By any of its names; what is not is not loaded for it."""
    with rig(data) as made:
        held = made.shelf.scorer("iris", "champion")
        assert held is made.shelf.loaded("iris", "champion") is made.shelf.loaded("iris", "log_reg_1")
        for family, name in (("iris", "log_reg_4"), ("iris", "log_reg_latest"), ("iris", "nobody"), ("roses", "champion")):
            assert made.shelf.loaded(family, name) is None
        assert ["log_reg_1"] == made.registry.loads


def test_a_ledger_that_did_not_change_is_not_read_again(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading it would hold up callers for milliseconds, twice a second. What changed is seen at the next look."""
    with rig(data) as made:
        reads: list[str] = []
        versions = made.registry.versions

        def read(family: str) -> list[Version]:
            reads.append(family)
            return versions(family)

        monkeypatch.setattr(made.registry, "versions", read)
        for _ in range(3):
            made.shelf.refresh()
        assert [] == reads
        promote(data, "log_reg_2")
        made.shelf.refresh()
        assert ["iris"] == [family for family in reads if family == "iris"]
        assert "log_reg_2" == made.champion().serving


def test_least_recently_used_version_leaves(data: Path) -> None:
    """Where two spare versions may stay, the two that were used last do; the champion is not counted."""
    with rig(data, max_loaded=2) as made:
        for name in ("log_reg_2", "log_reg_3", "log_reg_2"):
            made.answers(name)
        assert ["log_reg_1", "log_reg_2", "log_reg_3"] == made.loaded()
        made.answers("log_reg_4")
        assert ["log_reg_1", "log_reg_2", "log_reg_4"] == made.loaded()


def test_version_that_loses_its_alias_is_spare(data: Path) -> None:
    """It stays in memory as long as there is room among the spare ones."""
    with rig(data, max_loaded=1) as made:
        promote(data, "log_reg_2")
        made.shelf.refresh()
        assert ["log_reg_1", "log_reg_2"] == made.loaded()
        made.answers("log_reg_3")
        assert ["log_reg_2", "log_reg_3"] == made.loaded()


def test_concurrent_calls_load_a_version_once(data: Path) -> None:
    """Eight callers wait for one load, and all get it."""
    with rig(data) as made, ThreadPoolExecutor(8) as pool:
        made.registry.may_load.clear()
        calls = [pool.submit(made.answers, "log_reg_2") for _ in range(8)]
        made.registry.may_load.set()
        assert ["log_reg_2"] * 8 == [call.result(60) for call in calls]
        assert 1 == made.registry.loads.count("log_reg_2")


def test_those_who_wait_for_a_failed_load_are_told(data: Path) -> None:
    """The failure of the one load is everybody's, and nobody waits for ever."""
    flip_byte(artefact(data, "log_reg_2") / MODEL)
    with rig(data) as made, ThreadPoolExecutor(8) as pool:
        made.registry.may_load.clear()
        calls = [pool.submit(made.shelf.scorer, "iris", "log_reg_2") for _ in range(8)]
        made.registry.may_load.set()
        assert [DigestMismatch] * 8 == [type(call.exception(60)) for call in calls]
        assert 1 == made.registry.loads.count("log_reg_2")


def test_failed_load_stands_for_a_while(data: Path) -> None:
    """It is not tried again at every call, and it is after some seconds: then a mended version is found."""
    before = flip_byte(artefact(data, "log_reg_2") / MODEL)
    with rig(data) as made:
        for _ in range(3):
            with pytest.raises(DigestMismatch):
                made.answers("log_reg_2")
        assert 1 == made.registry.loads.count("log_reg_2")
        (artefact(data, "log_reg_2") / MODEL).write_bytes(before)
        made.clock.now += 4.9
        with pytest.raises(DigestMismatch):
            made.answers("log_reg_2")
        made.clock.now += 0.2
        assert "log_reg_2" == made.answers("log_reg_2")
        assert 2 == made.registry.loads.count("log_reg_2")


def test_remembered_failure_does_not_grow(data: Path) -> None:
    """However often it is raised, its traceback stays as short as the first time."""
    flip_byte(artefact(data, "log_reg_2") / MODEL)
    lengths = set()
    with rig(data) as made:
        for _ in range(5):
            with pytest.raises(DigestMismatch) as caught:
                made.shelf.scorer("iris", "log_reg_2")
            lengths.add(len(caught.traceback))
    assert max(lengths) <= min(lengths) + 6
    assert 2 >= len(lengths)


def test_moved_alias_is_followed(data: Path) -> None:
    """At the next look the new version answers; the old one stays in memory, so that a roll-back costs no load."""
    with rig(data) as made:
        promote(data, "log_reg_2")
        assert "log_reg_1" == made.answers()
        made.shelf.refresh()
        assert "log_reg_2" == made.answers()
        promote(data, "log_reg_1")
        made.shelf.refresh()
        assert "log_reg_1" == made.answers()
        assert ["log_reg_1", "log_reg_2"] == made.registry.loads


def test_version_that_may_not_serve_leaves_the_old_one_serving(data: Path) -> None:
    """It is said why, once in the log, and the alias is served by what served before."""
    promote(data, "log_reg_2")
    promote(data, "log_reg_1")
    with rig(data) as made, capture_logs() as logs:
        promote(data, "log_reg_2")
        flip_byte(artefact(data, "log_reg_2") / MODEL)
        for _ in range(3):
            made.shelf.refresh()
        assert "log_reg_1" == made.answers()
        champion = made.champion()
        assert ("log_reg_2", "log_reg_1") == (champion.version, champion.serving)
        assert champion.problem is not None and "SHA-256" in champion.problem and "model.pkl" in champion.problem
        assert 1 == made.registry.loads.count("log_reg_2")
    (said,) = [log for log in logs if log["event"] == "alias"]
    assert ("error", "champion", "log_reg_1", champion.problem) == (said["log_level"], said["alias"], said["serving"], said["problem"])


def test_alias_that_is_moved_gives_its_version_another_chance(data: Path) -> None:
    """A version that failed a moment ago is tried at once when an alias comes to point at it."""
    before = flip_byte(artefact(data, "log_reg_2") / MODEL)
    with rig(data) as made:
        with pytest.raises(DigestMismatch):
            made.answers("log_reg_2")
        (artefact(data, "log_reg_2") / MODEL).write_bytes(before)
        promote(data, "log_reg_2")
        made.shelf.refresh()
        assert ("log_reg_2", None) == (made.answers(), made.champion().problem)


def test_mended_version_serves_by_itself(data: Path) -> None:
    """The alias need not be moved again: it is tried every few seconds."""
    promote(data, "log_reg_2")
    before = flip_byte(artefact(data, "log_reg_2") / MODEL)
    with rig(data) as made:
        assert "log_reg_1" == made.answers()
        (artefact(data, "log_reg_2") / MODEL).write_bytes(before)
        made.shelf.refresh()
        assert "log_reg_1" == made.answers()
        made.clock.now += 5.1
        made.shelf.refresh()
        assert ("log_reg_2", None) == (made.answers(), made.champion().problem)


@pytest.mark.parametrize(("broken", "serves"), [(["log_reg_3"], "log_reg_2"), (["log_reg_3", "log_reg_2"], "log_reg_1"), ([], "log_reg_3")])
def test_start_falls_back_to_the_newest_earlier_champion(data: Path, broken: list[str], serves: str) -> None:
    """Where the champion does not verify at the start, the newest version that was champion before and verifies serves."""
    for version in ("log_reg_2", "log_reg_3"):
        promote(data, version)
    for version in broken:
        flip_byte(artefact(data, version) / MODEL)
    with rig(data) as made:
        assert serves == made.answers()
        assert ("log_reg_3", serves) == (made.champion().version, made.champion().serving)
        assert bool(broken) == (made.champion().problem is not None)
        assert made.shelf.ready


def test_nothing_that_verifies_is_not_ready(data: Path) -> None:
    """The alias says why, and so does the refusal, at once and without a load per call."""
    flip_byte(artefact(data, "log_reg_1") / MODEL)
    with rig(data) as made:
        assert not made.shelf.ready
        champion = made.champion()
        assert champion.serving is None and champion.problem is not None and "SHA-256" in champion.problem
        assert made.shelf.has("iris", "champion")
        for _ in range(3):
            with pytest.raises(NotServable, match="nothing can serve as champion of iris: .*SHA-256"):
                made.answers()
        assert ["log_reg_1"] == made.registry.loads
        assert "log_reg_2" == made.answers("log_reg_2")
        assert not made.shelf.ready


def test_ledger_that_cannot_be_read_changes_nothing(data: Path) -> None:
    """What is loaded goes on answering; when the ledger is back, it is followed again."""
    with rig(data) as made:
        promote(data, "log_reg_2")
        with unreadable_ledger(data):
            with pytest.raises(SQLAlchemyError):
                made.shelf.refresh()
            assert "log_reg_1" == made.answers()
            assert made.shelf.ready
        made.shelf.refresh()
        assert "log_reg_2" == made.answers()


def test_names_that_nobody_knows_are_refused(data: Path) -> None:
    """An unknown family and an unknown version, each with its own error."""
    with rig(data) as made:
        with pytest.raises(UnknownVersion):
            made.shelf.scorer("iris", "log_reg_9")
        with pytest.raises(UnknownFamily):
            made.shelf.scorer("roses", "champion")
        assert not made.shelf.has("roses", "champion")
        assert ["log_reg_1"] == made.registry.loads


def test_version_newer_than_the_last_look_is_found(data: Path) -> None:
    """Nobody has to wait for the next look to ask for what was just trained."""
    from model_training import train
    from tests.folders import registry_over

    with rig(data) as made:
        with registry_over(data) as registry:
            train(registry, registry.families["iris"], data=data)
        assert "log_reg_5" == made.answers("log_reg_5")


@pytest.mark.parametrize("looked", [True, False], ids=["known", "newer than the last look"])
@pytest.mark.parametrize(
    ("gate", "words"), [(FAILED, "did not pass its gate"), (None, "has not been judged by its gate yet")], ids=["refused", "never judged"]
)
def test_version_that_has_not_passed_its_gate_does_not_serve(data: Path, gate: GateReport | None, words: str, looked: bool) -> None:
    """It is not even loaded, and the words say where to look; judged and passed, it serves at once, and its neighbour always did."""
    with rig(data) as made:
        version = publish(made.registry, gate=gate)
        if looked:
            made.shelf.refresh()
        expected = f"^iris log_reg_5 {words}, so it does not serve: GET /models/iris shows which versions passed$"
        for _ in range(2):
            with pytest.raises(NotServable, match=expected):
                made.shelf.scorer("iris", "log_reg_5")
        assert ("log_reg_4", "log_reg_4") == (made.answers("log_reg_4"), made.answers("log_reg_latest"))
        assert "log_reg_5" not in made.registry.loads and not made.shelf.has("iris", "log_reg_5")
        made.registry.record_gate(version, PASSED)
        if gate is not None and looked:
            # A verdict that is known is asked for again at the next look only.
            made.shelf.refresh()
        assert "log_reg_5" == made.shelf.scorer("iris", "log_reg_5").card.version


def test_alias_of_a_version_that_has_not_passed_its_gate(data: Path) -> None:
    """Whoever wrote that into the ledger: what was champion before serves, and it is said why; once it passes, it serves."""
    promote(data, "log_reg_2")
    with rig(data) as made:
        made.registry.record_gate(made.registry.version("iris", "log_reg_2"), FAILED)
    with rig(data) as made:
        champion = made.champion()
        assert ("log_reg_2", "log_reg_1", "log_reg_1") == (champion.version, champion.serving, made.answers())
        assert champion.problem is not None and champion.problem.startswith("iris log_reg_2 did not pass its gate")
        made.registry.record_gate(made.registry.version("iris", "log_reg_2"), PASSED)
        for _ in range(2):
            made.shelf.refresh()
        assert ("log_reg_2", None) == (made.answers(), made.champion().problem)


def test_unforeseen_error_keeps_its_inside_to_the_log(data: Path) -> None:
    """The problem of the alias names the kind of error; the log has it whole."""
    with rig(data) as made, capture_logs() as logs:
        promote(data, "log_reg_2")
        made.registry.error = OSError("/secret/place")
        made.shelf.refresh()
        assert "OSError: see the model server's log" == made.champion().problem
        assert "log_reg_1" == made.answers()
    assert ["/secret/place"] == [str(log["exc_info"]) for log in logs if log["event"] == "not_loaded"]


def test_more_aliases_than_spare_places_are_all_kept(data: Path) -> None:
    """What aliases point at does not leave, however few spare versions may stay."""
    promote(data, "log_reg_2", alias="challenger")
    promote(data, "log_reg_3", alias="shadow")
    with rig(data, max_loaded=1) as made:
        assert ["log_reg_1", "log_reg_2", "log_reg_3"] == made.loaded()
        made.shelf.refresh()
        assert 3 == len(made.registry.loads)


def test_alias_without_a_verified_past_is_tried_again(data: Path) -> None:
    """Whatever the number of looks, an alias that nothing can serve costs no load until some seconds have passed."""
    before = flip_byte(artefact(data, "log_reg_1") / MODEL)
    with rig(data) as made:
        for _ in range(3):
            made.shelf.refresh()
        assert ["log_reg_1"] == made.registry.loads
        (artefact(data, "log_reg_1") / MODEL).write_bytes(before)
        made.clock.now += 5.1
        made.shelf.refresh()
        assert ("log_reg_1", True) == (made.answers(), made.shelf.ready)

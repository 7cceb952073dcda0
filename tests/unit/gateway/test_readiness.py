"""Ready means that some reachable model server serves some family; everything else is named."""

from __future__ import annotations

from twotier.gateway.catalogue import Sighting
from twotier.gateway.readiness import Dependency, FamilyState, Readiness, assess
from twotier.wire import AliasInfo, FamilyInfo, Info


def seen(problem: str | None = None, **aliases: AliasInfo) -> Sighting:
    """A model server that serves iris by these aliases."""
    return Sighting(Info(server={}, families={"iris": FamilyInfo(aliases=aliases, versions=[])}), 1.0, problem)


GOOD = seen(champion=AliasInfo(version="log_reg_1", serving="log_reg_1"))


def test_is_ready_when_all_is_well() -> None:
    """A reachable model server that serves the family is enough."""
    expected = Readiness(
        ready=True,
        detail="all is well",
        dependencies=[Dependency(name="model server http://a", status="up")],
        families={"iris": FamilyState(status="serving", version="log_reg_1")},
    )
    assert expected == assess({"http://a": GOOD}, ["iris"], draining=False)


def test_is_not_ready_when_no_model_server_can_be_reached() -> None:
    """The model server is named, and why it is down; what it said before does not count."""
    verdict = assess({"http://a": Sighting(GOOD.info, 1.0, "refused"), "http://b": Sighting()}, ["iris"], draining=False)

    assert not verdict.ready
    assert verdict.detail.startswith("no model server can be reached: model server http://a: refused; model server http://b: it has not")
    assert [("down", "refused"), ("down", "it has not been asked yet")] == [(one.status, one.detail) for one in verdict.dependencies]


def test_one_model_server_of_two_is_enough() -> None:
    """A second model server that is down is named, and does not matter."""
    verdict = assess({"http://a": Sighting(), "http://b": GOOD}, ["iris"], draining=False)

    assert (True, ["down", "up"]) == (verdict.ready, [one.status for one in verdict.dependencies])


def test_is_not_ready_when_no_family_serves() -> None:
    """A model server without a single version to serve cannot answer anybody: none is trained, or what is has a problem."""
    broken = seen(champion=AliasInfo(version="log_reg_1", serving=None, problem="bad signature"))
    for nothing, what_to_do in ((seen(), "train one"), (broken, "see `families`")):
        verdict = assess({"http://a": nothing}, ["iris"], draining=False)

        assert (False, f"no family has a version that serves: {what_to_do}") == (verdict.ready, verdict.detail)


def test_names_families_that_do_not_serve_beside_those_that_do() -> None:
    """One family without a version does not stop the others."""
    verdict = assess({"http://a": GOOD}, ["iris", "outcome"], draining=False)

    assert (True, "some families have problems: see `families`") == (verdict.ready, verdict.detail)
    assert FamilyState(status="not serving") == verdict.families["outcome"]


def test_names_an_alias_that_another_version_answers_for() -> None:
    """It is ready, and says which version may not serve and why."""
    champion = AliasInfo(version="log_reg_2", serving="log_reg_1", problem="bad signature")
    loading = AliasInfo(version="log_reg_2", serving=None)
    verdict = assess({"http://a": seen(champion=champion, challenger=loading)}, ["iris"], draining=False)

    assert verdict.ready
    assert "log_reg_1" == verdict.families["iris"].version
    assert [
        "champion points at log_reg_2, but log_reg_1 answers: bad signature",
        "challenger points at log_reg_2, but nothing answers: it is being loaded",
    ] == verdict.families["iris"].problems


def test_is_not_ready_while_it_is_being_stopped() -> None:
    """However well all is, a gateway that is going takes no more work."""
    verdict = assess({"http://a": GOOD}, ["iris"], draining=True)

    assert (False, "the gateway is being stopped") == (verdict.ready, verdict.detail)

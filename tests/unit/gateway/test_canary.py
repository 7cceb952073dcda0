"""The canary: who is in the share is decided by the key alone, and whatever goes wrong with the challenger, the champion answers."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.errors import (
    NotExplainable,
    NotServable,
    Overloaded,
    TwotierError,
    UnknownVersion,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from twotier.families.iris import FAMILY, IrisAnswer
from twotier.gateway.canary import Canary, place
from twotier.gateway.catalogue import Catalogue, Pair, Sighting
from twotier.gateway.forwarding import DEFAULT_ALIAS, Ask, Scores, Timing
from twotier.gateway.metrics import Metrics
from twotier.gateway.settings import GatewaySettings
from twotier.gateway.upstream import Upstream
from twotier.wire import AliasInfo, FamilyInfo, Info

KEYS = [f"caller {number}" for number in range(10_000)]
PAIR = Pair("log_reg_1", "log_reg_2")
ASK = Ask(FAMILY, DEFAULT_ALIAS, frozenset({"probabilities"}))
ROWS = [[5.0, 2.0, 3.0, 4.0], [4.8, 3.0, 1.4, 0.1]]
MANY = ROWS * 100


class Versions:
    """Two versions that answer by their names; the challenger has whatever fault it is given."""

    def __init__(self) -> None:
        self.now = 100.0
        self.fault: TwotierError | None = None
        self.unscored = False
        self.asked: list[tuple[Ask, float]] = []

    async def score(self, ask: Ask, rows: list[list[Any]], deadline: float, timing: Timing) -> Scores:
        """See `Forward`."""
        self.asked.append((ask, deadline - self.now))
        challenged = ask.version == PAIR.challenger
        if challenged and self.fault:
            raise self.fault
        version = PAIR.challenger if challenged else PAIR.champion
        return Scores(version, [None if challenged and self.unscored else IrisAnswer(output=version) for _ in rows])


class Flock:
    """A canary over them, with a clock that is set by hand."""

    def __init__(self, share: float = 1.0, pair: Pair | None = PAIR) -> None:
        self.versions = Versions()
        self.pair = pair
        self.metrics = Metrics()
        self.canary = Canary(
            self.versions,
            {"iris": share},
            lambda _family: self.pair,
            self.metrics,
            patience=0.5,
            max_rows=len(MANY) - 1,
            clock=lambda: self.versions.now,
        )

    async def answered(self, key: str | None = "caller", seconds: float = 5.0, rows: list[list[float]] = ROWS) -> str:
        """Which version answers a caller."""
        forward = self.canary.steer("iris", key)
        return (await forward.score(ASK, rows, self.versions.now + seconds, Timing())).version

    def counts(self) -> dict[str, float]:
        """Calls in the share by their outcome."""
        samples = [sample for metric in self.metrics.canary.collect() for sample in metric.samples if sample.name.endswith("_total")]
        return {sample.labels["outcome"]: sample.value for sample in samples}


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5, 0.9])
def test_keys_are_spread_evenly(share: float) -> None:
    """Of 10,000 keys, as many are in a share as chance would have it: within three standard deviations."""
    inside = sum(place("iris", key) < share for key in KEYS)

    assert abs(inside - 10_000 * share) <= 3 * math.sqrt(10_000 * share * (1 - share))


def test_a_key_has_its_place_for_ever() -> None:
    """The place is that of other gateways, other processes and other days: these are written down."""
    assert (0.825506, 0.2552379) == (round(place("iris", "alice"), 7), round(place("iris", ""), 7))


def test_families_are_independent() -> None:
    """Who is in one family's share is in another's no more often than anybody."""
    both = sum(place("iris", key) < 0.1 and place("credit", key) < 0.1 for key in KEYS)

    assert abs(both - 100) <= 3 * math.sqrt(10_000 * 0.01 * 0.99)


@given(key=st.text(st.characters(exclude_categories=["Cs"])), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_larger_share_moves_keys_one_way(key: str, shares: tuple[float, float]) -> None:
    """Whoever is in a share is in every larger one; nobody is in none, and everybody in all."""
    at = place("iris", key)

    assert not at < min(shares) or at < max(shares)
    assert 0 <= at < 1


async def test_the_share_is_answered_by_the_challenger() -> None:
    """Each key is on the side that its place says, again and again, and no other family's callers are steered."""
    flock = Flock(0.3)
    keys = KEYS[:200]
    expected = ["log_reg_2" if place("iris", key) < 0.3 else "log_reg_1" for key in keys]

    for _ in range(3):
        assert expected == [await flock.answered(key) for key in keys]
    assert {"answered": 3 * expected.count("log_reg_2")} == flock.counts()
    assert flock.canary.steer("credit", "caller") is flock.versions


async def test_without_a_key_nobody_is_steered() -> None:
    """A route that knows no key has the champion, be the share what it may."""
    flock = Flock()

    assert ("log_reg_1", {}) == (await flock.answered(None), flock.counts())


async def test_the_challenger_is_asked_for_the_same() -> None:
    """Fields on request too. It has its patience, or half of the time of a caller in a hurry."""
    flock = Flock()
    await flock.answered(seconds=5)
    await flock.answered(seconds=0.5)

    assert [(Ask(FAMILY, "log_reg_2", ASK.wanted), 0.5), (Ask(FAMILY, "log_reg_2", ASK.wanted), 0.25)] == flock.versions.asked


async def test_no_challenger_no_canary() -> None:
    """While there is none, the champion answers, and it is counted."""
    flock = Flock(pair=None)

    assert ("log_reg_1", {"absent": 1}) == (await flock.answered(), flock.counts())
    assert [(ASK, 5.0)] == flock.versions.asked


@pytest.mark.parametrize("error", [UnknownVersion, NotServable, UpstreamUnavailable, Overloaded, UpstreamTimeout, UpstreamInvalid])
async def test_a_challenger_that_fails_is_left_alone_for_a_while(error: type[TwotierError]) -> None:
    """The champion answers that caller and those after it; then one caller tries, and the others follow when that went well."""
    flock = Flock()
    flock.versions.fault = error("no")
    assert ["log_reg_1"] * 3 == [await flock.answered() for _ in range(3)]
    assert {"failed": 1, "resting": 2} == flock.counts()

    flock.versions.now += 6
    assert ["log_reg_1"] * 2 == [await flock.answered() for _ in range(2)]
    assert {"failed": 2, "resting": 3} == flock.counts()

    flock.versions.fault = None
    flock.versions.now += 6
    assert ["log_reg_2"] * 2 == [await flock.answered() for _ in range(2)]
    assert {"failed": 2, "resting": 3, "answered": 2} == flock.counts()


@pytest.mark.parametrize("error", [UpstreamTimeout, Overloaded])
async def test_a_caller_in_a_hurry_says_nothing_of_the_challenger(error: type[TwotierError]) -> None:
    """That it is late for a short deadline lays it to rest for nobody; nor does such a caller try one that rests."""
    flock = Flock()
    flock.versions.fault = error("late")
    assert "log_reg_1" == await flock.answered(seconds=0.1)
    flock.versions.fault = None
    assert "log_reg_2" == await flock.answered()

    flock.versions.fault = UpstreamInvalid("broken, which haste does not explain")
    assert "log_reg_1" == await flock.answered(seconds=0.1)
    flock.versions.fault = None
    flock.versions.now += 6
    assert ["log_reg_1", "log_reg_2"] == [await flock.answered(seconds=seconds) for seconds in (0.1, 5)]


async def test_a_challenger_without_reasons_is_asked_on() -> None:
    """Who asks for reasons is answered by the champion, and nobody else is; nor does such a caller end or prolong its rest."""
    flock = Flock()
    flock.versions.fault = NotExplainable("it is a tree")
    assert "log_reg_1" == await flock.answered()
    flock.versions.fault = None
    assert "log_reg_2" == await flock.answered()

    flock.versions.fault = UpstreamInvalid("broken")
    assert "log_reg_1" == await flock.answered()
    flock.versions.now += 6
    flock.versions.fault = NotExplainable("it is a tree")
    assert "log_reg_1" == await flock.answered()
    # The next one is who tries.
    flock.versions.fault = UpstreamInvalid("broken still")
    assert ["log_reg_1"] * 2 == [await flock.answered() for _ in range(2)]
    assert {"answered": 1, "failed": 4, "resting": 1} == flock.counts()


@pytest.mark.parametrize("error", [UpstreamTimeout, Overloaded])
async def test_a_long_call_says_nothing_of_short_ones(error: type[TwotierError]) -> None:
    """Many rows may need more than the patience: then long calls leave the challenger alone for a while, and short ones do not."""
    flock = Flock()
    flock.versions.fault = error("late")
    assert ["log_reg_1"] * 2 == [await flock.answered(rows=MANY) for _ in range(2)]
    flock.versions.fault = None
    assert ["log_reg_2", "log_reg_1"] == [await flock.answered(), await flock.answered(rows=MANY)]
    assert {"failed": 1, "resting": 2, "answered": 1} == flock.counts()
    # The champion had all but the patience.
    assert [(ASK.version, 5.0)] == [(ask.version, seconds) for ask, seconds in flock.versions.asked[1:2]]

    flock.versions.now += 6
    assert ["log_reg_2"] * 2 == [await flock.answered(rows=MANY) for _ in range(2)]


@pytest.mark.parametrize(("error", "rows"), [(UpstreamTimeout, ROWS), (UpstreamInvalid, MANY)])
async def test_any_other_failure_is_everybodys(error: type[TwotierError], rows: list[list[float]]) -> None:
    """Who is late for few rows is late for many, and what is broken is broken for all."""
    flock = Flock()
    flock.versions.fault = error("no")
    assert "log_reg_1" == await flock.answered(rows=rows)
    flock.versions.fault = None
    assert ["log_reg_1"] * 2 == [await flock.answered(rows=each) for each in (ROWS, MANY)]
    assert {"failed": 1, "resting": 2} == flock.counts()


async def test_rows_that_the_challenger_cannot_score_are_the_champions() -> None:
    """All rows of that call are, so that one version answers them; the challenger goes on with others."""
    flock = Flock()
    flock.versions.unscored = True
    assert "log_reg_1" == await flock.answered()
    flock.versions.unscored = False
    assert "log_reg_2" == await flock.answered()
    assert {"failed": 1, "answered": 1} == flock.counts()


def info(**serving: str | None) -> Info:
    """What a model server says whose aliases are these."""
    aliases = {name: AliasInfo(version="log_reg_9", serving=version) for name, version in serving.items()}
    return Info(server={}, families={"iris": FamilyInfo(aliases=aliases, versions=[])})


@pytest.mark.parametrize(
    ("said", "pair"),
    [
        (info(champion="log_reg_1", challenger="log_reg_2"), PAIR),
        (info(champion="log_reg_1"), None),
        (info(challenger="log_reg_2"), None),
        (info(champion="log_reg_1", challenger=None), None),
        (info(champion="log_reg_2", challenger="log_reg_2"), None),
        (Info(server={}, families={}), None),
        (None, None),
    ],
)
def test_a_pair_is_two_versions_that_serve(said: Info | None, pair: Pair | None) -> None:
    """Both aliases must have a version that answers for them, and not the same one; without any word of a model server there is none."""
    settings, metrics = GatewaySettings(), Metrics()
    catalogue = Catalogue(Upstream(settings, metrics), metrics, settings.poll_seconds)
    catalogue.sightings = {"http://a": Sighting(said, 1.0, None)}

    assert pair == catalogue.pair("iris")

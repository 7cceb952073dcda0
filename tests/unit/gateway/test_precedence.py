"""Long calls give way to short ones, and for no longer than they must."""

from __future__ import annotations

from collections.abc import Callable

from tests.unit.gateway.test_lanes import World, numbers
from twotier.errors import UpstreamUnavailable
from twotier.gateway.lanes import Sizes
from twotier.gateway.parcels import Parcel
from twotier.gateway.precedence import Precedence


class Lanes:
    """Two lanes of one gateway, the clock of both, and timers that fire when they are told to."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.bulk, self.other = World(Sizes(2, 100, 100_000), width=10), World(Sizes(2, 100, 1000))
        self.precedence = Precedence(lambda: self.bulk.now, lambda seconds, then: self.timers.append((seconds, then)))
        for world in (self.bulk, self.other):
            world.lane._send = self.sender(world)

    def sender(self, world: World) -> Callable[[Parcel], None]:
        """What a lane hands its parcels to."""

        def send(parcel: Parcel) -> None:
            world.sent.append(parcel)
            self.precedence.sent(parcel)

        return send

    def pass_time(self, seconds: float) -> None:
        """For both."""
        self.bulk.now += seconds
        self.other.now += seconds

    def back(self, world: World, parcel: Parcel, seconds: float = 0.0) -> None:
        """After a while a parcel is answered."""
        self.pass_time(seconds)
        self.precedence.back(world.lane, parcel)
        world.answer(parcel)


def test_a_long_call_goes_on_at_once_if_nobody_else_is_there() -> None:
    """Nothing is waited for, and its parcels grow."""
    lanes = Lanes()
    lanes.bulk.admit(*range(1000))
    lanes.back(lanes.bulk, lanes.bulk.sent[0], 0.1)
    assert [51, 100] == [parcel.size for parcel in lanes.bulk.sent]
    assert [] == lanes.timers


def test_a_short_call_of_another_lane_goes_first() -> None:
    """The next parcel is sent when it is back, and is a small one."""
    lanes = Lanes()
    lanes.bulk.admit(*range(1000))
    lanes.other.admit(7)
    lanes.back(lanes.bulk, lanes.bulk.sent[0], 0.1)
    assert 1 == len(lanes.bulk.sent)
    lanes.back(lanes.other, lanes.other.sent[0])
    assert [51, 51] == [parcel.size for parcel in lanes.bulk.sent]


def test_who_comes_later_is_not_waited_for() -> None:
    """Else callers who come one after the other could keep a long call waiting for ever."""
    lanes = Lanes()
    lanes.bulk.admit(*range(1000))
    lanes.other.admit(7)
    lanes.back(lanes.bulk, lanes.bulk.sent[0], 0.1)
    lanes.other.admit(8)
    lanes.back(lanes.other, lanes.other.sent[0])
    assert 2 == len(lanes.bulk.sent)


def test_a_slow_short_call_is_not_waited_for_longer_than_a_parcel_takes() -> None:
    """So a long call takes twice as long at most; the short one's return does nothing more."""
    lanes = Lanes()
    lanes.bulk.admit(*range(1000))
    lanes.other.admit(7)
    lanes.back(lanes.bulk, lanes.bulk.sent[0], 0.25)
    ((seconds, go_on),) = lanes.timers
    assert 0.25 == seconds
    go_on()
    assert 2 == len(lanes.bulk.sent)
    lanes.back(lanes.other, lanes.other.sent[0])
    assert 2 == len(lanes.bulk.sent)


def test_a_timer_of_an_earlier_wait_ends_no_later_one() -> None:
    """Each wait has its own."""
    lanes = Lanes()
    lanes.bulk.admit(*range(1000))
    for at in range(2):
        lanes.other.admit(at)
        lanes.back(lanes.bulk, lanes.bulk.sent[at], 0.1)
        assert at + 1 == len(lanes.bulk.sent)
        if not at:
            lanes.back(lanes.other, lanes.other.sent[0])
    (_, first), (_, second) = lanes.timers
    first()
    assert 2 == len(lanes.bulk.sent)
    second()
    assert 3 == len(lanes.bulk.sent)


def test_a_long_newcomer_does_not_make_others_wait_anew() -> None:
    """While the lane gives way it waits as they do, and nothing is measured from its coming."""
    lanes = Lanes()
    lanes.bulk.admit(*range(1000))
    lanes.other.admit(7)
    lanes.back(lanes.bulk, lanes.bulk.sent[0], 0.1)
    lanes.bulk.admit(*range(2000, 3000))
    assert (1, 1) == (len(lanes.bulk.sent), len(lanes.timers))
    lanes.timers[0][1]()
    assert {True, False} == {row < 1000 for row in numbers(lanes.bulk.sent[1])}


def test_parcels_that_come_back_while_the_lane_gives_way_do_not_prolong_it() -> None:
    """Where there are several model servers, a lane may have several parcels of long calls under way."""
    lanes = Lanes()
    lanes.bulk.sizes.slots = 4
    lanes.bulk.admit(*range(1000))
    lanes.other.admit(7)
    assert 3 == len(lanes.bulk.sent)
    for parcel in lanes.bulk.sent[:3]:
        lanes.back(lanes.bulk, parcel, 0.1)
    assert (3, 1) == (len(lanes.bulk.sent), len(lanes.timers))
    lanes.timers[0][1]()
    assert 6 == len(lanes.bulk.sent)


def test_a_short_call_that_came_and_went_keeps_parcels_small() -> None:
    """The next one would wait for a large parcel; where none came, the next parcel is large again."""
    lanes = Lanes()
    lanes.bulk.admit(*range(1000))
    lanes.pass_time(0.1)
    lanes.other.admit(7)
    lanes.back(lanes.other, lanes.other.sent[0])
    lanes.back(lanes.bulk, lanes.bulk.sent[0], 0.1)
    lanes.back(lanes.bulk, lanes.bulk.sent[1], 0.1)
    assert [51, 51, 100] == [parcel.size for parcel in lanes.bulk.sent]


def test_a_short_call_of_the_same_lane_goes_first_too() -> None:
    """It has the slot that is kept, and then the model server for itself."""
    lanes = Lanes()
    lanes.bulk.admit(*range(1000))
    lanes.bulk.admit(-1)
    lanes.back(lanes.bulk, lanes.bulk.sent[0], 0.1)
    assert [51, 1] == [parcel.size for parcel in lanes.bulk.sent]
    lanes.back(lanes.bulk, lanes.bulk.sent[1])
    assert [0, -1, 51] == [numbers(parcel)[0] for parcel in lanes.bulk.sent]


def test_two_long_calls_do_not_wait_for_each_other() -> None:
    """Neither is short."""
    lanes = Lanes()
    lanes.bulk.admit(*range(1000))
    lanes.other.admit(*range(1000))
    lanes.back(lanes.bulk, lanes.bulk.sent[0], 0.1)
    assert 2 == len(lanes.bulk.sent)
    assert [] == lanes.timers


def test_a_short_call_that_fails_is_waited_for_no_longer() -> None:
    """It is back, if with nothing."""
    lanes = Lanes()
    lanes.bulk.admit(*range(1000))
    lanes.other.admit(7)
    lanes.back(lanes.bulk, lanes.bulk.sent[0], 0.1)
    lanes.precedence.back(lanes.other.lane, lanes.other.sent[0])
    lanes.other.lane.failed(lanes.other.sent[0], UpstreamUnavailable("it is away"))
    assert 2 == len(lanes.bulk.sent)

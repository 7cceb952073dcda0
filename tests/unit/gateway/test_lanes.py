"""The lane's rules, one by one, and then all at once: in whatever order things happen, every row gets its own answer or one problem."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from twotier.errors import Overloaded, TwotierError, UpstreamInvalid, UpstreamTimeout, UpstreamUnavailable
from twotier.families.iris import IrisAnswer
from twotier.family import Answer
from twotier.gateway.forwarding import Scores, Timing
from twotier.gateway.lanes import Lane, Sizes, most_rows
from twotier.gateway.parcels import Call, Parcel


@dataclass
class World:
    """A lane, its clock, what it has sent and whom it has settled."""

    sizes: Sizes
    now: float = 100.0
    sent: list[Parcel] = field(default_factory=list)
    settled: list[Call] = field(default_factory=list)
    width: int = 1

    def __post_init__(self) -> None:
        self.lane = Lane(lambda: self.now, self.sent.append, self.sizes, self.width)

    def admit(self, *rows: int, budget: float = 10.0) -> Call:
        """Admit rows, each of which is a number of its own, and pump."""
        call = self.lane.admit([[row] for row in rows], self.now + budget, self.settled.append)
        self.lane.pump()
        return call

    def answer(self, parcel: Parcel, version: str = "log_reg_1", model_seconds: float = 0.001) -> None:
        """Have a parcel come back, each row answered by its own number."""
        self.lane.answered(parcel, Scores(version, [own(row) for row in parcel.rows], model_seconds))


def own(row: list[Any]) -> Answer:
    """A row's own answer."""
    return IrisAnswer(output=str(row[0]))


def outputs(call: Call) -> list[str]:
    """What a call was answered."""
    return [getattr(answer, "output") for answer in call.scores().answers]


def numbers(parcel: Parcel) -> list[int]:
    """The rows of a parcel."""
    return [row[0] for row in parcel.rows]


def test_an_idle_lane_sends_at_once() -> None:
    """Nothing is waited for."""
    world = World(Sizes(1, 8, 100))
    call = world.admit(1)
    assert [[1]] == [numbers(parcel) for parcel in world.sent]
    assert ("free", world.now) == (world.sent[0].reason, call.sent)


def test_a_busy_lane_merges_what_waits() -> None:
    """What comes while all slots are taken goes together when one is free."""
    world = World(Sizes(1, 8, 100))
    calls = [world.admit(row) for row in range(5)]
    assert [[0]] == [numbers(parcel) for parcel in world.sent]
    world.answer(world.sent[0])
    assert [1, 2, 3, 4] == numbers(world.sent[1])
    assert "freed" == world.sent[1].reason
    world.answer(world.sent[1])
    assert [["0"], ["1"], ["2"], ["3"], ["4"]] == [outputs(call) for call in calls]
    assert world.lane.idle


def test_slots_are_a_bound() -> None:
    """No more parcels are under way than there are slots, and a slot that becomes free is used."""
    world = World(Sizes(2, 8, 100))
    for row in range(4):
        world.admit(row)
    assert [[0], [1]] == [numbers(parcel) for parcel in world.sent]
    world.answer(world.sent[1])
    assert [2, 3] == numbers(world.sent[2])
    assert "freed" == world.sent[2].reason


def test_many_rows_of_one_caller_do_not_hold_up_another() -> None:
    """A single row finds a place in the very next parcel, however many rows of another caller wait before it."""
    world = World(Sizes(1, 10, 1000))
    world.admit(*range(200))
    world.admit(1000)
    world.answer(world.sent[0])
    assert 1000 in numbers(world.sent[1])
    assert (10, "full") == (world.sent[1].size, world.sent[1].reason)


@pytest.mark.parametrize(("width", "rows"), [(1, 64), (8, 64), (9, 56), (100, 5), (5000, 1)])
def test_rows_of_a_long_call_travel_in_smaller_parcels(width: int, rows: int) -> None:
    """Nobody else's row is to wait long for them, and wide ones cost more; one row is never too wide."""
    world = World(Sizes(1, 128, 10_000), width=width)
    world.admit(*range(300))
    assert (rows, "full") == (world.sent[0].size, world.sent[0].reason)


@pytest.mark.parametrize(("width", "rows", "of_long"), [(1, 128, 64), (32, 128, 16), (33, 124, 15), (100, 40, 5), (5000, 1, 0)])
def test_wide_rows_of_many_callers_have_more_room(width: int, rows: int, of_long: int) -> None:
    """All of them wait anyway. Long calls have theirs, up to their own bound."""
    world = World(Sizes(1, 128, 10_000), width=width)
    world.admit(-1)
    for row in range(300):
        world.admit(row)
    world.admit(*range(1000, 2000))
    world.answer(world.sent[0])
    assert (rows, "full") == (world.sent[1].size, world.sent[1].reason)
    assert of_long == sum(row >= 1000 for row in numbers(world.sent[1]))


def test_long_calls_share_what_is_theirs() -> None:
    """Each has a row of five, and the others have to wait; short calls have all the rest."""
    world = World(Sizes(1, 128, 10_000), width=100)
    world.admit(-1)
    for caller in range(8):
        world.admit(*range(caller * 100, caller * 100 + 6))
    for row in range(1000, 1010):
        world.admit(row)
    world.answer(world.sent[0])
    assert [0, 100, 200, 300, 400, *range(1000, 1010)] == sorted(numbers(world.sent[1]))


@pytest.mark.parametrize(("width", "rows"), [(1, 128), (33, 124), (100, 40), (5000, 1)])
def test_where_nobody_waits_for_them_long_calls_have_more_room(width: int, rows: int) -> None:
    """But they never have more rows than they may."""
    world = World(Sizes(1, 128, 10_000), width=width)
    world.admit(*range(300))
    world.lane.alone = True
    world.answer(world.sent[0])
    assert (rows, "full") == (world.sent[1].size, world.sent[1].reason)


def test_the_next_long_call_begins_with_little() -> None:
    """That nobody was there before says nothing of now."""
    world = World(Sizes(1, 128, 10_000), width=100)
    world.lane.alone = True
    world.admit(*range(300))
    assert 5 == world.sent[0].size


@pytest.mark.parametrize("max_rows", [1, 4])
@pytest.mark.parametrize("alone", [False, True])
def test_where_there_is_one_slot_long_and_short_calls_both_go_on(max_rows: int, alone: bool) -> None:
    """However many long ones could fill every parcel, and however many short ones come."""
    world = World(Sizes(1, max_rows, 10_000))
    long = [world.admit(*range(caller * 100, caller * 100 + 20)) for caller in range(10)]
    short = [world.admit(10_000 + row) for row in range(50)]
    for _ in range(50):
        world.lane.alone = alone
        world.answer(world.sent[-1])
    assert any(call.ended for call in short)
    assert sum(call.taken for call in long) >= 20


def test_a_lane_that_gives_way_sends_no_more_of_a_long_call() -> None:
    """Whoever is new is served as ever; what has begun goes on when the lane does not give way any more."""
    world = World(Sizes(2, 2, 1000))
    world.admit(*range(4))
    world.lane.gives_way = True
    world.answer(world.sent[0])
    assert 1 == len(world.sent)
    world.admit(77)
    assert [77] == numbers(world.sent[1])
    world.lane.gives_way = False
    world.lane.pump()
    assert [2, 3] == numbers(world.sent[2])


def test_a_parcel_knows_whether_it_has_rows_of_a_long_call() -> None:
    """One that fits into a parcel is short, even if it is cut since others wait too."""
    world = World(Sizes(1, 4, 1000))
    world.admit(-1)
    world.admit(2, 3, 4)
    world.admit(5, 6, 7)
    world.answer(world.sent[0])
    world.admit(*range(10, 15))
    while world.lane.under_way:
        world.answer(next(iter(world.lane.under_way)))
    assert [[-1], [2, 3, 5, 6]] == [sorted(numbers(parcel)) for parcel in world.sent[:2]]
    assert [any(row >= 10 for row in numbers(parcel)) for parcel in world.sent] == [parcel.long for parcel in world.sent]
    assert {True, False} == {parcel.long for parcel in world.sent}


def test_newcomers_do_not_stop_a_long_call_however_many_rows_they_have() -> None:
    """It has its share of the next parcel, and of every second one at least."""
    world = World(Sizes(2, 4, 1000))
    world.admit(*range(10))
    for caller in range(1, 101):
        world.admit(*range(caller * 10, caller * 10 + 3))
    for _ in range(8):
        world.answer(world.sent[len(world.sent) - len(world.lane.under_way)])
    assert {*range(7)} <= {row for parcel in world.sent for row in numbers(parcel)}


def test_short_calls_that_are_cut_have_every_slot() -> None:
    """Only long ones leave one free."""
    world = World(Sizes(2, 4, 1000))
    for caller in range(40):
        world.admit(*range(caller * 10, caller * 10 + 2))
    for _ in range(10):
        assert 2 == len(world.lane.under_way)
        world.answer(next(iter(world.lane.under_way)))


def test_callers_share_a_parcel_evenly() -> None:
    """Two long calls advance at the same pace, and what one leaves over the other takes."""
    world = World(Sizes(1, 10, 1000))
    world.admit(-1)
    world.admit(*range(100, 112))
    world.admit(*range(200, 212))
    world.admit(300)
    world.answer(world.sent[0])
    counted = Counter(row // 100 for row in numbers(world.sent[1]))
    assert 10 == world.sent[1].size
    assert 1 == counted[3]
    assert {counted[1], counted[2]} <= {3, 4, 5, 6}
    while len(world.lane.under_way):
        world.answer(next(iter(world.lane.under_way)))
    assert [[str(row) for row in range(100, 112)], [str(row) for row in range(200, 212)]] == sorted(
        outputs(call) for call in world.settled if len(call.rows) > 1
    )


def test_late_rows_are_not_sent() -> None:
    """A row whose deadline passed while it waited is answered by where its time went."""
    world = World(Sizes(1, 8, 100))
    world.admit(1)
    late, other = world.admit(2, budget=1), world.admit(3)
    world.now += 1
    world.answer(world.sent[0])
    assert [3] == numbers(world.sent[1])
    assert late in world.settled and other not in world.settled
    with pytest.raises(UpstreamTimeout, match="none of its rows was sent"):
        late.scores()


def test_late_answers_say_where_the_time_went() -> None:
    """A row that was sent in time and not answered in time is told how long it waited for what."""
    world = World(Sizes(1, 8, 100))
    world.admit(1)
    call = world.admit(2, budget=1)
    world.now += 0.25
    world.answer(world.sent[0])
    world.now += 0.75
    world.lane.expire(call)
    with pytest.raises(UpstreamTimeout, match="250 ms waiting in the gateway, 750 ms with the model server"):
        call.scores()
    timing = Timing()
    call.tell(timing)
    assert (0.25, 0.75) == (timing.queue, timing.upstream)
    world.answer(world.sent[1])
    assert 1 == world.settled.count(call)


def test_an_answer_that_comes_late_is_none() -> None:
    """The timer may be late as well, and the model server may have left the row out; a neighbour with more time has its answer."""
    world = World(Sizes(1, 8, 100))
    world.admit(1)
    late, other = world.admit(2, budget=1), world.admit(3)
    world.answer(world.sent[0])
    world.now += 1
    world.lane.answered(world.sent[1], Scores("log_reg_1", [None, own([3])]))
    assert (True, ["3"]) == (isinstance(late.error, UpstreamTimeout), outputs(other))


def test_a_spent_budget_is_refused_at_the_door() -> None:
    """It never waits."""
    with pytest.raises(UpstreamTimeout, match="before the model server could be asked"):
        World(Sizes(1, 8, 100)).admit(1, budget=0)


def test_the_queue_is_bounded() -> None:
    """Rows beyond the bound are refused at once, with a time to come back; those before it are answered."""
    world = World(Sizes(1, 2, 3))
    world.admit(1)
    world.admit(2, 3, 4)
    with pytest.raises(Overloaded) as raised:
        world.admit(5)
    assert (1, "queue_full") == (raised.value.retry_after, raised.value.reason)
    assert 3 == world.lane.queued


def test_an_empty_lane_takes_a_call_longer_than_the_bound() -> None:
    """Else it could never be answered."""
    world = World(Sizes(1, 2, 3))
    call = world.admit(*range(9))
    while len(world.lane.under_way):
        world.answer(next(iter(world.lane.under_way)))
    assert [str(row) for row in range(9)] == outputs(call)


def paced(seconds: float) -> World:
    """A lane that has lately taken so long for each parcel of two rows, with eight rows of eight callers waiting."""
    world = World(Sizes(1, 2, 1000))
    for row in range(100 - 1):
        world.admit(row, budget=1000)
    for _ in range(45):
        world.now += seconds
        world.answer(next(iter(world.lane.under_way)))
    return world


def test_rows_that_cannot_be_answered_in_time_are_refused_at_once() -> None:
    """At a second per row, eight rows that wait leave no hope within five seconds, and some within twenty."""
    world = paced(2.0)
    assert 8 == world.lane.queued
    with pytest.raises(Overloaded) as raised:
        world.admit(1000, budget=5)
    assert (8, "hopeless") == (raised.value.retry_after, raised.value.reason)
    world.admit(1000, budget=20)


def test_a_quick_lane_takes_the_same_rows() -> None:
    """The negative control: at a millisecond per row, five seconds are plenty."""
    paced(0.002).admit(1000, budget=5)


def test_a_long_call_that_waits_has_nobody_refused() -> None:
    """Its rows are sent beside those of others and not before them: another row is soon sent, and as many rows as it has are not."""
    world = paced(2.0)
    world.admit(*range(500, 600), budget=1000)
    world.admit(1000, budget=20)
    with pytest.raises(Overloaded):
        world.admit(*range(2000, 2100), budget=100)


def test_small_parcels_beside_full_ones_say_nothing_of_the_pace() -> None:
    """What one row takes while hundreds wait is no measure of what they will take."""
    world = World(Sizes(2, 100, 100_000))
    world.admit(*range(10_000), budget=1000)
    for row in range(50):
        world.admit(-row)
        world.now += 0.01
        for parcel in list(world.lane.under_way):
            world.answer(parcel)
    assert 0.0001 < world.lane.seconds_per_row < 0.0002


def test_a_slow_single_row_says_little_of_the_pace() -> None:
    """A lone row that took a second must not have a burst refused."""
    world = World(Sizes(1, 8, 1000))
    world.admit(1)
    world.now += 1
    world.answer(world.sent[0])
    for row in range(100):
        world.admit(row, budget=5)


def test_who_leaves_is_not_sent() -> None:
    """Rows of a caller who left are taken out of the queue; its neighbours are answered."""
    world = World(Sizes(1, 8, 100))
    world.admit(1)
    leaver, neighbour = world.admit(2, 3), world.admit(4)
    world.lane.leave(leaver)
    assert 1 == world.lane.queued
    world.answer(world.sent[0])
    assert [4] == numbers(world.sent[1])
    world.answer(world.sent[1])
    assert ["4"] == outputs(neighbour)
    assert leaver not in world.settled


def test_who_leaves_while_its_rows_are_under_way_is_told_nothing() -> None:
    """Its answer comes back to nobody, and its neighbour's to its neighbour."""
    world = World(Sizes(1, 8, 100))
    world.admit(1)
    leaver, neighbour = world.admit(2), world.admit(3)
    world.answer(world.sent[0])
    world.lane.leave(leaver)
    world.answer(world.sent[1])
    assert ["3"] == outputs(neighbour)
    assert leaver not in world.settled


def serve(world: World, guilty: set[int]) -> int:
    """Answer all parcels; one with a guilty row in it fails as a whole. Returns how many were needed."""
    while world.lane.under_way:
        parcel = next(iter(world.lane.under_way))
        if guilty.intersection(numbers(parcel)):
            world.lane.failed(parcel, UpstreamInvalid("it broke"))
        else:
            world.answer(parcel)
    return len(world.sent)


def test_one_guilty_caller_among_forty_fails_alone() -> None:
    """Thirty-nine are answered, and it takes no more parcels than halving does."""
    world = World(Sizes(1, 64, 1000))
    world.admit(-1)
    calls = [world.admit(row) for row in range(40)]
    assert serve(world, {17}) <= 2 + 2 * 6
    failed = [at for at, call in enumerate(calls) if call.error is not None]
    assert [17] == failed
    assert [[str(at)] for at in range(40) if at != 17] == [outputs(call) for call in calls if call.error is None]


def test_a_guilty_caller_who_left_has_nobody_else_fail() -> None:
    """The one who is left of the two may be innocent, and is asked for alone."""
    world = World(Sizes(1, 64, 1000))
    world.admit(-1)
    guilty, innocent = world.admit(17), world.admit(18)
    world.answer(world.sent[0])
    world.lane.leave(guilty)
    assert 3 == serve(world, {17})
    assert ["18"] == outputs(innocent)


def test_a_lone_caller_whose_rows_fail_is_not_asked_for_again() -> None:
    """The negative control: nobody else can have been guilty."""
    world = World(Sizes(1, 64, 1000))
    call = world.admit(17, 18)
    assert 1 == serve(world, {17})
    assert isinstance(call.error, UpstreamInvalid)


def test_a_server_that_fails_always_is_not_asked_without_end() -> None:
    """Every caller gets the error, and the parcels stay few."""
    world = World(Sizes(1, 64, 1000))
    world.admit(-1)
    calls = [world.admit(row) for row in range(40)]
    assert serve(world, set(range(-1, 40))) <= 2 + 2 * 6
    assert all(isinstance(call.error, UpstreamInvalid) for call in calls)


def test_a_server_that_is_away_is_not_asked_again() -> None:
    """Halving finds guilty rows; a server that cannot be reached has none."""
    world = World(Sizes(1, 64, 1000))
    world.admit(-1)
    calls = [world.admit(row) for row in range(4)]
    world.answer(world.sent[0])
    world.lane.failed(world.sent[1], UpstreamUnavailable("it is away"))
    assert 2 == len(world.sent)
    assert all(isinstance(call.error, UpstreamUnavailable) for call in calls)


def test_a_carrier_that_runs_out_of_time_first_is_told_as_late() -> None:
    """Whose timer fires first makes no difference to what the caller reads; a time-out of the model server's own does."""
    world = World(Sizes(2, 8, 1000))
    late = world.admit(1, budget=1)
    world.now += 1 - 1e-4
    world.lane.failed(world.sent[0], UpstreamTimeout("it took too long"))
    assert "0 ms waiting in the gateway, 1000 ms with the model server" in str(late.error)
    early = world.admit(2, budget=1)
    world.lane.failed(world.sent[1], UpstreamTimeout("it took too long"))
    assert "it took too long" == str(early.error)


def test_a_halved_parcel_leaves_late_callers_out() -> None:
    """No row is sent after its deadline, the second time neither."""
    world = World(Sizes(1, 64, 1000))
    world.admit(-1)
    late, other = world.admit(1, budget=1), world.admit(2)
    world.answer(world.sent[0])
    world.now += 2
    world.lane.failed(world.sent[1], UpstreamInvalid("it broke"))
    assert [2] == numbers(world.sent[2])
    assert isinstance(late.error, UpstreamTimeout)
    world.answer(world.sent[2])
    assert ["2"] == outputs(other)


def test_a_failed_part_ends_its_call_once() -> None:
    """Of a call in several parcels, the first failure counts; what still waits is not sent."""
    world = World(Sizes(3, 2, 1000))
    call = world.admit(*range(10))
    world.lane.failed(world.sent[0], UpstreamUnavailable("it is away"))
    world.lane.failed(world.sent[1], UpstreamUnavailable("it is away"))
    assert ([call], 2, 0) == (world.settled, len(world.sent), world.lane.queued)
    assert world.lane.idle


def test_one_slot_is_kept_for_new_callers() -> None:
    """Once a long call is under way, it leaves one slot free, which a caller who comes later gets at once."""
    world = World(Sizes(2, 2, 1000))
    world.admit(*range(10))
    assert [[0, 1]] == [numbers(parcel) for parcel in world.sent]
    world.admit(77)
    assert [77] == numbers(world.sent[1])
    world.answer(world.sent[0])
    assert [2, 3] == numbers(world.sent[2])


def test_one_slot_is_for_all() -> None:
    """Where there is but one, nothing can be kept."""
    world = World(Sizes(1, 2, 1000))
    world.admit(*range(4))
    world.answer(world.sent[0])
    assert [2, 3] == numbers(world.sent[1])


def test_new_callers_do_not_stop_a_long_call() -> None:
    """However many come, it has its share of each parcel in the other slots, and so it ends."""
    world = World(Sizes(2, 2, 1000))
    long = world.admit(*range(10))
    for at in range(100, 200):
        world.admit(at)
    while long.ended is None:
        world.answer(next(parcel for parcel in world.sent if parcel in world.lane.under_way))
    assert [str(number) for number in range(10)] == outputs(long)
    assert world.lane.queued


def test_rows_say_which_version_answered_them() -> None:
    """If an alias moves while a long call is under way, each row names its own version, and model times add up."""
    world = World(Sizes(1, 2, 1000))
    call = world.admit(1, 2, 3)
    world.answer(world.sent[0], "log_reg_1", 0.25)
    world.answer(world.sent[1], "log_reg_2", 0.5)
    scores = call.scores()
    assert ("log_reg_1", {2: "log_reg_2"}, 0.75) == (scores.version, scores.others, scores.model_seconds)


def test_a_parcel_that_comes_back_twice_counts_once() -> None:
    """The second time changes nothing, whatever it says."""
    world = World(Sizes(1, 8, 100))
    call = world.admit(1)
    world.answer(world.sent[0])
    world.answer(world.sent[0], "log_reg_9")
    world.lane.failed(world.sent[0], UpstreamUnavailable("it is away"))
    assert ("log_reg_1", [call]) == (call.scores().version, world.settled)


def test_wide_rows_travel_in_smaller_parcels() -> None:
    """One at least, and never more than are allowed of narrow ones."""
    assert [128, 40, 1] == [most_rows(128, width) for width in (4, 100, 5000)]


class Machine(RuleBasedStateMachine):
    """Arrivals, sizes, cancels, poison rows, failures, slow and repeated replies, in any order."""

    @initialize(slots=st.integers(1, 3), max_rows=st.integers(1, 6), max_queued=st.integers(1, 20), width=st.sampled_from([1, 200]))
    def begin(self, slots: int, max_rows: int, max_queued: int, width: int) -> None:
        """An empty lane. Of rows of 200 values, two of long calls travel together, and more of short ones."""
        self.world = World(Sizes(slots, max_rows, max_queued), width=width)
        self.lane = self.world.lane
        self.lane._send = self.sent
        self.calls: list[Call] = []
        self.left: set[int] = set()
        self.poison: set[int] = set()
        self.back: list[Parcel] = []
        self.times_sent: Counter[int] = Counter()
        self.next_row = 0
        # By what all parcels share that were made of one by halving it: the callers on board, and whether it failed without being guilty.
        self.on_board: dict[int, set[Call]] = {}
        self.spoilt: set[int] = set()

    def sent(self, parcel: Parcel) -> None:
        """What must hold of everything that is sent."""
        assert len(self.lane.under_way) <= self.world.sizes.slots
        assert 1 <= parcel.size <= self.world.sizes.max_rows
        assert len(parcel.rows) == parcel.size
        for part in parcel.parts:
            assert part.start < part.stop
            assert part.call.ended is None
            assert self.world.now < part.call.deadline
            assert id(part.call) not in self.left
        if parcel.reason != "halved":
            of_long = sum(part.stop - part.start for part in parcel.parts if part.call.long)
            assert of_long <= (0 if self.lane.gives_way else self.lane.max_rows if self.lane.alone else self.lane._most_of_long)
            self.times_sent.update(numbers(parcel))
            assert all(self.times_sent[row] == 1 for row in numbers(parcel))
            self.on_board[id(parcel.allowance)] = {part.call for part in parcel.parts}
        self.world.sent.append(parcel)

    @rule(count=st.just(1) | st.integers(1, 15), budget=st.just(5.0) | st.floats(0, 5), poisoned=st.booleans())
    def arrive(self, count: int, budget: float, poisoned: bool) -> None:
        """A caller comes."""
        rows = range(self.next_row, self.next_row + count)
        self.next_row += count
        if poisoned:
            self.poison.add(rows[count // 2])
        empty = not self.lane.queued
        try:
            self.calls.append(self.world.admit(*rows, budget=budget))
            assert empty or self.lane.queued <= self.world.sizes.max_queued
        except Overloaded:
            assert not empty
        except UpstreamTimeout:
            assert self.world.now + budget <= self.world.now

    @rule(seconds=st.floats(0, 2))
    def wait(self, seconds: float) -> None:
        """Time passes; the timers of some callers fire."""
        self.world.now += seconds
        for call in self.calls:
            if call.deadline <= self.world.now:
                self.lane.expire(call)

    @rule(seconds=st.floats(0, 2))
    def wait_without_timers(self, seconds: float) -> None:
        """Time passes, and the timers are late."""
        self.world.now += seconds

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        """A caller leaves, perhaps after it was answered."""
        call = data.draw(st.sampled_from(self.calls))
        if call.ended is None:
            self.left.add(id(call))
        self.lane.leave(call)

    @rule(gives_way=st.booleans(), alone=st.booleans())
    def others_come_and_go(self, gives_way: bool, alone: bool) -> None:
        """Short calls of other lanes are under way, or not."""
        self.lane.gives_way, self.lane.alone = gives_way, alone
        self.lane.pump()

    @rule(slots=st.integers(1, 4))
    def model_servers_come_and_go(self, slots: int) -> None:
        """There may be more or fewer parcels under way than there were."""
        self.world.sizes.slots = slots
        self.lane.pump()

    @precondition(lambda self: self.lane.under_way)
    @rule(data=st.data(), version=st.sampled_from(["log_reg_1", "log_reg_2"]))
    def come_back(self, data: st.DataObject, version: str) -> None:
        """Any parcel comes back; poison makes it fail as a whole."""
        self.serve(data.draw(st.sampled_from(sorted(self.lane.under_way, key=self.world.sent.index))), version)

    def serve(self, parcel: Parcel, version: str = "log_reg_1") -> None:
        """Have it come back from a server that answers whatever is not poison."""
        self.back.append(parcel)
        if self.poison.intersection(numbers(parcel)):
            self.lane.failed(parcel, UpstreamInvalid("it broke"))
        else:
            self.world.answer(parcel, version)

    @precondition(lambda self: self.lane.under_way)
    @rule(data=st.data(), error=st.sampled_from([UpstreamUnavailable, UpstreamTimeout, UpstreamInvalid, TwotierError]))
    def fail(self, data: st.DataObject, error: type[TwotierError]) -> None:
        """Any parcel fails, through no fault of its rows."""
        parcel = data.draw(st.sampled_from(sorted(self.lane.under_way, key=self.world.sent.index)))
        self.back.append(parcel)
        self.spoilt.add(id(parcel.allowance))
        self.lane.failed(parcel, error("it broke"))

    @precondition(lambda self: self.back)
    @rule(data=st.data(), error=st.sampled_from([None, UpstreamUnavailable, UpstreamInvalid]))
    def come_back_again(self, data: st.DataObject, error: type[TwotierError] | None) -> None:
        """A reply comes twice, or a failure after it."""
        parcel = data.draw(st.sampled_from(self.back))
        if error is None:
            self.world.answer(parcel, "log_reg_3")
        else:
            self.lane.failed(parcel, error("it broke twice"))

    @invariant()
    def bounds_hold(self) -> None:
        """Nothing grows beyond its bound, nothing waits without need, and the counts are true."""
        if not hasattr(self, "lane"):
            return
        assert sum(len(call.rows) - call.taken for call in self.calls if call.ended is None) == self.lane.queued
        waiting = [call for call in self.calls if call.ended is None and call.taken < len(call.rows)]
        if waiting and len(self.lane.under_way) < self.world.sizes.slots:
            assert all(call.long for call in waiting)
            assert self.lane.gives_way or sum(parcel.long for parcel in self.lane.under_way) >= max(1, self.world.sizes.slots - 1)

    @invariant()
    def everybody_is_settled_once_and_rightly(self) -> None:
        """Each answer is the row's own."""
        if not hasattr(self, "lane"):
            return
        assert all(count == 1 for count in Counter(map(id, self.world.settled)).values())
        for call in self.world.settled:
            assert id(call) not in self.left
            if call.error is None:
                scores = call.scores()
                assert [own(row) for row in call.rows] == scores.answers
                assert {scores.version, *scores.others.values()} <= {"log_reg_1", "log_reg_2"}

    @invariant()
    def nobody_fails_without_a_cause(self) -> None:
        """Whoever was late, has poison among their rows, was on board when the server failed, or shared a parcel with two guilty callers
        (it is halved for one), may fail. All others are answered, whoever travelled with them.
        """
        if not hasattr(self, "lane"):
            return
        for call in self.world.settled:
            assert call.error is None or self.is_late(call) or self.is_guilty(call) or self.is_among_failures(call), call.error
            assert "it broke twice" != str(call.error)

    def is_late(self, call: Call) -> bool:
        """Whether it ended by its deadline, and is told so."""
        return isinstance(call.error, UpstreamTimeout) and call.ended is not None and call.ended >= call.deadline - 0.01

    def is_guilty(self, call: Call) -> bool:
        """Whether it has poison."""
        return not self.poison.isdisjoint(row[0] for row in call.rows)

    def is_among_failures(self, call: Call) -> bool:
        """Whether it was on board of a parcel that no halving can put right."""
        shared = [(root, aboard) for root, aboard in self.on_board.items() if call in aboard]
        return any(root in self.spoilt or sum(map(self.is_guilty, aboard)) > 1 for root, aboard in shared)

    def teardown(self) -> None:
        """Once all parcels are back, nobody waits any more."""
        if not hasattr(self, "lane"):
            return
        self.lane.gives_way = False
        self.lane.pump()
        while self.lane.under_way:
            self.serve(next(iter(self.lane.under_way)))
        assert self.lane.idle
        assert {id(call) for call in self.calls} == {id(call) for call in self.world.settled} | self.left
        self.everybody_is_settled_once_and_rightly()
        self.nobody_fails_without_a_cause()


Machine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLane = Machine.TestCase

from __future__ import annotations

from itertools import count

from server.seats import MAX_AWAY, Seat, Seats, SeatState


def seats(keep_s: float = 60.0) -> Seats[str]:
    numbers = count(1)
    return Seats[str](keep_s, make_token=lambda: f"token {next(numbers)}")


def speaker(all_seats: Seats[str], name: str = "a1", owner: str = "home") -> Seat[str]:
    return all_seats.open(name, "audio", "who", owner=owner, speaks=True)


def viewer(all_seats: Seats[str], name: str = "a1", owner: str = "home") -> Seat[str]:
    return all_seats.open(name, "audio", "who", owner=owner, speaks=False)


def test_a_seat_is_found_by_its_token_and_what_its_client_must_match() -> None:
    all_seats = seats()
    seat = speaker(all_seats)
    assert seat.state is SeatState.TAKEN
    assert all_seats.find(seat.token, "audio") is seat
    assert all_seats.find(seat.token, "control") is None
    assert all_seats.find("another", "audio") is None


def test_who_comes_back_in_time_has_it_again() -> None:
    all_seats = seats()
    seat = speaker(all_seats)
    assert all_seats.leave(seat, 100.0) == []
    assert seat.state is SeatState.AWAY
    assert all_seats.expired(159.9) == []
    all_seats.take(seat, "again", owner="elsewhere", speaks=True)
    assert seat.holder == "again"
    assert all_seats.expired(1_000.0) == []


def test_who_does_not_has_it_no_more() -> None:
    all_seats = seats()
    seat = speaker(all_seats)
    all_seats.leave(seat, 100.0)
    assert all_seats.expired(160.0) == [seat]
    assert seat.state is SeatState.GONE
    assert all_seats.find(seat.token, "audio") is None
    assert all_seats.expired(161.0) == []


def test_who_leaves_for_good_is_forgotten_and_leaves_once() -> None:
    all_seats = seats()
    seat = speaker(all_seats)
    all_seats.close(seat, "left")
    assert all_seats.find(seat.token, "audio") is None
    assert all_seats.leave(seat, 1.0) == []
    assert seat.state is SeatState.GONE


def test_who_would_not_be_let_in_any_more_is_given_up_while_away() -> None:
    all_seats = seats()
    here, away, other = (all_seats.open(n, "k", n, owner="", speaks=True) for n in "abc")
    all_seats.leave(away, 1.0)
    all_seats.leave(other, 1.0)
    assert all_seats.revoke(lambda holder: holder != "c") == [away]
    assert [seat.state for seat in (here, away, other)] == [
        SeatState.TAKEN,
        SeatState.GONE,
        SeatState.AWAY,
    ]


def test_where_too_many_are_away_the_one_that_left_first_is_given_up() -> None:
    all_seats = seats()
    away: list[Seat[str]] = []
    for number in range(MAX_AWAY):
        away.append(speaker(all_seats, owner=f"home {number}"))
        assert all_seats.leave(away[-1], float(number)) == []
    one_more = speaker(all_seats, owner="one more")
    assert all_seats.leave(one_more, 1_000.0) == [away[0]]
    assert all_seats.away == MAX_AWAY
    assert one_more.state is SeatState.AWAY


def test_whoever_has_the_most_away_gives_up_its_own() -> None:
    all_seats = seats()
    first = speaker(all_seats, "first", owner="victim")
    all_seats.leave(first, 0.0)
    for number in range(3 * MAX_AWAY):
        seat = speaker(all_seats, owner="stranger")
        given_up = all_seats.leave(seat, 1.0 + number)
        assert {s.owner for s in given_up} <= {"stranger"}
    assert first.state is SeatState.AWAY
    assert all_seats.away == MAX_AWAY


def test_nobody_who_listens_costs_a_speaker_its_place() -> None:
    all_seats = seats()
    speakers = [speaker(all_seats) for _ in range(MAX_AWAY)]
    for seat in speakers:
        all_seats.leave(seat, 0.0)
    listener = viewer(all_seats, "screen", owner="cinema")
    all_seats.leave(listener, 0.0)
    for number in range(2 * MAX_AWAY):
        all_seats.leave(viewer(all_seats, owner="stranger"), 1.0 + number)
    assert {seat.state for seat in (*speakers, listener)} == {SeatState.AWAY}
    assert all_seats.away == 2 * MAX_AWAY


def test_who_comes_back_only_to_listen_counts_as_a_listener() -> None:
    all_seats = seats()
    turned = speaker(all_seats, owner="turned")
    all_seats.leave(turned, 0.0)
    all_seats.take(turned, "who", owner="turned", speaks=False)
    all_seats.leave(turned, 0.0)
    for number in range(MAX_AWAY):
        all_seats.leave(speaker(all_seats, owner="turned"), 1.0 + number)
    assert turned.state is SeatState.AWAY
    assert all_seats.away == MAX_AWAY + 1

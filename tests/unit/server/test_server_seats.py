from __future__ import annotations

from itertools import count

from server.seats import MAX_AWAY, Seat, Seats, SeatState


def seats(keep_s: float = 60.0) -> Seats[str]:
    numbers = count(1)
    return Seats[str](keep_s, make_token=lambda: f"token {next(numbers)}")


def test_a_seat_is_found_by_its_token_and_what_its_client_must_match() -> None:
    all_seats = seats()
    seat = all_seats.open("a1", "audio", "who")
    assert seat.state is SeatState.TAKEN
    assert all_seats.find(seat.token, "audio") is seat
    assert all_seats.find(seat.token, "control") is None
    assert all_seats.find("another", "audio") is None


def test_who_comes_back_in_time_has_it_again() -> None:
    all_seats = seats()
    seat = all_seats.open("a1", "audio", "who")
    assert all_seats.leave(seat, 100.0) == []
    assert seat.state is SeatState.AWAY
    assert all_seats.expired(159.9) == []
    all_seats.take(seat)
    assert all_seats.expired(1_000.0) == []


def test_who_does_not_has_it_no_more() -> None:
    all_seats = seats()
    seat = all_seats.open("a1", "audio", "who")
    all_seats.leave(seat, 100.0)
    assert all_seats.expired(160.0) == [seat]
    assert seat.state is SeatState.GONE
    assert all_seats.find(seat.token, "audio") is None
    assert all_seats.expired(161.0) == []


def test_who_leaves_for_good_is_forgotten_and_leaves_once() -> None:
    all_seats = seats()
    seat = all_seats.open("a1", "audio", "who")
    all_seats.close(seat, "left")
    assert all_seats.find(seat.token, "audio") is None
    assert all_seats.leave(seat, 1.0) == []
    assert seat.state is SeatState.GONE


def test_where_too_many_are_away_the_one_that_left_first_is_given_up() -> None:
    all_seats = seats()
    away: list[Seat[str]] = []
    for number in range(MAX_AWAY):
        away.append(all_seats.open(f"a{number}", "audio", ""))
        assert all_seats.leave(away[-1], float(number)) == []
    one_more = all_seats.open("one more", "audio", "")
    assert all_seats.leave(one_more, 1_000.0) == [away[0]]
    assert all_seats.away == MAX_AWAY
    assert one_more.state is SeatState.AWAY

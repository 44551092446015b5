"""The longest time without an acknowledged write."""

import pytest

from demo.gaps import Gap, longest_gap
from demo.writers import Acknowledged, Record


def test_finds_the_longest_span_between_two_writes():
    assert longest_gap([1.0, 2.0, 7.5, 8.0], begin=0.5, end=8.5) == Gap(2.0, 7.5)


def test_counts_the_span_before_the_first_write():
    assert longest_gap([6.0, 7.0], begin=0.0, end=8.0) == Gap(0.0, 6.0)


def test_counts_the_span_after_the_last_write():
    assert longest_gap([1.0, 2.0], begin=0.0, end=9.0) == Gap(2.0, 9.0)


def test_a_writer_that_never_succeeded_was_out_for_the_whole_window():
    assert longest_gap([], begin=3.0, end=10.0).seconds == 7.0


def test_takes_times_in_any_order_and_leaves_out_those_outside_the_window():
    assert longest_gap([9.0, 4.0, 100.0, -5.0], begin=2.0, end=10.0) == Gap(4.0, 9.0)


def test_takes_the_earliest_of_equal_spans():
    assert longest_gap([2.0, 4.0], begin=0.0, end=6.0) == Gap(0.0, 2.0)


def test_refuses_a_window_that_ends_before_it_begins():
    with pytest.raises(ValueError, match="before it begins"):
        longest_gap([], begin=2.0, end=1.0)


def test_a_record_tells_its_gap_in_unix_time():
    record = Record("m", begin=100.0, wall_offset=1_000_000.0, end=110.0)
    record.acknowledged += [Acknowledged("a", "1", 101.0), Acknowledged("b", "2", 109.0)]
    assert record.longest_gap() == Gap(1_000_101.0, 1_000_109.0)
    assert record.names() == {"a": "1", "b": "2"}


def test_a_span_apart_from_others_is_what_none_of_them_covers():
    assert Gap(1.0, 5.0).without([Gap(0.0, 2.0), Gap(4.5, 4.75), Gap(6.0, 7.0)]) == 2.75

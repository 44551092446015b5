"""Tables and text that are safe in a log."""

import pytest

from demo.tables import printable, table


def test_aligns_text_to_the_left_and_numbers_to_the_right():
    assert table(["name", "count"], [["a", 5], ["longer", 1234]]).splitlines() == [
        "name    count",
        "------  -----",
        "a           5",
        "longer   1234",
    ]


def test_writes_floats_with_one_decimal_and_nothing_as_a_dash():
    lines = table(["part", "seconds"], [["fence", 5.6125], ["copy", None]]).splitlines()
    assert lines[2:] == ["fence      5.6", "copy         -"]


def test_a_column_with_text_in_it_is_a_text_column():
    assert table(["value"], [["12"], [3]]).splitlines()[3] == "3"


def test_a_table_without_rows_is_its_headers():
    assert table(["a", "bc"], []).splitlines() == ["a  bc", "-  --"]


def test_refuses_a_row_of_another_length():
    with pytest.raises(ValueError, match="1 cells for 2 headers"):
        table(["a", "b"], [["only"]])


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("\x1b[1;32mgreen\x1b[0m\n", "green\n"),
        ("50 %\r100 %", "50 %100 %"),
        ("bell\x07 and \x1bM reverse", "bell and  reverse"),
        ("cut \x1b[3", "cut "),
        ("tab\tand ümlaut", "tab\tand ümlaut"),
    ],
)
def test_takes_out_what_a_terminal_would_obey(raw, plain):
    assert printable(raw) == plain

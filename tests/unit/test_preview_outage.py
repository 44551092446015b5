"""The estimate of the outage: whose figures it uses, how they grow, and that it says so."""

from __future__ import annotations

import json

import pytest

from unstack.preview.outage import LAB, LAB_BYTES, STAGES, Rehearsal, outage, read_rehearsal

REHEARSAL = Rehearsal(
    "2026-11-24T21:00:00+00:00", 20_000_000, {"snapshot": 0.6, "copy": 0.2, "start": 1.3}, 12.5
)


def _seconds(size: int, rehearsal: Rehearsal | None = None) -> dict[str, float]:
    return {part.stage: round(part.seconds, 6) for part in outage(size, rehearsal)}


def test_a_database_of_the_labs_size_or_less_takes_the_labs_seconds() -> None:
    expected = {stage: LAB[stage].seconds for stage in STAGES}
    assert _seconds(LAB_BYTES) == _seconds(0) == expected
    assert all(part.origin.startswith("the lab: ") for part in outage(LAB_BYTES, None))


def test_what_moves_the_database_grows_with_it_and_the_rest_does_not() -> None:
    more = _seconds(LAB_BYTES + 2 * 10**9)
    for stage in STAGES:
        expected = LAB[stage].seconds + 2 * LAB[stage].per_gigabyte
        assert more[stage] == pytest.approx(expected)
    assert more["fence"] == LAB["fence"].seconds
    assert more["cutover"] == LAB["cutover"].seconds
    assert more["snapshot"] > LAB["snapshot"].seconds
    assert more["distribute"] > LAB["distribute"].seconds


def test_a_rehearsals_figures_come_first_and_the_labs_fill_in() -> None:
    parts = {part.stage: part for part in outage(20_000_000, REHEARSAL)}
    assert (parts["snapshot"].seconds, parts["distribute"].seconds, parts["start"].seconds) == (0.6, 0.2, 1.3)
    assert parts["snapshot"].origin == "the rehearsal: 0.6 s with 20.0 MB"
    assert parts["cutover"].origin.startswith("the lab")
    assert parts["cutover"].seconds == LAB["cutover"].seconds


def test_a_rehearsals_figures_grow_with_the_database_since() -> None:
    parts = {part.stage: part for part in outage(50_000_000, REHEARSAL)}
    assert parts["snapshot"].seconds == pytest.approx(1.5)
    assert "times 2.50 as the database has grown" in parts["snapshot"].origin
    shrunk = {part.stage: part.seconds for part in outage(10_000_000, REHEARSAL)}
    assert shrunk["snapshot"] == 0.6


def test_only_the_stages_that_are_ahead_count() -> None:
    assert [part.stage for part in outage(LAB_BYTES, None, ("cutover",))] == ["cutover"]
    assert [part.stage for part in outage(LAB_BYTES, None, STAGES[1:])] == list(STAGES[1:])


def test_a_rehearsal_is_read_with_and_without_its_total() -> None:
    text = {"at": REHEARSAL.at, "db_bytes": 20_000_000, "parts": dict(REHEARSAL.parts), "outage_s": 12.5}
    assert read_rehearsal(json.dumps({**text, "more": 1})) == REHEARSAL
    del text["outage_s"]
    found = read_rehearsal(json.dumps(text))
    assert found is not None
    assert found.outage_seconds is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"at": "x", "db_bytes": 1, "parts": []}', '{"at": "x", "db_bytes": "?", "parts": {}}'],
)
def test_what_is_no_rehearsal_is_none(text: str) -> None:
    assert read_rehearsal(text) is None


def test_a_small_database_that_has_grown_takes_no_longer() -> None:
    small = Rehearsal("x", 1_000_000, {"snapshot": 0.6}, None)
    assert {part.stage: part.seconds for part in outage(5_000_000, small)}["snapshot"] == 0.6


def test_what_a_rehearsal_could_only_estimate_is_said() -> None:
    whole = Rehearsal("x", 1_000_000, {"fence": 1.5, "cutover": 11.2}, None)
    parts = {part.stage: part for part in outage(10**9, whole)}
    assert parts["cutover"].seconds == 11.2
    assert parts["cutover"].origin == "the rehearsal's estimate: 11.2 s, as no API server was stopped"

"""What the tool says of its run, and what counts as a difference."""

import json
import os

import pytest

from demo.errors import DemoError
from demo.outcome import Proof, newest, proof_problems, read

MEMBER = {"hash": 77, "compact_revision": 40, "revision": 50, "keys": 30}
OUTCOME = {
    "run": "20261124T090000Z",
    "cluster": "lab",
    "started": 1.0,
    "finished": 2.0,
    "parts": {"fence": 5.5, "cutover": 15.0},
    "cutover_started": 1795512165.25,
    "proof": {
        "revision": 50,
        "old": [{"name": name, **MEMBER} for name in ("m1", "m2", "m3")],
        "new": [{"name": name, **MEMBER} for name in ("e1", "e2", "e3")],
    },
}


def write(runs, run, content=OUTCOME, modified=None):
    file = runs / run / "outcome.json"
    file.parent.mkdir(parents=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    if modified is not None:
        os.utime(file, (modified, modified))
    return file


def proof(**changed):
    new = [dict(member) for member in OUTCOME["proof"]["new"]]
    new[1].update(changed)
    return Proof.model_validate({**OUTCOME["proof"], "new": new})


def test_reads_an_outcome(tmp_path):
    outcome = read(write(tmp_path, "r"))
    assert outcome.parts == {"fence": 5.5, "cutover": 15.0}
    assert outcome.cutover_started == 1795512165.25
    assert [member.name for member in outcome.proof.new] == ["e1", "e2", "e3"]


def test_takes_the_outcome_that_was_written_last(tmp_path):
    write(tmp_path, "z-older", {**OUTCOME, "run": "older"}, modified=1000)
    write(tmp_path, "a-newer", {**OUTCOME, "run": "newer"}, modified=2000)
    assert newest(tmp_path, since=1500).run == "newer"


def test_refuses_an_outcome_of_an_earlier_run(tmp_path):
    write(tmp_path, "r", modified=1000)
    with pytest.raises(DemoError, match="no outcome of this run"):
        newest(tmp_path, since=1001)


def test_says_that_there_is_no_outcome(tmp_path):
    with pytest.raises(DemoError, match=r"there is no .*/\*/outcome\.json"):
        newest(tmp_path / "runs", since=0)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({**OUTCOME, "cutover_started": "soon"}, "cutover_started"),
        ({key: value for key, value in OUTCOME.items() if key != "proof"}, "proof"),
        ('{"run": "torn', "the file"),
    ],
)
def test_names_the_file_and_the_field_that_is_wrong(tmp_path, content, place):
    file = write(tmp_path, "r", content)
    with pytest.raises(DemoError) as caught:
        read(file)
    assert str(file) in str(caught.value)
    assert place in str(caught.value)
    assert "\n" not in str(caught.value)


def test_equal_members_are_no_problem():
    assert proof_problems(proof(), members=3) == []


@pytest.mark.parametrize("field", ["hash", "compact_revision", "revision", "keys"])
def test_names_what_differs_and_every_member_that_has_it(field):
    (line,) = proof_problems(proof(**{field: 31}), members=3)
    assert field.replace("_", " ") in line
    assert "new e2 31" in line
    assert f"old m1 {MEMBER[field]}" in line


def test_a_proof_without_all_members_is_none():
    assert proof_problems(proof(), members=5) == ["the proof holds 3 external members, expected 5"]
    empty = Proof(revision=1, old=(), new=())
    assert len(proof_problems(empty, members=3)) == 2

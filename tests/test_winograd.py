"""Winograd schemas: their files, what goes into the pronoun's place, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from official import task, write

from gpteval import DataError, Row
from gpteval.data.rows import Origin, SplitRows, load_split
from gpteval.plugins import registry

DPR = "winograd/dpr/test.c.txt"
WSC = "winograd/wsc273/WSCollection.xml"
BEE = "The bee landed on the flower because it had pollen.\nit\nThe bee,the flower\nthe flower\n"
HEAD = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<collection>\n'
SCHEMA = """<schema>
<text><txt1>{}</txt1><pron> {} </pron><txt2> {} </txt2></text>
<quote><quote1></quote1><pron>they </pron><quote2>feared</quote2></quote>
<answers><answer>{} </answer><answer>{}</answer></answers>
<correctAnswer> {}  </correctAnswer>
</schema>
"""


def row(before: str, pronoun: str, after: str, *candidates: str) -> Row:
    return {"id": "0", "label": 1, "before": before, "pronoun": pronoun, "after": after,
            "candidates": list(candidates)}  # fmt: skip


def contexts(*parts: str) -> list[str]:
    return [c.context for c in task("dpr").prompt(row(*parts)).candidates]


def rows_of(name: str, root: Path) -> SplitRows:
    return load_split(task(name), "test", Origin("files", root))


def problem(name: str, file: str, content: str, root: Path) -> str:
    path = write(root, file, content)
    with pytest.raises(DataError) as caught:
        rows_of(name, root)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(path), path.name)


def test_a_block_becomes_a_row(tmp_path: Path) -> None:
    write(tmp_path, DPR, f"{BEE}\n{BEE}\n\n\n{BEE}")
    found = rows_of("dpr", tmp_path)
    assert [r["label"] for r in found.rows] == [1, 1, 1]
    assert found.rows[2]["candidates"] == ["The bee", "the flower"]
    assert (found.rows[0]["before"], found.rows[0]["after"]) == (
        "The bee landed on the flower because", "had pollen.",
    )  # fmt: skip


def test_of_several_pronouns_the_first_after_both_nouns_is_meant(tmp_path: Path) -> None:
    block = "It said it was better than he, but it lied to Tom, so it left.\nit\nIt,Tom\nTom\n"
    write(tmp_path, DPR, block)
    assert rows_of("dpr", tmp_path).rows[0]["after"] == "left."


def test_a_schema_becomes_a_row(tmp_path: Path) -> None:
    schema = SCHEMA.format("The caf\xe9 sued\nthe men because", "they", "paid.", "A", "B", "B.")
    write(tmp_path, WSC, (HEAD + schema + "</collection>").encode("latin-1"))
    (found,) = rows_of("wsc273", tmp_path).rows
    assert (found["before"], found["pronoun"], found["label"]) == (
        "The caf\xe9 sued the men because", "they", 1,
    )  # fmt: skip
    assert (found["after"], found["candidates"]) == ("paid.", ["A", "B"])


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("It ran because", "it", "bit.", "The dog", "Tom"), ("because the dog", "because Tom")),
        (("It ran.", "It", "bit.", "the dog", "Tom"), ("ran. The dog", "ran. Tom")),
        (("He took", "his", "hat.", "The boy", "Tom"), ("took the boy's", "took Tom's")),
        (("She hurt", "her", "back.", "Ann", "Eve"), ("hurt Ann's", "hurt Eve's")),
        (("She hurt", "her", ".", "Ann", "Eve"), ("hurt Ann", "hurt Eve")),
    ],
)
def test_a_noun_takes_the_form_of_the_place(
    parts: tuple[str, ...], expected: tuple[str, str]
) -> None:
    assert all(c.endswith(e) for c, e in zip(contexts(*parts), expected, strict=True))


def test_the_rest_is_scored_after_either_noun() -> None:
    schema = row("The bee landed on the flower because", "it", "had pollen.", "The bee", "a rose")
    prompt = task("dpr").prompt(schema)
    assert {c.continuation for c in prompt.candidates} == {"had pollen."}
    assert task("dpr").example(schema).sequences == tuple(
        (c.context, c.continuation) for c in prompt.candidates
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "test.c.txt: the file is empty"),
        ("\n\n", "test.c.txt:1: no schemas"),
        ("A sentence.\nit\n", "test.c.txt:1: a schema of 2 lines, expected four"),
        (BEE + "\n" + BEE.replace(",", ";"), "test.c.txt:8: 1 candidates, expected two"),
        (BEE.replace("\nthe flower", "\nthe rose"), ":4: answer 'the rose' is neither of The bee"),
        (BEE.replace("\nit\n", "\nshe\n"), ":2: the pronoun 'she' is not in the sentence"),
    ],
)
def test_a_broken_block_is_named_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    assert said in problem("dpr", DPR, content, tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEAD, "WSCollection.xml:3: bad XML"),
        (HEAD + "</collection>", "WSCollection.xml:1: no schemas"),
        (HEAD + "<schema/></collection>", "WSCollection.xml:3: a schema without <txt1>"),
        (
            HEAD + SCHEMA.format("a", "it", "b", "A", "B", "C") + "</collection>",
            "WSCollection.xml:3: unknown label 'C', expected A or B",
        ),
    ],
)
def test_a_broken_schema_is_named_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    assert said in problem("wsc273", WSC, content, tmp_path)


def test_all_holds_every_task() -> None:
    assert [t.name for t in registry().select(["all"])] == list(registry().tasks())
    assert [t.name for t in registry().select(["winograd"])] == ["dpr", "wsc273"]
    assert task("wsc273").train_task == "dpr"


@pytest.mark.data
def test_the_real_files_have_their_official_rows() -> None:
    if "GPTEVAL_DATA" not in os.environ:
        pytest.skip("GPTEVAL_DATA is not set: the real sets are not here")
    origin = Origin("files", Path(os.environ["GPTEVAL_DATA"]))
    for name, split, count in (
        ("dpr", "train", 1322),
        ("dpr", "test", 564),
        ("wsc273", "test", 273),
    ):
        found = load_split(task(name), split, origin)
        assert (len(found.rows), found.complete) == (count, True)
        prompts = [task(name).prompt(r) for r in found.rows]
        assert all(len({c.context for c in p.candidates}) == 2 for p in prompts)
        assert {p.label for p in prompts} == {0, 1}

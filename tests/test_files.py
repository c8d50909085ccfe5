"""Official layouts: what the readers make of their oddities."""

import csv
import json
from pathlib import Path

import pytest
from official import RTE, read, rte, task, write
from sklearn.model_selection import train_test_split

from gpteval.data.files import find_files

COPA_DEV = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE copa-corpus SYSTEM "copa.dtd">
<copa-corpus version="1.0">
{}
</copa-corpus>
"""
ITEM = """  <item id="{}" asks-for="effect" most-plausible-alternative="2">
    <p>Tom &amp; Ann ran.</p>
    <a1>They stood.</a1>
    <a2>They were caf&#233; guests.</a2>
  </item>"""
STORY = ("InputStoryid", *(f"InputSentence{n}" for n in (1, 2, 3, 4)), "RandomFifthSentenceQuiz1",
         "RandomFifthSentenceQuiz2", "AnswerRightEnding")  # fmt: skip
VALIDATION = "rocstories/cloze_test_val__spring2016 - cloze_test_ALL_val.csv"


def write_stories(root: Path, count: int) -> list[str]:
    ids = [f"story-{n}" for n in range(count)]
    with write(root, VALIDATION, b"").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(STORY)
        rows.writerows([i, "a, b", 'say "c"', "d\ne", "f", "g", "h", "2"] for i in ids)
    return ids


def test_a_lone_quote_swallows_no_rows(tmp_path: Path) -> None:
    rows = rte(tmp_path, RTE + '1\t"a\tb\tentailment\n2\tc\t"d"\tnot_entailment\n').rows
    assert [r["sentence1"] for r in rows] == ["It rains.", '"a', "c"]
    assert rows[2]["sentence2"] == '"d"'


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    odd = "a\x0b\x0c\x1c\x85\u2028b\rc"
    rows = rte(tmp_path, RTE + f"1\t{odd}\tn/a\tentailment\n").rows
    assert (rows[1]["sentence1"], rows[1]["sentence2"]) == (odd, "n/a")


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    plain = rte(tmp_path, RTE)
    assert rte(tmp_path, b"\xef\xbb\xbf" + RTE.replace("\n", "\r\n").encode()).rows == plain.rows


def test_the_last_line_needs_no_end(tmp_path: Path) -> None:
    assert rte(tmp_path, RTE.rstrip("\n")).digest == rte(tmp_path, RTE).digest


def test_empty_fields_and_blanks_at_an_end_are_text(tmp_path: Path) -> None:
    rows = rte(tmp_path, RTE + "1\t\tends in a blank \tentailment\n").rows
    assert (rows[1]["sentence1"], rows[1]["sentence2"]) == ("", "ends in a blank ")


def test_cola_has_no_header_in_dev_and_one_in_test(tmp_path: Path) -> None:
    write(tmp_path, "glue/CoLA/dev.tsv", "gj04\t0\t*\tHim ran.\ngj04\t1\t\tHe ran.")
    write(tmp_path, "glue/CoLA/test.tsv", "index\tsentence\n0\tHe ran.\n")
    assert [r["label"] for r in read("cola", "dev", tmp_path).rows] == [
        "unacceptable",
        "acceptable",
    ]
    assert [r["label"] for r in read("cola", "test", tmp_path).rows] == [None]


def test_jsonl_passes_over_blank_lines_and_other_fields(tmp_path: Path) -> None:
    line = {"gold_label": "neutral", "sentence1": "a", "sentence2": "b", "category": "rooms"}
    lines = "".join(json.dumps({**line, "pairID": n}) + "\r\n\r\n" for n in (7, 8))
    write(tmp_path, "breaking_nli/dataset.jsonl", lines)
    rows = read("breaking_nli", "test", tmp_path).rows
    assert [r["id"] for r in rows] == ["7", "8"]
    assert set(rows[0]) == {"sentence1", "sentence2", "category", "id", "label"}


def test_copa_is_read_without_its_dtd_and_cut_into_train_and_dev(tmp_path: Path) -> None:
    items = "\n".join(ITEM.format(n) for n in range(1, 501))
    write(tmp_path, "copa/copa-dev.xml", COPA_DEV.format(items))
    train, dev = (read("copa", split, tmp_path) for split in ("train", "dev"))
    assert (len(train.rows), len(dev.rows), train.complete, dev.complete) == (400, 100, True, True)
    assert dev.rows[0]["a2"] == "They were café guests."
    assert task("copa").example(dev.rows[0]).sequences[1] == (
        "Tom & Ann ran. What happened as a result?",
        "They were café guests.",
    )
    assert dev.rows[0]["label"] == 1


def test_race_gives_a_row_per_question_named_by_its_article(tmp_path: Path) -> None:
    options = [["a", "b", "c", "d"]] * 2
    article = {"article": "Text.", "questions": ["x _ .", "y?"], "options": options}
    for level in ("middle", "high"):
        content = json.dumps({**article, "answers": ["D", "A"], "id": f"{level}5.txt"})
        write(tmp_path, f"RACE/dev/{level}/5.txt", content)
    rows = read("race", "dev", tmp_path).rows
    ids = ["middle5.txt/0", "middle5.txt/1", "high5.txt/0", "high5.txt/1"]
    assert ([r["id"] for r in rows], [r["label"] for r in rows]) == (ids, [3, 0, 3, 0])
    examples = [task("race").example(r) for r in rows]
    assert [(e.part, e.cluster) for e in examples[1:3]] == [
        ("middle", "middle5.txt"),
        ("high", "high5.txt"),
    ]


def test_stories_are_split_as_scikit_learn_splits_them(tmp_path: Path) -> None:
    ids = write_stories(tmp_path, 1871)
    train, dev = train_test_split(ids, test_size=374, random_state=3535999445)
    for split, expected in (("train", train), ("dev", dev)):
        found = read("rocstories", split, tmp_path)
        assert ([r["id"] for r in found.rows], found.complete) == (expected, True)


def test_csv_keeps_quotes_commas_and_line_ends_of_a_field(tmp_path: Path) -> None:
    write_stories(tmp_path, 400)
    row = read("rocstories", "dev", tmp_path).rows[0]
    assert [row[f"InputSentence{n}"] for n in (1, 2, 3)] == ["a, b", 'say "c"', "d\ne"]


@pytest.mark.parametrize(
    "name",
    [
        "cloze_test_test__spring2016 - cloze_test_ALL_test.csv",
        "cloze_test_test__spring2016_-_cloze_test_ALL_test.csv",
        "cloze_test_test__spring2016.csv",
        "test_spring2016.csv",
    ],
)
def test_story_files_are_found_under_their_usual_names(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, f"rocstories/{name}", "x")
    write(tmp_path, VALIDATION, "x")
    write(tmp_path, "rocstories/cloze_test_test__winter2018.csv", "another edition")
    assert find_files(task("rocstories"), "test", tmp_path) == [path]


@pytest.mark.parametrize("blank", ["\n", "\n\n\n", "\r\n", " \n  ", "\n \r\n"], ids=repr)
@pytest.mark.parametrize(
    ("name", "file", "content"),
    [
        ("rte", "glue/RTE/dev.tsv", RTE),
        ("cola", "glue/CoLA/dev.tsv", "gj04\t1\t\tHe ran.\n"),
        ("snli", "snli_1.0/snli_1.0_dev.jsonl",
         '{"gold_label": "neutral", "sentence1": "a", "sentence2": "b", "pairID": "p"}\n'),
        ("copa", "copa/copa-test.xml", COPA_DEV.format(ITEM.format(1))),
        ("rocstories", "rocstories/cloze_test_test__spring2016.csv",
         ",".join(STORY) + "\nid,a,b,c,d,e,f,1\n"),
        ("dpr", "winograd/dpr/test.c.txt", "Bo saw Al and he ran.\nhe\nBo,Al\nAl\n"),
    ],
)  # fmt: skip
def test_blank_last_lines_are_no_rows(
    tmp_path: Path, name: str, file: str, content: str, blank: str
) -> None:
    split = "dev" if "dev" in file else "test"
    write(tmp_path, file, content)
    plain = read(name, split, tmp_path)
    write(tmp_path, file, content + blank)
    assert read(name, split, tmp_path).rows == plain.rows
    assert len(plain.rows) == 1


def test_text_around_a_nested_tag_of_xml_is_kept(tmp_path: Path) -> None:
    item = ITEM.format(1).replace("ran.", "<b>ran <i>home</i></b>, and <u/>slept.")
    write(tmp_path, "copa/copa-test.xml", COPA_DEV.format(item))
    row = read("copa", "test", tmp_path).rows[0]
    assert row["p"] == "Tom & Ann ran home, and slept."
    assert row["a1"] == "They stood."

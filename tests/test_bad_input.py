"""Files that are not what they should be: one line, with the file, the line and what to do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from official import RTE, read, rte, write

from gpteval.errors import DataError

STORIES = "rocstories/cloze_test_test__spring2016.csv"
COPA = "copa/copa-test.xml"
RACE = "RACE/test/high/1.txt"
SNLI = "snli_1.0/snli_1.0_test.jsonl"
HEAD = (
    "InputStoryid,InputSentence1,InputSentence2,InputSentence3,InputSentence4,"
    "RandomFifthSentenceQuiz1,RandomFifthSentenceQuiz2,AnswerRightEnding\n"
)
ITEM = '<item id="1" asks-for="cause" most-plausible-alternative="{}"><p>{}</p>{}</item>'
ANSWERS = "<a1>b</a1><a2>c</a2>"
PAIR = {"gold_label": "neutral", "sentence1": "a", "sentence2": "b", "pairID": "p1"}
ARTICLE = {"article": "a", "questions": ["q"], "options": [["a", "b", "c", "d"]], "answers": ["A"]}


def problem(name: str, file: str, content: str | bytes, root: Path) -> str:
    """The error's text, without the directory."""
    write(root, file, content)
    with pytest.raises(DataError) as caught:
        read(name, "test", root)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{root}/", "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (RTE + "1\ta\tentailment\n", "dev.tsv:3: too few fields: 3, expected 4 (index, sentence1"),
        (RTE + "1\ta\tb\tc\tentailment\n", "dev.tsv:3: too many fields: 5, expected 4"),
        (RTE + "\n" + RTE.splitlines()[1], "dev.tsv:3: too few fields: 1"),
        (
            RTE + "1\ta\tb\tyes\n",
            "dev.tsv:3: unknown label 'yes', expected one of entailment, not_entailment",
        ),
        (RTE.encode() + b"1\ta\xff\tb\tentailment\n", "dev.tsv:3: byte 0xff is not UTF-8"),
        (b"", "dev.tsv: the file is empty"),
        (b"\xef\xbb\xbf", "dev.tsv:1: no column 'sentence1'"),
        (RTE.splitlines()[0] + "\n", "dev.tsv:1: no rows after the header"),
        (
            "index\tpremise\tsentence2\tlabel\n0\ta\tb\tentailment\n",
            "dev.tsv:1: no column 'sentence1'; the header has index, premise, sentence2, label",
        ),
    ],
)
def test_a_bad_tsv_is_named_with_its_line(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(DataError) as caught:
        rte(tmp_path, content)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("score", ["5.1", "-1", "nan", "very"])
def test_a_score_off_its_scale_is_refused(tmp_path: Path, score: str) -> None:
    write(tmp_path, "glue/STS-B/dev.tsv", f"sentence1\tsentence2\tscore\na\tb\t{score}\n")
    with pytest.raises(DataError, match=f":2: unknown label '{score}', expected a number from 0"):
        read("stsb", "dev", tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (json.dumps(PAIR) + '\n{"gold_label": "neu', f"{SNLI}:2: not whole JSON: Unterminated"),
        ("[1, 2]\n", f"{SNLI}:1: expected a JSON object, found '[1, 2]'"),
        ('{"sentence1": "a"}\n', f"{SNLI}:1: no field 'sentence2'; it has sentence1"),
        (
            json.dumps(PAIR | {"sentence1": None}),
            f"{SNLI}:1: column 'sentence1' is null: expected text",
        ),
        ("\n\n", f"{SNLI}:1: no rows"),
    ],
)
def test_a_bad_jsonl_is_named_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    assert said in problem("snli", SNLI, content, tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HEAD + "i,a,b,c,d,e,f\n", f"{STORIES}:2: too few fields: 7, expected 8"),
        (HEAD + "i,a,b,c,d,e,f,3\n", f"{STORIES}:2: unknown label '3', expected one of 1, 2"),
        (HEAD + 'i,"a\nb,c\n', f"{STORIES}:3: not CSV: unexpected end of data"),
        (HEAD, f"{STORIES}:1: no rows after the header"),
        (HEAD + "i,a,b,c,d,e,f,1\n" * 2, f"{STORIES}:3: id 'i' stands on an earlier row too"),
    ],
)
def test_a_bad_csv_is_named_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    assert said in problem("rocstories", STORIES, content, tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("<c>\n" + ITEM.format(1, "a", ANSWERS), f"{COPA}:2: bad XML: no element found"),
        ("<c>\n" + ITEM.format(3, "a", ANSWERS) + "</c>", f"{COPA}:2: unknown label '3', expected"),
        ("<c>\n" + ITEM.format(1, "a", "") + "</c>", f"{COPA}:2: a row without 'a1'"),
        ("<c/>", f"{COPA}:1: no items"),
        (
            '<!DOCTYPE c [<!ENTITY x SYSTEM "file:///etc/hostname">]>\n<c/>',
            f"{COPA}:1: declares the entity 'x', which is not expanded",
        ),
        (
            '<!DOCTYPE c SYSTEM "copa.dtd">\n<c>' + ITEM.format(1, "a &x;", ANSWERS) + "</c>",
            f"{COPA}:2: uses the entity 'x', whose declaration is not read",
        ),
        ("", f"{COPA}: the file is empty"),
    ],
)
def test_bad_xml_is_named_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    assert said in problem("copa", COPA, content, tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (json.dumps(ARTICLE, indent=1)[:-4], f"{RACE}:"),
        (
            json.dumps(ARTICLE | {"answers": []}),
            f"{RACE}:1: a question lacks its options",
        ),
        (
            json.dumps(ARTICLE | {"options": ["abcd"]}),
            f"{RACE}:1: expected questions, options",
        ),
        (
            json.dumps(ARTICLE | {"answers": ["E"]}),
            f"{RACE}:1: unknown label 'E', expected",
        ),
        (json.dumps({"article": "a"}), f"{RACE}:1: expected an object with article, questions"),
        (b'{\n"article": "\xe9"}', f"{RACE}:2: byte 0xe9 is not UTF-8"),
        ("", f"{RACE}: the file is empty"),
    ],
)
def test_a_bad_article_is_named(tmp_path: Path, content: str | bytes, said: str) -> None:
    assert said in problem("race", RACE, content, tmp_path)


def test_an_article_without_questions_is_passed_over(tmp_path: Path) -> None:
    bare = ARTICLE | {"questions": [], "options": [], "answers": []}
    write(tmp_path, RACE, json.dumps(bare))
    with pytest.raises(DataError, match="race: no rows of test"):
        read("race", "test", tmp_path)
    write(tmp_path, RACE.replace("1.txt", "2.txt"), json.dumps(ARTICLE))
    assert len(read("race", "test", tmp_path).rows) == 1


def test_a_directory_without_the_set_lists_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read("rte", "train", tmp_path)
    said = str(caught.value)
    assert "glue/RTE/train.tsv, glue/RTE/dev.tsv, glue/RTE/test.tsv" in said
    assert "https://gluebenchmark.com/tasks" in said
    assert "the hub is read" in said
    assert "--sample" in said
    assert "\n" not in said


def test_a_set_without_one_split_names_that_file_alone(tmp_path: Path) -> None:
    rte(tmp_path, RTE)
    with pytest.raises(DataError, match=r"expected glue/RTE/train\.tsv; "):
        read("rte", "train", tmp_path)


def test_a_data_directory_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere does not exist"):
        read("rte", "train", tmp_path / "nowhere")


def test_a_file_too_short_for_its_part_is_refused(tmp_path: Path) -> None:
    write(tmp_path, COPA.replace("test", "dev"), "<c>" + ITEM.format(1, "a", ANSWERS) + "</c>")
    with pytest.raises(DataError, match="copa: no rows of dev: the files end before it"):
        read("copa", "dev", tmp_path)
    write(tmp_path, STORIES.replace("test_test", "test_val"), HEAD + "i,a,b,c,d,e,f,1\n")
    with pytest.raises(DataError, match="1 rows, of which 374 are to be held out"):
        read("rocstories", "dev", tmp_path)


def test_the_command_line_answers_with_one_line_and_exit_code_2(tmp_path: Path) -> None:
    path = write(tmp_path, "glue/RTE/dev.tsv", RTE + "1\ta\tentailment\n")
    command = [sys.executable, "-m", "gpteval", "data", "verify", "--tasks", "rte", "--data-dir"]
    done = subprocess.run([*command, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"gpteval: {path}:3: too few fields")
    assert done.stderr.count("\n") == 1

"""What a first try needs: what a model reads of a task, the metrics, examples that work as is."""

from __future__ import annotations

import inspect
import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gpteval import Example, Metric, Row, Source, Split, Task, hookspecs, load_model
from gpteval.cli.main import cli
from gpteval.data.examples import examples_of
from gpteval.data.rows import Origin, load_split, origin
from gpteval.encode.examples import Specials, encode_examples
from gpteval.plugins import registry
from gpteval.studies.preview import Previewed


@pytest.fixture(autouse=True)
def fresh_registry() -> Iterator[None]:
    """What one test registers is unknown to the next."""
    yield
    registry.cache_clear()


def call(*words: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, words)])


def test_a_preview_is_what_the_encoder_gives_the_model(tiny_directory: Path) -> None:
    loaded = load_model(str(tiny_directory))
    (copa,) = registry().select(["copa"])
    seen = Previewed(copa, Origin("sample"), loaded)
    row = next(iter(seen.rows_shown()))
    size = loaded.model.vocab_size
    specials = Specials.after(size)
    (encoded,) = encode_examples(seen.examples[:1], None, loaded.tokenizer, specials,
                                 loaded.model.context, share=False)  # fmt: skip
    ids = [encoded.tree.tokens[i] for i in encoded.tree.path(encoded.tree.ends[0])]
    cut = ids.index(specials.delimiter)
    first, second = loaded.tokenizer.decode(ids[1:cut]), loaded.tokenizer.decode(ids[cut + 1 : -1])
    assert row.sequences[0] == f"[start] {first} [delimiter] {second} [extract]"
    assert len(row.sequences) == len(row.candidates) == 2
    assert row.candidates[0][0].endswith(" so") or row.candidates[0][0].endswith(" because")


def test_what_is_cut_is_counted(tiny_directory: Path) -> None:
    loaded = load_model(str(tiny_directory))
    (race,) = registry().select(["race"])
    lengths = Previewed(race, Origin("sample"), loaded).lengths()
    assert lengths.context == 64 < lengths.longest
    assert 0 < lengths.cut <= lengths.examples


def test_checking_a_task_names_every_split_and_shows_three_rows(tiny_directory: Path) -> None:
    done = call("tasks", "check", "snli", "--sample", "--model", tiny_directory)
    assert done.exit_code == 0, done.output
    assert "snli train: complete, 320 rows; entailment" in done.stdout
    assert done.stdout.count("[extract]") == 3
    assert "zero-shot: no question" in done.stdout
    words = ["tasks", "check", "copa", "--sample", "--model", tiny_directory, "--json"]
    found = json.loads(call(*words).stdout)
    assert [len(row["candidates"]) for row in found["rows"]] == [2, 2, 2]


def test_what_a_run_would_lack_is_exit_code_2(tmp_path: Path) -> None:
    done = call("tasks", "check", "rte", "--data-dir", tmp_path)
    assert done.exit_code != 0
    assert "rte: no train split below" in str(done.exception)


def test_a_task_file_is_checked_by_its_name(tmp_path: Path, tiny_directory: Path) -> None:
    (tmp_path / "dev.csv").write_text("text,label\nthe ship,a\nthe sea,b\n")
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\ntext = "text"\nlabels = ["a", "b"]\nfiles.dev = "dev.csv"\n')
    done = call("tasks", "check", file, "--model", tiny_directory)
    assert "mine dev: complete, 2 rows; a 1, b 1" in done.stdout


def test_metrics_are_listed_with_their_bounds_and_what_they_are() -> None:
    rows = [json.loads(line) for line in call("metrics", "--json").stdout.splitlines()]
    assert {row["name"] for row in rows} == set(registry().metrics())
    assert all(row["about"] and row["from"] == "gpteval" for row in rows)
    (matthews,) = [row for row in rows if row["name"] == "matthews"]
    assert matthews["bounds"] == "-1 to 1"
    assert "matthews" in call("metrics").stdout


HOOKS = [name for name in vars(hookspecs) if name.startswith("gpteval_")]


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_of_a_hook_works_as_it_is_printed(hook: str, tmp_path: Path) -> None:
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""
    file = tmp_path / "mine.py"
    file.write_text(textwrap.dedent(text.partition("Example:\n")[2]))
    plugin = registry().add_file(file)
    assert plugin.hooks == (hook,)
    offers = registry().offered(plugin)
    assert any(offers.values()) or not hook.startswith("gpteval_register_") or "commands" in hook


def test_the_metric_of_the_hooks_example_scores_a_task(tmp_path: Path) -> None:
    text = inspect.getdoc(hookspecs.gpteval_register_metrics) or ""
    (tmp_path / "mine.py").write_text(textwrap.dedent(text.partition("Example:\n")[2]))
    registry().add_file(tmp_path / "mine.py")
    metric = registry().metric("agreement")
    assert isinstance(metric, Metric)
    assert metric.function(["a", "b"], ["a", "a"], ("a", "b")) == 0.5


STORY = "Jim had a dog.\\nIt barked.\tWho barked?\tJim\tthe dog\ta cat\tBob\t"
STORY += "What did Jim have?\ta dog\ta cat\ta hat\ta boat\n"


def example(row: Row) -> Example:
    return Example.choice(row, row["question"], tuple(row["options"]), context=row["story"])


def test_the_reader_that_the_help_of_a_source_shows_reads_a_line_of_questions_and_a_second_file(
    tmp_path: Path,
) -> None:
    lines = (inspect.getdoc(Source) or "").splitlines()
    begin = next(n for n, line in enumerate(lines) if line.strip().startswith("def read("))
    end = next(n for n in range(begin, len(lines)) if not lines[n])
    names: dict[str, Any] = {}
    exec(textwrap.dedent("\n".join(lines[begin:end])), names)
    (tmp_path / "dev.tsv").write_text(STORY)
    (tmp_path / "dev.ans").write_text("B\tA\n")
    source = Source(
        hub="", reader=names["read"], splits={"dev": Split(0, ("dev.tsv",))},
        columns=("story", "question", "options"), lists=("options",), label="answer",
        label_names={"A": "0", "B": "1", "C": "2", "D": "3"},
    )  # fmt: skip
    task = Task("mctest", 1, "choose", source, example, ("accuracy",))
    first, second = examples_of(task, load_split(task, "dev", origin(tmp_path)))
    assert (first.label, second.label) == (1, 0)
    assert first.sequences[1] == ("Who barked?", "the dog")
    assert second.context.startswith("Jim had a dog.")


def test_the_help_of_a_source_names_every_reader() -> None:
    from gpteval.data.files import READERS

    assert all(f'"{name}"' in (Source.__doc__ or "") for name in READERS)

"""The hub: a server on loopback that answers as it does, and the `datasets` library asking it.

The library reads its endpoint when it is imported, so every question is asked in a fresh process.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from official import RTE, read, rte, task, write

ASK = """
import json, sys, time
from dataclasses import replace
from gpteval.data.rows import Origin, load_split
from gpteval.errors import GptevalError
from gpteval.plugins import registry
time.sleep = lambda seconds: None  # the library waits between its attempts
for name, split, revision in json.loads(sys.argv[1]):
    task = registry().tasks()[name]
    if revision:
        task = replace(task, source=replace(task.source, revision=revision))
    try:
        found = load_split(task, split, Origin("hub"))
        print(json.dumps({"rows": found.rows, "left_out": found.left_out, "digest": found.digest}))
    except GptevalError as error:
        print(json.dumps({"error": str(error), "kind": type(error).__name__}))
"""
OTHER = "0123456789" * 4


def label(*names: str) -> dict:
    return {"dtype": {"class_label": {"names": {str(n): name for n, name in enumerate(names)}}}}


def data_set(
    config: str, types: dict[str, dict], splits: dict[str, list[dict]]
) -> dict[str, bytes]:
    """The files of one configuration, as the hub holds them."""
    features = [{"name": name, **kind} for name, kind in types.items()]
    card = {
        "configs": [{
            "config_name": config,
            "data_files": [{"split": s, "path": f"{config}/{s}-*"} for s in splits],
        }],
        "dataset_info": [{"config_name": config, "features": features}],
    }  # fmt: skip
    files = {"README.md": f"---\n{json.dumps(card)}\n---\n".encode()}
    for split, rows in splits.items():
        table = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), table)
        files[f"{config}/{split}-00000-of-00001.parquet"] = table.getvalue()
    return files


def joined(*sets: dict[str, bytes]) -> dict[str, bytes]:
    """Several configurations in one repository: their cards are one."""
    cards = [json.loads(files["README.md"].split(b"\n")[1]) for files in sets]
    card = {name: [entry for own in cards for entry in own[name]] for name in cards[0]}
    files = {name: content for own in sets for name, content in own.items()}
    return files | {"README.md": f"---\n{json.dumps(card)}\n---\n".encode()}


PAIR = {"sentence1": "It rains.", "sentence2": "It is wet.", "label": 0, "idx": 0}
HIDDEN = PAIR | {"label": -1}
CAPTIONS = [{"premise": "a", "hypothesis": str(n), "label": n} for n in (2, -1, 0, 1)]
ITEMS = [{"premise": str(n), "choice1": "b", "choice2": "c", "question": "cause", "label": n % 2,
          "idx": n} for n in range(500)]  # fmt: skip
QUESTIONS = [{"example_id": name, "article": "a", "question": "q", "options": list("abcd"),
              "answer": "C"} for name in ("high1.txt", "middle2.txt", "high1.txt")]  # fmt: skip
TEXT, NUMBER = {"dtype": "string"}, {"dtype": "int32"}
REPOSITORIES = {
    "rte": joined(
        data_set(
            "rte",
            {"sentence1": TEXT, "sentence2": TEXT, "label": label("entailment", "not_entailment"),
             "idx": NUMBER},
            {"train": [PAIR, PAIR | {"label": 1}], "validation": [PAIR], "test": [HIDDEN]},
        ),
        data_set(
            "ax",
            {"premise": TEXT, "hypothesis": TEXT,
             "label": label("entailment", "neutral", "contradiction"), "idx": NUMBER},
            {"test": [{"premise": "a", "hypothesis": "b", "label": -1, "idx": 0}]},
        ),
    ),
    "snli": data_set(
        "plain_text",
        {"premise": TEXT, "hypothesis": TEXT,
         "label": label("entailment", "neutral", "contradiction")},
        {"validation": CAPTIONS},
    ),
    "copa": data_set(
        "copa",
        {"premise": TEXT, "choice1": TEXT, "choice2": TEXT, "question": TEXT,
         "label": label("choice1", "choice2"), "idx": NUMBER},
        {"train": ITEMS[:400], "validation": ITEMS[400:], "test": ITEMS[:2]},
    ),
    "race": data_set(
        "all",
        {"example_id": TEXT, "article": TEXT, "question": TEXT, "answer": TEXT,
         "options": {"sequence": "string"}},
        {"test": QUESTIONS},
    ),
}  # fmt: skip


SERVED = {task(name).source.hub: (task(name).source.revision, files)
          for name, files in REPOSITORIES.items()}  # fmt: skip


class Hub(BaseHTTPRequestHandler):
    """Answers what the hub's libraries ask for: card, revision, listing of a folder, files."""

    served = SERVED

    def answer(self) -> None:
        path = unquote(urlsplit(self.path).path).removeprefix("/api").removeprefix("/datasets")
        path = path.removeprefix("/models").removeprefix("/")
        owner, name, verb, revision, *rest = [*path.split("/"), "", "", "", ""]
        asked = "/".join(part for part in rest if part)
        known, files = self.served.get(f"{owner}/{name}", ("", {}))
        if not known:
            return self.send(404, b"", {"X-Error-Code": "RepoNotFound"})
        if revision not in (known, "main"):
            return self.send(404, b"", {"X-Error-Code": "RevisionNotFound"})
        if verb == "revision":
            return self.send(200, json.dumps({"id": f"{owner}/{name}", "sha": known}).encode())
        if verb == "tree":
            return self.send(200, json.dumps(self.listing(files, asked)).encode())
        if asked not in files:
            return self.send(404, b"", {"X-Error-Code": "EntryNotFound"})
        tag = sha1(files[asked]).hexdigest()
        return self.send(200, files[asked], {"ETag": f'"{tag}"', "X-Repo-Commit": known})

    def listing(self, files: dict[str, bytes], folder: str) -> list[dict[str, object]]:
        start = f"{folder}/" if folder else ""
        names = {
            start + name[len(start) :].split("/")[0] for name in files if name.startswith(start)
        }
        entries = [
            {"path": n, "oid": sha1(n.encode()).hexdigest(), "size": len(files.get(n, b""))}
            for n in sorted(names)
        ]
        return [e | {"type": "file" if e["path"] in files else "directory"} for e in entries]

    def send(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = answer

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def ask(home: Path, questions: list[tuple[str, str, str]], **variables: str) -> list[dict]:
    """What `load_split` answers from the hub, in a fresh process with its own cache."""
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", **variables}
    command = [sys.executable, "-c", ASK, json.dumps(questions)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="module")
def answers(endpoint: str, home: Path) -> dict[tuple[str, str], dict]:
    asked = [(name, split, revision) for name, split, revision in (
        ("rte", "dev", ""), ("rte", "train", ""), ("rte", "test", ""), ("snli", "dev", ""),
        ("copa", "train", ""), ("copa", "dev", ""), ("copa", "test", ""), ("race", "test", ""),
        ("mnli", "dev", ""), ("mnli", "diagnostic", ""), ("snli", "test", ""),
        ("scitail", "test", ""), ("rocstories", "test", ""),
    )]  # fmt: skip
    found = ask(home, asked, HF_ENDPOINT=endpoint)
    return {key[:2]: answer for key, answer in zip(asked, found, strict=True)}


def test_the_hub_and_the_files_give_the_same_rows(answers: dict, tmp_path: Path) -> None:
    files = rte(tmp_path, RTE)
    assert (answers["rte", "dev"]["rows"], answers["rte", "dev"]["digest"]) == (
        [dict(r) for r in files.rows],
        files.digest,
    )


def test_class_labels_become_names(answers: dict) -> None:
    labels = [r["label"] for r in answers["rte", "train"]["rows"]]
    assert labels == ["entailment", "not_entailment"]


def test_private_labels_of_the_hub_are_none(answers: dict) -> None:
    assert [r["label"] for r in answers["rte", "test"]["rows"]] == [None]


def test_a_split_of_another_configuration_is_read_from_there(answers: dict) -> None:
    row = {"id": "0", "label": None, "sentence1": "a", "sentence2": "b"}
    assert answers["mnli", "diagnostic"]["rows"] == [row]


def test_hub_rows_without_gold_are_left_out_and_keep_their_places(answers: dict) -> None:
    found = answers["snli", "dev"]
    assert [(r["id"], r["label"]) for r in found["rows"]] == [
        ("0", "contradiction"), ("2", "entailment"), ("3", "neutral"),
    ]  # fmt: skip
    assert (found["left_out"], found["rows"][0]["sentence2"]) == (1, "2")


def test_copa_of_the_hub_is_cut_like_the_official_file(answers: dict, tmp_path: Path) -> None:
    item = '<item id="1" asks-for="cause" most-plausible-alternative="{}"><p>{}</p>{}</item>'
    ends = "<a1>b</a1><a2>c</a2>"
    items = "".join(item.format(1 + n % 2, n, ends) for n in range(500))
    write(tmp_path, "copa/copa-dev.xml", f"<copa-corpus>{items}</copa-corpus>")
    for split in ("train", "dev"):
        assert answers["copa", split]["digest"] == read("copa", split, tmp_path).digest


def test_questions_of_the_hub_are_numbered_within_their_article(answers: dict) -> None:
    rows = answers["race", "test"]["rows"]
    assert [r["id"] for r in rows] == ["high1.txt/0", "middle2.txt/0", "high1.txt/1"]
    assert rows[0]["options"] == ["a", "b", "c", "d"]
    assert rows[0]["label"] == 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("mnli", "dev"), "cannot read nyu-mll/glue mnli validation_matched at bcdcba79d07b"),
        (("snli", "test"), 'Unknown split "test"'),
        (("scitail", "test"), "'allenai/scitail' doesn't exist on the Hub"),
        (("copa", "test"), "copa: no test split on the hub"),
        (("rocstories", "test"), "rocstories: no test split on the hub"),
    ],
)
def test_what_the_hub_lacks_is_one_line_with_a_way_out(
    answers: dict, asked: tuple[str, str], said: str
) -> None:
    error = answers[asked]["error"]
    assert said in error
    assert "pass --data-dir" in error
    assert "--sample" in error
    assert "\n" not in error


def test_an_unknown_revision_is_an_error(endpoint: str, tmp_path: Path) -> None:
    [answer] = ask(tmp_path, [("rte", "dev", OTHER)], HF_ENDPOINT=endpoint)
    assert f"rte validation at {OTHER[:12]}" in answer["error"]
    assert "\n" not in answer["error"]


def test_offline_the_cache_answers_for_its_revision_alone(answers: dict, home: Path) -> None:
    asked = [("rte", "dev", ""), ("rte", "dev", OTHER)]
    same, other = ask(home, asked, HF_HUB_OFFLINE="1")
    assert same == answers["rte", "dev"]
    assert "the hub did not give that revision and the cache holds another" in other["error"]


def test_offline_without_a_cache_offers_files_and_the_sample(tmp_path: Path) -> None:
    [answer] = ask(tmp_path, [("rte", "dev", "")], HF_HUB_OFFLINE="1")
    assert answer["kind"] == "UnreachableError"
    assert "pass --data-dir" in answer["error"]


def test_a_hub_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    [answer] = ask(tmp_path, [("rte", "dev", "")], HF_ENDPOINT="http://127.0.0.1:9")
    assert answer["kind"] == "UnreachableError"
    assert "Couldn't reach 'nyu-mll/glue' on the Hub" in answer["error"]
    assert "\n" not in answer["error"]

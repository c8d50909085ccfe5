"""BoolQ, MultiRC and WSC of the package in examples/, read from a hub as SuperGLUE's is.

Columns and labels are those of `aps/super_glue`: the features of version 1.0.2 that tensorflow's
catalogue of the hub lists (docs/community_catalog/huggingface/super_glue.md).
"""

from __future__ import annotations

from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from reader import installed
from test_hub import NUMBER, TEXT, Hub, ask, data_set, joined, label

REVISION = "3de24cf8022e94f4ee4b9d55a6f539891524d646"
GOLD = {"label": label("False", "True")}
PLACE = {"struct": [{"name": n, **NUMBER} for n in ("paragraph", "question", "answer")]}
ROWS = {
    "boolq": {"question": "is it wet", "passage": "It rained.", "idx": 0},
    "multirc": {
        "paragraph": "Ann met Bob.",
        "question": "Whom did Ann meet?",
        "answer": "Bob",
        "idx": {"paragraph": 0, "question": 0, "answer": 0},
    },
    "wsc": {
        "text": "Ann saw Eve when she left.",
        "span1_index": 0,
        "span2_index": 4,
        "span1_text": "Ann",
        "span2_text": "she",
        "idx": 0,
    },
}
KEPT = {
    "boolq": {"passage", "question"},
    "multirc": {"paragraph", "question", "answer"},
    "wsc": {"text", "span1_text", "span2_index"},
}


def types(row: dict[str, object]) -> dict[str, dict[str, object]]:
    kinds = {str: TEXT, int: NUMBER, dict: PLACE}
    return {name: kinds[type(value)] for name, value in row.items()} | GOLD


def splits(row: dict[str, object]) -> dict[str, list[dict[str, object]]]:
    both = [row | {"label": 0}, row | {"label": 1}]
    return {"train": both, "validation": both, "test": [row | {"label": -1}]}


def test_superglues_tasks_are_read_from_the_hub_in_its_columns(tmp_path: Path) -> None:
    files = joined(*(data_set(name, types(row), splits(row)) for name, row in ROWS.items()))
    handler = type("SuperGlue", (Hub,), {"served": {"aps/super_glue": (REVISION, files)}})
    asked = [(name, split, "") for name in ROWS for split in ("train", "dev", "test")]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        variables = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
        variables |= {"PYTHONPATH": str(installed("gpteval-babylm", tmp_path))}
        answers = ask(tmp_path / "home", asked, **variables)
        server.shutdown()
    for (name, split, _), answer in zip(asked, answers, strict=True):
        rows = answer["rows"]
        labels = [None] if split == "test" else ["false", "true"]
        assert [row["label"] for row in rows] == labels, name
        assert {c: rows[0][c] for c in KEPT[name]} == {c: str(ROWS[name][c]) for c in KEPT[name]}

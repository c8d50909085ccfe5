"""A few rows in the layouts of the package's own tasks."""

from __future__ import annotations

import json
from pathlib import Path

PAIR = {"field": "syntax/semantics", "linguistics_term": "binding", "UID": "principle_A"}
TEXT = "Ann met Bob."
FILES: dict[str, list[dict[str, object]]] = {
    "blimp/principle_A.jsonl": [
        {"sentence_good": f"The {noun} sleeps.", "sentence_bad": f"The {noun} sleep.", **PAIR}
        for noun in ("dog", "cat", "boy", "girl", "cow", "bird", "horse", "king")
    ],
    "BoolQ/train.jsonl": [
        {"question": "is it wet", "passage": f"It {w} all day.", "label": w == "rained", "idx": n}
        for n, w in enumerate(["rained", "shone"] * 4)
    ],
    "MultiRC/train.jsonl": [
        {
            "idx": 7,
            "passage": {
                "text": TEXT,
                "questions": [
                    {
                        "question": "Whom did Ann meet?",
                        "answers": [{"text": "Bob", "label": 1}, {"text": "Eve", "label": 0}],
                    }
                ],
            },
        }
    ],
    "WSC/train.jsonl": [
        {
            "text": "Ann saw Eve when she left.",
            "target": {"span1_text": noun, "span2_index": 4, "span2_text": "she"},
            "label": noun == "Ann",
            "idx": number,
        }
        for number, noun in enumerate(["Ann", "Eve"])
    ],
}


def write_layouts(place: Path) -> Path:
    """Write the files, and those of further splits as copies."""
    for name, rows in FILES.items():
        for split in ("train", "val", "test"):
            path = place / name.replace("train", split)
            path.parent.mkdir(exist_ok=True)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place

"""A corpus streamed from a server on loopback that answers as the hub does."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest
from test_hub import TEXT, Hub, data_set

COMMIT = "ab" * 20
TEXTS = ["The sea was calm.", "", "The boy went home."] * 40
FILES = data_set("tales", {"text": TEXT}, {"train": [{"text": text} for text in TEXTS]})

ASK = """
import json, sys
from pathlib import Path
from gpteval.errors import GptevalError
from gpteval.corpus.documents import find_documents
try:
    corpus = find_documents([Path(sys.argv[1])], sys.argv[2])
    rows = [(corpus.named(i, row), "".join(pieces)) for i, row, pieces in corpus.documents()]
    print(json.dumps({"rows": rows, "count": len(corpus), "identity": corpus.identity}))
except GptevalError as error:
    print(json.dumps({"error": str(error)}))
"""


class Ranged(Hub):
    """The hub of one data set; its files have sizes and can be read in part."""

    def answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/api/"):
            _, _, _, owner, name, verb, *rest = [*path.split("/"), ""]
            if f"{owner}/{name}" != "people/tales":
                return self.send(404, b"", {"X-Error-Code": "RepoNotFound"})
            if verb == "tree":
                body = self.listing(FILES, "/".join(part for part in rest[1:] if part))
            elif verb == "paths-info":
                length = int(self.headers["Content-Length"])
                wanted = json.loads(self.rfile.read(length))["paths"]
                body = [e for e in self.everything() if e["path"] in wanted]
            else:
                body = {"id": "people/tales", "sha": COMMIT}
            return self.send(200, json.dumps(body).encode())
        return self.file(path.partition("/resolve/")[2].partition("/")[2])

    def file(self, name: str) -> None:
        if name not in FILES:
            return self.send(404, b"", {"X-Error-Code": "EntryNotFound"})
        content, code = FILES[name], 200
        if "Range" in self.headers:
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            content, code = content[int(first) : int(last or len(content)) + 1], 206
        return self.send(code, content, {"ETag": f'"{name}"', "X-Repo-Commit": COMMIT})

    def everything(self) -> list[dict[str, object]]:
        return [{"type": "file", "path": n, "oid": n, "size": len(c)} for n, c in FILES.items()]

    def listing(self, files: dict[str, bytes], folder: str) -> list[dict[str, object]]:
        entries = super().listing(files, folder)
        return [e | {"size": len(files.get(str(e["path"]), b""))} for e in entries]

    do_GET = do_HEAD = do_POST = answer


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Ranged) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def ask(home: Path, endpoint: str, reference: str, field: str = "text") -> dict:
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", ASK, reference, field]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_rows_of_a_hub_data_set_are_documents(endpoint: str, tmp_path: Path) -> None:
    found = ask(tmp_path, endpoint, "hub:people/tales:tales")
    names = [f"people/tales:tales:{n}" for n in range(1, 121)]
    assert found["rows"] == [list(pair) for pair in zip(names, TEXTS, strict=True)]
    assert found["count"] == 120
    assert COMMIT in str(found["identity"])


@pytest.mark.parametrize(
    ("reference", "field", "message"),
    [
        ("hub:people/tales", "body", "hub:people/tales: no field 'body'; it has text"),
        ("hub:people/songs", "text", "hub:people/songs can't be streamed ("),
        ("hub:people/tales:old", "text", "can't be streamed (BuilderConfig 'old' not found"),
    ],
)
def test_what_cant_be_streamed_is_one_line(
    endpoint: str, tmp_path: Path, reference: str, field: str, message: str
) -> None:
    error = ask(tmp_path, endpoint, reference, field)["error"]
    assert message in error and "\n" not in error

"""Writes reference.md: the hooks and the nouns of a plug-in, from their docstrings.

Run: `python docs/reference.py`; a test holds the file to what this makes.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import gpteval
from gpteval import hookspecs, testing

PAGE = Path(__file__).parent / "reference.md"
PROTOCOLS = ("Model", "SentenceModel", "Tokenizer")
"""What a plug-in writes: with fields and methods, as gpteval/model.py has them."""

SECTIONS = {
    "What makes a task": "Task Source Split Part Table Columns Question",
    "What a row becomes": "Example Prompt Candidate",
    "What makes a model": "ModelFamily Model SentenceModel Tokenizer Loaded Trees Span",
    "What is averaged and scored": "Metric Suite PaperScore",
    "Settings": "FinetuneConfig PretrainConfig VectorsConfig Compute TrainingCompute Sharing",
    "What a run leaves": "Result Prediction",
    "From Python: measure": "run plan score_zeroshot score_probes neuron score_baselines "
    "ablate ablate_layers ablate_pieces noise curve doctor engine pretrain_model train_vectors "
    "load_model recipe read_table",
    "From Python: keep and answer": "load_finetuned Finetuned Answer",
    "From Python: results": "load_results leaderboard matrix history compare diff show bless "
    "check rescore verify_results merge_results submit",
    "From Python: what there is": "list_tasks list_models list_metrics list_plugins preview_tasks "
    "verify_data new_package plugin_faults",
    "For a family of models": "save_checkpoint load_weights read_config read_json read_tensors "
    "weights_digest cache_directory replacing BpeTokenizer",
    "Errors": "GptevalError ConfigError DataError CheckpointError PluginError",
}
"""Heading → public names, in reading order; `hookimpl` stands with the hooks."""

HEADINGS = {"Attributes", "Args", "Returns", "Raises", "Example"}
ITEM = re.compile(r"    (\S[^:]*): (.*)")


def page() -> str:
    """The whole page."""
    parts = ["# Reference", "Made from the docstrings by `python docs/reference.py`.", "## Hooks"]
    parts.append(intro(inspect.getdoc(hookspecs) or ""))
    hooks = {n: f for n, f in vars(hookspecs).items() if n.startswith("gpteval_")}
    parts += [entry(name, hook) for name, hook in hooks.items()]
    for heading, names in SECTIONS.items():
        parts += [f"## {heading}", *(entry(name, getattr(gpteval, name)) for name in names.split())]
    parts += ["## The conformance kit", intro(inspect.getdoc(testing) or "")]
    kit = [name for name in testing.__all__ if name.startswith("check_")]
    parts += [entry(name, getattr(testing, name)) for name in kit]
    return "\n\n".join(part for part in parts if part) + "\n"


def entry(name: str, item: Any) -> str:
    """One name with what its docstring says."""
    text = written(name) if name in PROTOCOLS else intro(inspect.getdoc(item) or "")
    return f"### `{name}{signature(item)}`\n\n{text}"


def signature(item: Any) -> str:
    """The arguments of a function; classes have theirs among the attributes."""
    if not inspect.isfunction(item):
        return ""
    arguments = inspect.signature(item).parameters.values()
    return f"({', '.join(str(a.replace(annotation=a.empty)) for a in arguments)})"


def written(name: str) -> str:
    """A protocol with its fields and methods; `Model` is there for typing alone."""
    source = Path(inspect.getfile(gpteval)).parent / "model.py"
    nodes = ast.walk(ast.parse(source.read_text("utf-8")))
    found = next(n for n in nodes if isinstance(n, ast.ClassDef) and n.name == name)
    lines = [ast.get_docstring(found) or "", ""]
    for node in found.body:
        if isinstance(node, ast.AnnAssign):
            lines.append(f"- `{ast.unparse(node)}`")
        elif isinstance(node, ast.FunctionDef):
            shown = ast.unparse(node.args) if not node.decorator_list else ""
            call = f"({shown.removeprefix('self').removeprefix(', ')})" * bool(shown)
            lines.append(f"- `{node.name}{call}`: {ast.get_docstring(node)}")
    return "\n".join(lines)


def intro(text: str) -> str:
    """A docstring as Markdown: sections by name, their items as a list, examples as code."""
    kept: list[str] = []
    section = ""
    for line in text.splitlines():
        if line.rstrip(":") in HEADINGS and line.endswith(":"):
            section = line.rstrip(":")
            kept += [f"*{section}*", ""] if section != "Example" else ["```python"]
        elif section == "Example":
            kept.append(line.removeprefix("    "))
        else:
            kept.append(item(line) if section else line)
    if section == "Example":
        kept.append("```")
    return "\n".join(kept).strip()


def item(line: str) -> str:
    """A line of a section: an entry of its list, or what goes on with one."""
    if found := ITEM.fullmatch(line):
        return f"- `{found[1]}`: {found[2]}"
    return line.removeprefix(" " * 6)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""What commands killed in the middle of writing leave; at more moments: benchmarks/kills.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from killing import commands, differences, gpteval, moments

KILLS, CUTS = 3, 1


@pytest.fixture(scope="module")
def lines(roomy_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return commands(tmp_path_factory.mktemp("read"), roomy_directory)


@pytest.mark.parametrize("name", ["run", "zeroshot", "baselines", "pretrain"])
def test_the_same_command_after_a_kill_leaves_what_an_undisturbed_one_does(
    lines: dict[str, list[str]], tmp_path: Path, name: str
) -> None:
    whole = tmp_path / "whole"
    _, changes = gpteval(lines[name], whole)
    for number, moment in enumerate(moments(changes, KILLS, CUTS)):
        killed = tmp_path / str(number)
        code, _ = gpteval(lines[name], killed, moment)
        assert code < 0, f"it was not killed {moment}"
        gpteval(lines[name], killed)
        assert differences(killed, whole) == [], f"killed {moment}"


def test_a_model_that_was_about_to_be_tried_for_room_is_no_hindrance(tmp_path: Path) -> None:
    from gpteval.train.finetuned import check_place

    (tmp_path / "kept").mkdir()
    assert not check_place(tmp_path / "kept", "key")
    assert list(tmp_path.iterdir()) == []

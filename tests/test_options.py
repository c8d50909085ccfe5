from dataclasses import dataclass

import click
from click.testing import CliRunner

from gpteval.cli.options import changes_from, options_from
from gpteval.config import option


@dataclass(frozen=True)
class Settings:
    peak_rate: float = option(0.5, "Peak learning rate.")
    updates: int = option(10, "Number of updates.")
    preset: str = option("mini", "Named shape.")


@click.command()
@options_from(Settings, "settings")
@click.option("--loud", is_flag=True)
def whole(settings, loud):
    click.echo(f"{settings} {loud}")


@click.command()
@changes_from(Settings, "changes")
def changed(changes):
    click.echo(changes)


def test_fields_become_options_and_come_back_as_the_value():
    output = CliRunner().invoke(whole, ["--peak-rate", "2", "--preset", "x", "--loud"]).output
    assert output == f"{Settings(peak_rate=2.0, updates=10, preset='x')} True\n"


def test_help_shows_text_type_and_default_in_field_order():
    lines = CliRunner().invoke(whole, ["--help"]).output
    assert "--peak-rate FLOAT" in lines and "Peak learning rate.  [default: 0.5]" in lines
    assert lines.index("--peak-rate") < lines.index("--updates") < lines.index("--preset")


def test_a_value_of_the_wrong_type_is_a_usage_error():
    result = CliRunner().invoke(whole, ["--updates", "many"])
    assert result.exit_code == 2 and "'many' is not a valid integer" in result.output


def test_changes_hold_only_what_was_given():
    assert CliRunner().invoke(changed, ["--updates", "0"]).output == "{'updates': 0}\n"
    assert CliRunner().invoke(changed, []).output == "{}\n"

"""Settings: read, checked, documented."""

import dataclasses
from pathlib import Path

import pytest

from shared.settings import BadSetting, Settings, load_settings

ROOT = Path(__file__).parents[2]


def test_everything_has_a_default() -> None:
    settings = load_settings({})

    assert settings.effective_database_url.startswith("sqlite:////")
    assert settings.effective_redis_url.startswith("unix:///")
    assert settings.effective_storage_url.startswith("file:///")
    assert settings.worker_processes >= 1


def test_the_environment_wins_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("PORT=1234\nBATCH_SIZE=3\n")
    monkeypatch.setenv("PORT", "4321")

    settings = load_settings(env_file=env_file)

    assert (settings.port, settings.batch_size) == (4321, 3)


def test_an_empty_value_means_the_default() -> None:
    assert load_settings({"PORT": ""}).port == 8000


@pytest.mark.parametrize(
    "environ",
    [{"PORT": "eighty"}, {"COOKIE_SECURE": "maybe"}, {"LEASE_S": "0"}, {"LEASE_S": "6"}, {"SECRET_KEY": "short"}],
    ids=str,
)
def test_a_bad_value_names_the_variable(environ: dict[str, str]) -> None:
    with pytest.raises(BadSetting, match=next(iter(environ))):
        load_settings(environ)


@pytest.mark.parametrize("document", [".env.example", "docs/operations.md"])
def test_every_setting_is_documented(document: str) -> None:
    text = (ROOT / document).read_text()

    assert [f.name for f in dataclasses.fields(Settings) if f.name.upper() not in text] == []


def test_the_example_shows_the_defaults() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    shown = dict(line[1:].split("=", 1) for line in lines if line.startswith("#") and "=" in line and line[1].isupper())

    example = load_settings({name: value for name, value in shown.items() if hasattr(Settings, name.lower())})

    assert example == load_settings({})

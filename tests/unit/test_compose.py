"""docker-compose.yml, the Dockerfile and the Procfile speak of things that exist, and are hardened."""

import re
from pathlib import Path

import pytest
import yaml

from shared.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = ("web", "worker", "prepare")


def command_of(service: str) -> str:
    return " ".join(COMPOSE["services"][service]["command"])


@pytest.mark.parametrize("process", ["web", "worker"])
def test_compose_runs_the_same_commands_as_one_machine(process: str) -> None:
    procfile = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())

    assert command_of(process) == procfile[process]


@pytest.mark.parametrize("service", OURS)
def test_our_services_run_with_as_little_as_they_need(service: str) -> None:
    ours = COMPOSE["services"][service]

    assert ours["read_only"] is True
    assert ours["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in ours["security_opt"]


def test_the_image_does_not_run_as_root() -> None:
    assert re.findall(r"^USER (.+)$", (ROOT / "Dockerfile").read_text(), re.M)[-1] == "hepaq"


def test_the_image_contains_what_it_copies_and_the_context_allows_it() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?!--from)(\S+)", dockerfile, re.M)
    allowed = re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.M)

    assert all((ROOT / path).exists() for path in copied)
    assert set(copied) <= set(allowed)


def test_every_variable_is_a_setting_or_documented() -> None:
    example = (ROOT / ".env.example").read_text()
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))

    assert [name for name in used if f"#{name}=" not in example] == []
    environment = COMPOSE["services"]["worker"]["environment"]
    assert [name for name in environment if not hasattr(Settings, name.lower())] == []


def test_dependencies_wait_for_health() -> None:
    for service in OURS:
        for name, condition in COMPOSE["services"][service]["depends_on"].items():
            assert name in COMPOSE["services"]
            wanted = "service_completed_successfully" if name == "prepare" else "service_healthy"
            assert condition["condition"] == wanted
            assert name == "prepare" or "healthcheck" in COMPOSE["services"][name]


def test_ports_agree() -> None:
    web = COMPOSE["services"]["web"]

    assert web["ports"] == ["${PORT:-8000}:8000"]
    assert web["environment"]["PORT"] == "8000"
    assert "EXPOSE 8000" in (ROOT / "Dockerfile").read_text()
    assert ":8000/readyz" in " ".join(web["healthcheck"]["test"])


def test_redis_drops_nothing_and_named_volumes_are_declared() -> None:
    redis = command_of("redis")

    assert "--appendonly yes" in redis
    assert "--maxmemory-policy noeviction" in redis
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in COMPOSE["volumes"]

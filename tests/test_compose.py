"""docker-compose.yml and the Dockerfile, as far as they can be held to something without an engine."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

REQUIRED = {"SECRET_KEY": "x" * 50, "POSTGRES_PASSWORD": "secret-of-the-test"}


@pytest.fixture(scope="module")
def compose(repository: Path) -> dict[str, Any]:
    return yaml.safe_load((repository / "docker-compose.yml").read_text())


def test_every_server_image_is_pinned_to_a_version(compose: dict[str, Any]) -> None:
    images = {name: service["image"] for name, service in compose["services"].items() if "build" not in service}
    assert set(images) == {"timescaledb", "redis", "broker"}
    for image in images.values():
        assert re.fullmatch(r"[\w/.-]+:\d[\w.-]*", image), image
    assert re.search(r"-pg1[78]$", images["timescaledb"])


def test_everything_that_stays_up_has_a_health_check(compose: dict[str, Any]) -> None:
    without = {name for name, service in compose["services"].items() if "healthcheck" not in service}
    assert without == {"migrate", "market"}  # one ends, the other is a toy


def test_every_container_is_bounded_in_memory_log_and_stop(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert "mem_limit" in service, name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        if "build" in service:
            assert service["pids_limit"] and service["stop_grace_period"] == "40s", name


def _variables(repository: Path) -> set[str]:
    """What settings read from the environment, and what docker-compose.yml reads beside it."""
    settings = (repository / "tradeul_ops/settings.py").read_text()
    of_settings = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', settings))
    return of_settings | set(re.findall(r"\$\{([A-Z_]+)", (repository / "docker-compose.yml").read_text()))


def test_every_variable_is_in_the_example_and_in_the_readme(repository: Path) -> None:
    wanted = _variables(repository)
    assert len(wanted) > 20
    example = set(re.findall(r"^#?([A-Z_]+)=", (repository / ".env.example").read_text(), re.M))
    assert example == wanted
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \|", (repository / "README.md").read_text(), re.M)
    assert {name for row in rows for name in re.findall(r"[A-Z_]+", row)} >= wanted


def test_containers_are_given_every_variable_that_settings_read(compose: dict[str, Any], repository: Path) -> None:
    given = set(compose["services"]["web"]["environment"])
    inside = {"BEAT_SCHEDULE_FILE", "DEBUG"}  # the image's own; never in production
    settings = (repository / "tradeul_ops/settings.py").read_text()
    assert set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', settings)) - inside == given


def test_the_application_runs_without_privileges(compose: dict[str, Any], repository: Path) -> None:
    ours = [service for service in compose["services"].values() if "build" in service]
    assert len(ours) == 5
    for service in ours:
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert re.search(r"^USER tradeul$", (repository / "Dockerfile").read_text(), re.M)


def test_no_secret_stands_in_the_file(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"SECRET|PASSWORD|TOKEN", name):
                assert str(value).startswith("${"), name


def test_the_image_copies_what_the_application_is_made_of(repository: Path) -> None:
    copied = set(re.findall(r"^COPY (?!--)(\S+)", (repository / "Dockerfile").read_text(), re.M))
    assert copied == {"requirements.lock", "manage.py", "tradeul_ops", "streams", "snapshots", "timescale", "templates"}


def test_docker_compose_itself_accepts_the_file(repository: Path) -> None:
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no docker compose on this machine")
    read = subprocess.run(
        [docker, "compose", "--profile", "demo", "config", "--quiet"],
        cwd=repository,
        env={"PATH": str(Path(docker).parent), **REQUIRED},
        capture_output=True,
        text=True,
        check=False,
    )
    assert read.returncode == 0, read.stderr

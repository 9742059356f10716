"""/metrics: who may pull it, what it says and leaves out, that its labels are bounded; dashboard and alerts fit it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import redis as redis_library
import yaml
from django.contrib.auth import get_user_model
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from streams.engine.state import GroupState
from tests.console import factories
from tradeul_ops.console import prometheus
from tradeul_ops.demo.servers import free_port

TOKEN = "a-token-of-the-tests"
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def series(text: str) -> Series:
    found: Series = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"twice: {key}"
            found[key] = sample.value
    return found


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch):
    """The series of summaries made up by the test."""

    def ask(**summaries: object) -> Series:
        whole = factories.overview(**{"streams": factories.streams_summary(), **summaries})
        for name, panel in (
            ("streams_summary", whole.streams),
            ("snapshots_summary", whole.snapshots),
            ("hypertables_summary", whole.hypertables),
            ("processes_summary", whole.processes),
        ):
            monkeypatch.setattr(prometheus, name, lambda *, now, value=panel.value: value)
        return series(prometheus.exposition(now=factories.NOW, clock=lambda: 0.0).decode())

    return ask


def test_it_is_pulled_with_the_token_or_a_login(client: Client, db: None, redis: redis_library.Redis, settings) -> None:
    settings.METRICS_TOKEN = TOKEN
    assert client.get("/metrics").status_code == 401
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    client.force_login(get_user_model().objects.create_user("luis"))
    assert client.get("/metrics").status_code == 200


def test_it_says_what_the_servers_say(client: Client, db: None, redis: redis_library.Redis) -> None:
    """Two scrapes, as of two workers, agree: nothing is counted in the process."""
    for number in range(7):
        redis.xadd("snapshots:raw", {"data": number})
    redis.xgroup_create("snapshots:raw", "scanner", "0")
    client.force_login(get_user_model().objects.create_user("luis"))
    first, second = (series(client.get("/metrics").content.decode()) for _ in range(2))
    assert first[("tradeul_stream_entries", (("stream", "snapshots:raw"),))] == 7
    assert first[("tradeul_stream_maxlen_entries", (("stream", "snapshots:raw"),))] == 1000
    assert first[("tradeul_group_lag_entries", (("group", "scanner"), ("stream", "snapshots:raw")))] == 7
    assert first[("tradeul_process_up", (("role", "worker"),))] == 0
    assert ("tradeul_process_seen_age_seconds", (("role", "worker"),)) not in first
    assert first.keys() == second.keys()


def test_every_name_is_in_the_table_and_every_one_of_the_table_is_said(said) -> None:
    group = GroupState("scanner", 12, 3, 1, "1-0")
    found = said(
        streams=factories.streams_summary(factories.stream_row(groups=(group,))),
        hypertables=factories.tables(factories.table_row(chunks=3)),
    )
    names = {name for name, _ in found}
    assert names <= prometheus.METRICS.keys()
    assert prometheus.METRICS.keys() - names == {"tradeul_aggregate_behind_seconds"}  # the factory has no aggregate
    assert all(
        re.fullmatch(r"tradeul_[a-z_]+_(bytes|seconds|entries|ratio|count|rows|total|up|over)", n) for n in names
    )


def test_what_is_unknown_is_absent(said) -> None:
    row = factories.stream_row(
        length=None, bytes=None, usage_ratio=None, condition="unknown", groups=(GroupState("g", None, 3, 1, "1-0"),)
    )
    found = said(streams=factories.streams_summary(row))
    names = {name for name, labels in found if ("stream", "snapshots:raw") in labels}
    assert "tradeul_group_pending_entries" in names
    assert not names & {
        "tradeul_stream_entries",
        "tradeul_stream_bytes",
        "tradeul_stream_usage_ratio",
        "tradeul_stream_over",
        "tradeul_group_lag_entries",
    }


def test_the_largest_streams_have_a_label_and_the_rest_is_summed(said) -> None:
    rows = [
        factories.stream_row(f"s{number}", bytes=number, length=2) for number in range(prometheus.MOST_STREAMS + 10)
    ]
    named_so = factories.stream_row("other", bytes=10**9, length=5)
    found = said(streams=factories.streams_summary(*rows, named_so))
    sizes = {dict(labels)["stream"]: value for (name, labels), value in found.items() if name == "tradeul_stream_bytes"}
    assert len(sizes) == prometheus.MOST_STREAMS + 1
    assert "s10" in sizes and "s9" not in sizes
    assert sizes["other"] == sum(range(10)) + 10**9
    assert found[("tradeul_stream_entries", (("stream", "other"),))] == 10 * 2 + 5


def test_a_sum_with_an_unknown_is_unknown(said) -> None:
    rows = [factories.stream_row(f"s{number}", bytes=5) for number in range(prometheus.MOST_STREAMS)]
    found = said(streams=factories.streams_summary(*rows, factories.stream_row("last", bytes=None)))
    assert ("tradeul_stream_bytes", (("stream", "other"),)) not in found


def test_groups_are_bounded_with_the_largest_lag_first(said) -> None:
    groups = tuple(GroupState(f"g{n}", n or None, 0, 1, "1-0") for n in range(prometheus.MOST_GROUPS + 5))
    found = said(streams=factories.streams_summary(factories.stream_row(groups=groups)))
    lags = {dict(labels)["group"]: v for (name, labels), v in found.items() if name == "tradeul_group_lag_entries"}
    assert len(lags) == prometheus.MOST_GROUPS
    assert min(lags.values()) == 5


def test_a_source_that_is_away_is_a_metric_and_the_rest_is_said(client: Client, db: None, settings) -> None:
    settings.REDIS_URL = settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{free_port()}/0"
    client.force_login(get_user_model().objects.create_user("luis"))
    answer = client.get("/metrics")
    assert answer.status_code == 200
    found = series(answer.content.decode())
    assert found[("tradeul_source_up", (("source", "redis"),))] == 0
    assert found[("tradeul_source_up", (("source", "timescaledb"),))] == 1
    assert not [name for name, _ in found if name.startswith(("tradeul_stream_", "tradeul_redis_", "tradeul_process_"))]


def test_an_empty_tables_age_is_absent_and_a_future_row_is_no_negative_age(said) -> None:
    empty = factories.table_row("empty", oldest_at=None)
    ahead = replace(factories.table_row("ahead"), oldest_at=factories.NOW + timedelta(hours=1))
    found = said(hypertables=factories.tables(empty, ahead))
    assert ("tradeul_hypertable_oldest_age_seconds", (("table", "empty"),)) not in found
    assert found[("tradeul_hypertable_oldest_age_seconds", (("table", "ahead"),))] == 0


# --- the files beside it ---------------------------------------------------------------------------------------------


def _alerts(repository: Path) -> list[dict]:
    said = yaml.safe_load((repository / "docs/monitoring/alerts.yml").read_text())
    return [rule for group in said["groups"] for rule in group["rules"]]


def _asked(expression: str) -> set[str]:
    return set(re.findall(r"\btradeul_\w+", expression))


def test_every_alert_asks_for_metrics_that_exist_and_says_what_to_do(repository: Path) -> None:
    rules = _alerts(repository)
    assert len(rules) >= 8
    for rule in rules:
        assert _asked(rule["expr"]) and _asked(rule["expr"]) <= prometheus.METRICS.keys(), rule["alert"]
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"].keys() == {"summary", "description"}
    assert len({rule["alert"] for rule in rules}) == len(rules)


def test_every_panel_of_the_dashboard_asks_for_metrics_that_exist(repository: Path) -> None:
    dashboard = json.loads((repository / "docs/monitoring/grafana-dashboard.json").read_text())
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len(panels) >= 8
    for panel in panels:
        expressions = [target["expr"] for target in panel["targets"]]
        assert expressions
        for expression in expressions:
            assert _asked(expression) and _asked(expression) <= prometheus.METRICS.keys(), panel["title"]
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_labels_in_the_files_are_labels_of_their_metrics(repository: Path) -> None:
    dashboard = json.loads((repository / "docs/monitoring/grafana-dashboard.json").read_text())
    asked = [rule["expr"] for rule in _alerts(repository)]
    asked += [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    for expression in asked:
        for name, inside in re.findall(r"\b(tradeul_\w+)\{([^}]*)\}", expression):
            used = set(re.findall(r"(\w+)\s*[=!]~?", inside))
            assert used <= set(prometheus.METRICS[name][1]), expression


def test_the_readme_beside_them_names_every_metric(repository: Path) -> None:
    text = (repository / "docs/monitoring/README.md").read_text()
    assert set(re.findall(r"`(tradeul_\w+)`", text)) == prometheus.METRICS.keys()


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_probes_have_the_fields_own_names(
    client: Client, db: None, redis: redis_library.Redis, settings, address: str
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert client.get(address).status_code == 200

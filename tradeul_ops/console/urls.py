"""The console's own addresses."""

from django.urls import path

from tradeul_ops.console import pages, views, zones

urlpatterns = [
    path("", views.overview, name="overview"),
    path("findings/", pages.findings, name="findings"),
    path("changes/", pages.changes, name="changes"),
    path("producers/", pages.producers, name="producers"),
    path("jobs/", pages.jobs, name="jobs"),
    path("jobs/run", pages.run_job, name="run-job"),
    path("verify/", pages.verify, name="verify"),
    path("runbook/", pages.runbook, name="runbook"),
    path("api/v1/internal/memory-metrics", views.memory_metrics, name="memory-metrics"),
    path("zone", zones.choose, name="zone"),
    path("metrics", views.prometheus_metrics, name="metrics"),
    path("healthz", views.live, name="healthz"),
    path("readyz", views.ready, name="readyz"),
    path("health/live", views.live, name="live"),
    path("health/ready", views.ready, name="ready"),
]

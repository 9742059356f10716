"""The console's own addresses."""

from django.urls import path

from tradeul_ops.console import views

urlpatterns = [
    path("", views.overview, name="overview"),
    path("api/v1/internal/memory-metrics", views.memory_metrics, name="memory-metrics"),
    path("health/live", views.live, name="live"),
    path("health/ready", views.ready, name="ready"),
]

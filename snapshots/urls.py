"""Addresses of published snapshots: those of the guide for the default one, and each by its name."""

from django.urls import path

from snapshots import views

app_name = "snapshots"
urlpatterns = [
    path("full/latest", views.full, name="full-latest"),
    path("delta/latest", views.delta, name="delta-latest"),
    path("deltas", views.deltas, name="deltas-latest"),
    path("head", views.head, name="head-latest"),
    path("<str:name>/full", views.full, name="full"),
    path("<str:name>/delta", views.delta, name="delta"),
    path("<str:name>/deltas", views.deltas, name="deltas"),
    path("<str:name>/head", views.head, name="head"),
]

"""Addresses of the hypertable pages. `what` is tables or aggregates, the kind of policy that the number is of."""

from django.urls import path, register_converter

from timescale import views


class What:
    regex = "tables|aggregates"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(What, "what")

app_name = "hypertables"
urlpatterns = [
    path("", views.hypertables, name="list"),
    path("tables/<int:policy_id>/", views.policy, {"what": "tables"}, name="table"),
    path("aggregates/<int:policy_id>/", views.policy, {"what": "aggregates"}, name="aggregate"),
    path("<what:what>/<int:policy_id>/preview", views.preview, name="preview"),
    path("<what:what>/<int:policy_id>/drift", views.resolve_drift, name="drift"),
    path("<what:what>/<int:policy_id>/undo", views.undo, name="undo"),
    path("<what:what>/<int:policy_id>/act", views.act, name="act"),
    path("<what:what>/<int:policy_id>/retry", views.retry, name="retry"),
]

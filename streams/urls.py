"""Addresses of the stream pages."""

from django.urls import path

from streams import views
from streams.views import groups, history

app_name = "streams"
urlpatterns = [
    path("", views.streams, name="list"),
    path("of/<path:name>", views.stream, name="stream"),
    path("trim/<path:name>", views.trim, name="trim"),
    path("changes/<int:entry_id>/revert", views.revert, name="revert"),
    path("limits/new", views.new, name="new"),
    path("limits/<int:limit_id>/", views.limit, name="limit"),
    path("limits/<int:limit_id>/delete", views.delete, name="delete"),
    path("limits/<int:limit_id>/preview", views.preview, name="preview"),
    path("limits/<int:limit_id>/row", views.row, name="row"),
    path("limits/<int:limit_id>/maxlen", views.maxlen, name="maxlen"),
    path("history.csv", history.as_csv, name="history-csv"),
    path("history.json", history.as_json, name="history-json"),
    path("groups/destroy", groups.destroy, name="destroy-group"),
]

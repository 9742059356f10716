"""Addresses of the stream pages."""

from django.urls import path, register_converter
from django.urls.converters import PathConverter

from streams import views
from streams.views import groups, history

app_name = "streams"


class StreamName(PathConverter):
    """Any key, also one with a line break in it."""

    regex = r"[\s\S]+"


register_converter(StreamName, "stream")
urlpatterns = [
    path("", views.streams, name="list"),
    path("of/<stream:name>", views.stream, name="stream"),
    path("trim/<stream:name>", views.trim, name="trim"),
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

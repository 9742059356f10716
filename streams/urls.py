"""Addresses of the stream pages."""

from urllib.parse import quote, unquote

from django.urls import path, register_converter

from streams import services, views
from streams.views import groups, history

app_name = "streams"


class StreamName:
    """Any key that a row can hold, percent-encoded once more than the address is: a browser takes `..` between slashes
    for a way up, however it is encoded, and a server decodes once. What needs no encoding reads as it is.
    """

    regex = r"[\s\S]+"

    def to_python(self, value: str) -> str:
        name = unquote(value, errors="surrogateescape")
        if not services.storable(name):
            raise ValueError("No stream of this name has a page.")
        return name

    def to_url(self, value: str) -> str:
        return value.replace(".", "%2E") if set(value) == {"."} else quote(value, safe=":@")


register_converter(StreamName, "stream")
urlpatterns = [
    path("", views.streams, name="list"),
    path("of/<stream:name>", views.stream, name="stream"),
    path("trim/<stream:name>", views.trim, name="trim"),
    path("changes/<int:entry_id>/revert", views.revert, name="revert"),
    path("limits/new", views.new, name="new"),
    path("adopt", views.adopt, name="adopt"),
    path("limits/<int:limit_id>/", views.limit, name="limit"),
    path("limits/<int:limit_id>/delete", views.delete, name="delete"),
    path("limits/<int:limit_id>/preview", views.preview, name="preview"),
    path("limits/<int:limit_id>/row", views.row, name="row"),
    path("limits/<int:limit_id>/maxlen", views.maxlen, name="maxlen"),
    path("history.csv", history.as_csv, name="history-csv"),
    path("history.json", history.as_json, name="history-json"),
    path("groups/destroy", groups.destroy, name="destroy-group"),
]

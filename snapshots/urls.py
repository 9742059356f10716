"""Addresses of published snapshots, as the guide names them, and of the pages about them."""

from django.urls import include, path

from snapshots.views import documents

app_name = "snapshots"

for_programs = [
    path("full/latest", documents.full, name="full"),
    path("delta/latest", documents.delta, name="delta"),
    path("head/latest", documents.head, name="head"),
    path("<str:list_name>/since/<int:sequence>", documents.since, name="since"),
]
urlpatterns = [path("snapshot/", include(for_programs))]

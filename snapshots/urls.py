"""Addresses of published snapshots, as the guide names them, and of the pages about them."""

from django.urls import include, path

from snapshots.views import documents, pages

app_name = "snapshots"

for_programs = [
    path("full/latest", documents.full, name="full"),
    path("delta/latest", documents.delta, name="delta"),
    path("head/latest", documents.head, name="head"),
    path("<str:list_name>/since/<int:sequence>", documents.since, name="since"),
]
for_people = [
    path("", pages.snapshots, name="list"),
    path("policies/<int:policy_id>/", pages.policy, name="policy"),
    path("policies/<int:policy_id>/restore", pages.restore, name="restore"),
    path("live/<str:list_name>/", pages.live, name="live"),
]
urlpatterns = [path("snapshot/", include(for_programs)), path("snapshots/", include(for_people))]

"""Text that PostgreSQL can't hold, wherever it comes from and whichever query meets it first."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from streams.models import Stream


def ask(request: HttpRequest, name: str) -> HttpResponse:
    """As a page that looks for a stream by the name in its address, and checks nothing."""
    return HttpResponse(str(Stream.objects.filter(name=name).exists()))


def ask_for_bytes(request: HttpRequest) -> HttpResponse:
    """As one that has the name from a key of Redis, which is bytes."""
    return ask(request, b"a\xff".decode(errors="surrogateescape"))


def ask_wrongly(request: HttpRequest) -> HttpResponse:
    Stream.objects.extra(where=["name::int = 1"]).exists()
    return HttpResponse()


urlpatterns = [path("ask/<path:name>", ask), path("bytes", ask_for_bytes), path("wrong", ask_wrongly)]


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("address", ["/ask/a%00b", "/bytes"])
def test_a_name_that_no_row_can_have_is_refused_with_a_page(client: Client, db: None, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 400
    assert "text that PostgreSQL can't hold" in answer.content.decode()
    assert client.get("/ask/orders").content == b"False"


@pytest.mark.urls(__name__)
def test_no_other_error_of_the_data_is_hidden(client: Client, db: None) -> None:
    Stream.objects.create(name="orders")
    with pytest.raises(DataError, match="invalid input syntax"):
        client.get("/wrong")


@pytest.mark.parametrize("field", ["", "no_field", "pattern"])
@pytest.mark.parametrize("page", ["streams/streamlimit/1/delete/", "auth/user/1/change/"])
def test_admin_refuses_a_field_that_its_parameter_makes_up(client: Client, db: None, page: str, field: str) -> None:
    client.force_login(get_user_model().objects.create_superuser("ana"))
    assert client.get(f"/admin/{page}", {"_to_field": field}).status_code == 400
    assert client.post(f"/admin/{page}", {"_to_field": field}).status_code == 400

"""What an editor in Django's admin has to know first: whether somebody is there to carry an edit out."""

from __future__ import annotations

import redis
from django import template
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from tradeul_ops.console.processes import processes_summary

register = template.Library()

WAITS = {
    "worker": gettext_lazy(
        "No worker lives: what you save is kept and told to producers, but nothing is trimmed, built or dropped."
    ),
    "beat": gettext_lazy(
        "No beat lives: what you save is kept and told to producers, but nothing is carried out by itself."
    ),
}


@register.simple_tag
def standing() -> list[str]:
    """A sentence for each process that is not there. Empty while all is well."""
    try:
        late = processes_summary(now=timezone.now()).late
    except redis.RedisError:
        return [
            gettext("The broker does not answer: what you save is kept, and carried out once it and a worker are back.")
        ]
    return [str(WAITS[process.role]) for process in late]

"""When the market is open, in New York. Knows no holidays."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.utils.translation import gettext_lazy

MARKET = ZoneInfo("America/New_York")
# Of a trading day. Holidays are not known here: a closed day looks like an open one without prints.
SESSIONS = (
    ("pre", gettext_lazy("pre-market"), time(4), time(9, 30)),
    ("regular", gettext_lazy("regular hours"), time(9, 30), time(16)),
    ("after", gettext_lazy("after hours"), time(16), time(20)),
)


def market_sessions(since: datetime, until: datetime) -> Iterable[tuple[str, str, datetime, datetime]]:
    """(kind, name, begins, ends) of each session that is partly inside, in New York, Monday to Friday."""
    day, last = since.astimezone(MARKET).date(), until.astimezone(MARKET).date()
    while day <= last:
        if day.weekday() < 5:
            for kind, name, opens, closes in SESSIONS:
                begins, ends = datetime.combine(day, opens, MARKET), datetime.combine(day, closes, MARKET)
                if begins < until and ends > since:
                    yield kind, str(name), max(begins, since), min(ends, until)
        day += timedelta(days=1)

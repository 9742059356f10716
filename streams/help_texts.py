"""What each field of a limit is, for who edits it: its unit, what it does, an example. The forms show it."""

from django.utils.translation import gettext_lazy as _

HELP_TEXTS = {
    "pattern": _(
        "A stream's key, or a pattern for many: * any run of signs, ? one, [abc] one of these; \\ before one "
        "means the sign itself. Example: stream:ranking:*."
    ),
    "priority": _(
        "A whole number. Of several limits that match a stream the highest holds, then an exact one, then the"
        " longest beginning. Example: 10, to hold before those with 0."
    ),
    "is_ceiling": _(
        "Replaces no other limit: where its numbers are lower than theirs, it tightens them. Example: * with "
        "maxlen 50000, and no stream keeps more."
    ),
    "maxlen": _("Entries that stay after a trim. Empty: their number is not bounded. Example: 1000."),
    "trim_threshold": _(
        "Entries, at least maxlen. With more than this it is cut at the next sweep, within 5 s, whatever "
        "trim_interval says. Example: 1200 with maxlen 1000."
    ),
    "max_age": _(
        "Seconds, or days hours:minutes:seconds. Entries older than this go, by the time in their ids; beat "
        "does it, producers don't. Example: 3600, or 01:00:00."
    ),
    "max_bytes": _(
        "Bytes of each stream that it matches. Becomes entries, by what the newest take; beat keeps to it, "
        "producers don't. Example: 50000000, for 50 MB."
    ),
    "trim_interval": _(
        "Seconds, or hours:minutes:seconds, from a second to a day. How often it is cut down to its limit. Example: 30."
    ),
    "approximate": _(
        "Removes whole nodes only: cheaper, and up to 100 entries above maxlen stay. Example: off for a "
        "maxlen below 100."
    ),
    "protect_groups": _(
        "Keeps what a consumer group has not read and acknowledged, until hard_maxlen. Off: cut at maxlen, "
        "read or not. Example: off where only the newest entry counts."
    ),
    "hard_maxlen": _(
        "Entries, at least trim_threshold; needed with protect_groups. Here the cap wins over the protection,"
        " and what each group loses is recorded. Example: 3000 with maxlen 1000."
    ),
    "ignore_groups_idle_for": _(
        "Seconds, or days hours:minutes:seconds. A group whose consumers have all been idle for this long is "
        "not waited for. Empty: every group is. Example: 1 00:00:00, a day."
    ),
    "enabled": _(
        "Off: neither producers nor beat keep to it; another limit that matches holds, or none. Example: off "
        "while an incident is looked into."
    ),
    "note": _("For people: why it is as it is. Example: the scanner reads ten minutes back."),
}

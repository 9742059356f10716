"""A scale gives way to the machine, and says so."""

from tradeul_ops.proof.scale import FULL, SMALL, fitting


def test_what_fits_stays_as_it_is() -> None:
    assert fitting(FULL, disk_free=200 * 10**9, memory_free=16 * 10**9) == FULL
    assert FULL.history_rows == 12_500_000 and not FULL.notes


def test_fewer_scans_on_a_small_disk_said_in_a_note() -> None:
    small = fitting(FULL, disk_free=10 * 10**9, memory_free=16 * 10**9)
    assert small.history_rows * 900 * 2 <= 0.6 * 10 * 10**9
    assert small.history_time == FULL.history_time
    assert small.notes == (f"{small.history_rows:,} older scans instead of 12,500,000: 10.0 GB of disk are free",)


def test_smaller_entries_where_memory_is_short() -> None:
    small = fitting(FULL, disk_free=200 * 10**9, memory_free=10**9)
    assert 1 <= small.records_an_entry < FULL.records_an_entry
    assert "1.0 GB of memory are free" in small.notes[0]


def test_a_slope_is_taken_when_the_deltas_are_full() -> None:
    for scale in (SMALL, FULL):
        assert scale.warm_up + 50 <= scale.ticks

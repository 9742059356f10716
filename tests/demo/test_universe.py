"""The demo's securities: real ones packed into one small file, and as many invented ones as it takes."""

import json
from pathlib import Path

import pytest
import zstandard

from tradeul_ops.demo import make_universe
from tradeul_ops.demo.universe import DATA, TICKERS, Security, listed, read, securities


def day_file(folder: Path, name: str, *rows: dict[str, str]) -> None:
    usual = {"name": "Name Inc. Common Stock", "volume": "1000", "marketCap": "", "sector": "", "exchange": "NYSE"}
    document = json.dumps([usual | row for row in rows]).encode()
    (folder / f"{name}.json.zst").write_bytes(zstandard.ZstdCompressor().compress(document))


def pack(folder: Path) -> dict[str, Security]:
    file = folder / "packed"
    make_universe.main([str(folder), "--to", str(file)])
    return {security.symbol: security for security in read(file)}


def test_a_packed_file_gives_back_what_the_day_files_say(tmp_path: Path) -> None:
    """Prices exactly, the last day's volume exactly, earlier volumes to four digits."""
    for number, price in enumerate(("$9.995", "$10.00", "$1,000.10", "$0.0005", "$12.34"), 1):
        row = {
            "symbol": "ABC^D",
            "lastsale": price,
            "volume": "1234567",
            "marketCap": "987654321.00",
            "sector": "Energy",
        }
        day_file(tmp_path, f"2026-01-0{number}", row)
    found = pack(tmp_path)["ABC^D"]
    assert found == Security(
        symbol="ABC^D",
        name="Name Inc",
        exchange="NYSE",
        sector="Energy",
        market_cap=987_650_000,
        closes=(9.995, 10.0, 1000.1, 0.0005, 12.34),
        volumes=(1_235_000, 1_235_000, 1_235_000, 1_235_000, 1_234_567),
    )
    assert (found.price, found.volume, found.average_volume) == (12.34, 1_234_567, 1_234_913)


def test_what_is_empty_na_or_zero_is_unknown(tmp_path: Path) -> None:
    for number in range(1, 6):
        rows = [
            {"symbol": "PADDED        ", "lastsale": "$2.00", "marketCap": "0.00"},
            {"symbol": "NA", "lastsale": "$3.00", "marketCap": "NA"},
            {"symbol": "GONE", "lastsale": "$4.00" if number < 5 else ""},
        ]
        if number > 3:
            rows.append({"symbol": "NEW", "lastsale": "$5.00", "volume": "0" if number == 4 else "70"})
        day_file(tmp_path, f"2026-01-0{number}", *rows)
    found = pack(tmp_path)
    assert sorted(found) == ["NA", "NEW", "PADDED"], (
        "a security without a last price is left out; one is really called NA"
    )
    assert found["PADDED"].market_cap is found["NA"].market_cap is found["NA"].sector is None
    assert found["NEW"].closes == (None, None, None, 5.0, 5.0)
    assert found["NEW"].volumes == (None, None, None, None, 70)
    assert found["NEW"].average_volume is None, "one day of volume is not typical"


def test_too_few_days_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day_file(tmp_path, "2026-01-01", {"symbol": "A", "lastsale": "$1.00"})
    with pytest.raises(SystemExit):
        make_universe.main([str(tmp_path)])
    assert "holds 1 files" in capsys.readouterr().err


def test_the_file_in_the_repository_is_small_and_holds_the_real_market() -> None:
    assert DATA.stat().st_size < 250_000
    found = {security.symbol: security for security in listed()}
    assert len(found) == len(listed()) > 7_000
    assert found["AAPL"].name == "Apple Inc" and found["AAPL"].market_cap and found["AAPL"].market_cap > 10**12
    assert found["NA"].name.startswith("Nano Labs") and "ECC" in found
    assert all(security.price > 0 and len(security.closes) == len(security.volumes) == 5 for security in listed())
    assert all(security.symbol == security.symbol.strip() for security in listed())


def test_the_rest_is_invented_and_always_the_same() -> None:
    everything = securities()
    assert len({security.symbol for security in everything}) == len(everything) == TICKERS
    assert everything == securities() and everything[: len(listed())] == listed()
    invented = everything[len(listed()) :]
    assert {security.exchange for security in invented} == {"ARCA", "OTC"}
    assert all(security.price > 0 for security in invented)
    assert any(security.average_volume is None for security in invented)


def test_a_small_market_has_the_shape_of_the_large_one() -> None:
    few = securities(300)
    assert len({security.symbol for security in few}) == 300
    assert few[0].volume == max(security.volume for security in listed())
    volumes = sorted(security.volume for security in few)
    assert volumes[0] < 100 and 50_000 < volumes[150] < 500_000

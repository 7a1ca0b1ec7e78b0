"""Every file of bench/data has its checksum in one place, and is read only as it was."""

import hashlib
import shutil

import pytest

from bench.data import DATA, checksums, read_shipped

FILES = sorted(path.name for path in DATA.glob("*.csv"))


def test_every_file_has_its_checksum_and_keeps_it():
    """After a change: cd bench/data && sha256sum *.csv > SHA256SUMS."""
    found = {name: hashlib.sha256((DATA / name).read_bytes()).hexdigest() for name in FILES}
    assert found == checksums() and len(found) > 5


@pytest.mark.parametrize("name", ["published.csv", "namesakes.csv"])
def test_a_changed_figure_is_refused_and_the_file_named(name, tmp_path):
    shutil.copy(DATA / name, tmp_path)
    assert read_shipped(name, tmp_path) == (DATA / name).read_text()
    text = (tmp_path / name).read_text()
    (tmp_path / name).write_text(text.replace("DECI", "DECl", 1))
    with pytest.raises(ValueError, match=rf"{name} is damaged") as caught:
        read_shipped(name, tmp_path)
    assert "\n" not in str(caught.value)
    (tmp_path / name).unlink()
    with pytest.raises(ValueError, match=f"cannot read .*{name}"):
        read_shipped(name, tmp_path)

"""A demonstration never touches the services that the environment names."""

from pathlib import Path

import pytest

from nightread.settings import load_settings


def test_a_stacks_own_file_alone_counts_for_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "nightread.toml"
    file.write_text('database_url = "postgresql://job@127.0.0.1:1/local"\n')
    monkeypatch.setenv("NIGHTREAD_DATABASE_URL", "postgresql://job@hospital/production")
    assert "hospital" in str(load_settings(file).database_url)
    assert "hospital" not in str(load_settings(file, environment=False).database_url)
    assert load_settings(file, environment=False).triton_url is None

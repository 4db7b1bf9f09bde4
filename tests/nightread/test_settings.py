"""A wrong setting is one sentence that names it, says what is wrong and gives an example."""

from pathlib import Path

import pytest

from nightread.errors import ConfigurationError
from nightread.settings import EXAMPLES, Settings, load_settings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"NIGHTREAD_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def toml(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text)
    return path


def test_every_setting_has_an_example_that_is_valid(tmp_path: Path) -> None:
    assert EXAMPLES.keys() == Settings.model_fields.keys()
    for name, example in EXAMPLES.items():
        if name.endswith(("_file", "_bundle", "_ca")):
            continue  # must exist
        load_settings(toml(tmp_path, f'{name} = "{example}"'))


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("WINDOW", "none", "valid integer"),
        ("WINDOW", "0", "greater than 0"),
        ("STUDY_TIMEOUT_S", "-1", "greater than 0"),
        ("LOG_FORMAT", "xml", "'console' or 'json'"),
        ("TRITON_URL", "http://triton:8000", "host:port"),
        ("TRITON_URL", "a:8001,,b:8001", "host:port"),
        ("S3_ENDPOINT_URL", "s3.example:9000", "http://"),
        ("S3_CA_BUNDLE", "/no/such/ca.pem", "does not point to a file"),
        ("DATABASE_URL", "mysql://db/nightread", "only PostgreSQL"),
        ("DATABASE_URL", "postgresql+asyncpg://db/nightread", "psycopg2"),
        ("DATABASE_URL", "postgresql://db", "names no database"),
        ("DATABASE_URL", "db.example", "not a database URL"),
    ],
)
def test_a_wrong_value_is_told_with_its_variable_and_an_example(
    name: str, value: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"NIGHTREAD_{name}", value)
    with pytest.raises(ConfigurationError) as error:
        load_settings()
    said = str(error.value)
    assert said.startswith(f"NIGHTREAD_{name} is wrong: ")
    assert problem in said
    assert said.endswith(f"NIGHTREAD_{name}={EXAMPLES[name.lower()]}")
    assert "\n" not in said


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://job:hunter2@db.example/nightread",
        "postgresql://job@db.example/nightread?password=hunter2",
    ],
)
def test_a_password_in_a_database_url_is_refused_and_not_repeated(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTREAD_DATABASE_URL", url)
    with pytest.raises(ConfigurationError, match="passfile") as error:
        load_settings()
    assert "hunter2" not in str(error.value)


def test_a_plain_postgresql_url_is_read_as_psycopg2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTREAD_DATABASE_URL", "postgresql://job@db/nightread?passfile=/p")
    settings = load_settings()
    assert settings.database_url == "postgresql+psycopg2://job@db/nightread?passfile=%2Fp"
    assert settings.need("migration_database_url") == settings.database_url


def test_the_environment_wins_over_the_file_and_an_empty_variable_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = toml(tmp_path, 'window = 4\nrelease = "a"\ntriton_url = "t:1"')
    monkeypatch.setenv("NIGHTREAD_WINDOW", "9")
    monkeypatch.setenv("NIGHTREAD_RELEASE", "")
    settings = load_settings(file)
    assert (settings.window, settings.release, settings.triton_urls) == (9, "a", ("t:1",))


def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path) -> None:
    file = toml(tmp_path, "windw = 4")
    with pytest.raises(ConfigurationError, match=rf"`windw` in {file} is not a setting"):
        load_settings(file)


def test_a_wrong_value_in_the_file_is_told_with_the_file(tmp_path: Path) -> None:
    file = toml(tmp_path, "window = -4")
    with pytest.raises(ConfigurationError, match=rf"`window` in {file} is wrong: .* window = "):
        load_settings(file)


@pytest.mark.parametrize("content", [b"window = ", b"\xff\xfe", b"window = 1\nwindow = 2"])
def test_a_file_that_is_not_toml_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "broken.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"broken\.toml is not TOML: [^\n]*$"):
        load_settings(file)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="can't be read: No such file"):
        load_settings(tmp_path / "none.toml")


def test_the_stack_in_this_folder_is_used_when_nothing_else_is_named(tmp_path: Path) -> None:
    (tmp_path / ".nightread").mkdir()
    (tmp_path / ".nightread" / "nightread.toml").write_text("window = 3")
    assert load_settings().window == 3
    assert load_settings(toml(tmp_path, "window = 5")).window == 5
    assert load_settings(stack_file=None).window is None


def test_a_needed_setting_that_is_missing_says_how_to_get_it() -> None:
    with pytest.raises(ConfigurationError, match="NIGHTREAD_TRITON_URL is not set: run `nightread"):
        load_settings().need("triton_url")

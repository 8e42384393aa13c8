"""Where a setting's value comes from, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelyard.domain.errors import Invalid
from modelyard.server.bootstrap import check_settings, public_url
from modelyard.settings import Settings, load_settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "modelyard.toml"
    path.write_text('[server]\nport = 1\nhost = "file"\nrate_limit = 2.5\nbehind_proxy = true\n')
    return path


def test_flags_before_environment_before_file_before_defaults(file: Path) -> None:
    environment = {"MODELYARD_PORT": "2", "MODELYARD_HOST": "environment", "MODELYARD_HOME": "not a setting"}
    found = load_settings({"port": 3, "host": None}, environment, file)
    assert (found.port, found.host, found.rate_limit, found.behind_proxy) == (3, "environment", 2.5, True)
    assert found.log_level == Settings().log_level


def test_a_file_may_leave_out_its_section(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text("port = 5\n")
    assert load_settings({}, {}, path).port == 5


def test_the_file_of_the_present_folder_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    assert load_settings({}, {}).port == 1
    monkeypatch.chdir(file.parent.parent)
    assert load_settings({}, {}) == Settings()


@pytest.mark.parametrize(
    ("word", "value"),
    [("1", True), ("TRUE", True), ("yes", True), ("0", False), ("False", False), ("no", False)],
)
def test_words_for_yes_and_no(word: str, value: bool) -> None:
    found = load_settings({}, {"MODELYARD_BEHIND_PROXY": word}, Path("/dev/null"))
    assert found.behind_proxy is value


@pytest.mark.parametrize(
    ("flags", "environment", "text", "named"),
    [
        ({"port": "many"}, {}, "", "--port"),
        ({}, {"MODELYARD_PORT": "many"}, "", "MODELYARD_PORT"),
        ({}, {"MODELYARD_BEHIND_PROXY": "perhaps"}, "", "MODELYARD_BEHIND_PROXY"),
        ({"max_request_bytes": ""}, {}, "", "--max-request-bytes"),
        ({}, {}, 'port = "x"', "port in modelyard.toml"),
        ({}, {}, "behind_proxy = 3", "behind_proxy in modelyard.toml"),
        ({}, {}, "colour = 1", "'colour'"),
        ({}, {}, "port = ", "cannot be read"),
    ],
)
def test_a_wrong_value_names_its_setting(
    tmp_path: Path, flags: dict[str, str], environment: dict[str, str], text: str, named: str
) -> None:
    path = tmp_path / "modelyard.toml"
    path.write_text(text)
    with pytest.raises(Invalid) as caught:
        load_settings(flags, environment, path)
    assert named in caught.value.message


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (Settings(host="0.0.0.0"), "without TLS"),
        (Settings(host="0.0.0.0", tls_cert="only.pem"), "without TLS"),
        (Settings(workers=2), "SQLite"),
        (Settings(log_level="loud"), "log_level"),
        (Settings(access_log="some"), "access_log"),
    ],
)
def test_settings_that_do_not_go_together(settings: Settings, named: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_settings(settings)
    assert named in caught.value.message


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(host="127.0.0.53"),
        Settings(host="::1"),
        Settings(host="0.0.0.0", behind_proxy=True),
        Settings(host="0.0.0.0", tls_cert="c.pem", tls_key="k.pem"),
        Settings(workers=2, database_url="postgresql://x/y", log_level="INFO"),
    ],
)
def test_settings_that_go_together(settings: Settings) -> None:
    check_settings(settings)


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (Settings(), "http://127.0.0.1:99"),
        (Settings(host="::1"), "http://[::1]:99"),
        (Settings(tls_cert="c", tls_key="k"), "https://127.0.0.1:99"),
        (Settings(public_url="https://models.example/"), "https://models.example"),
    ],
)
def test_the_address_that_users_are_told(settings: Settings, url: str) -> None:
    assert public_url(settings, 99) == url


@pytest.mark.parametrize("name", ["oidc_client_secret", "smtp_password", "secret_key", "database_url"])
def test_a_secret_may_be_the_content_of_a_file(tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cr3t\n")
    file = tmp_path / "m.toml"
    file.write_text(f'{name}_file = "{secret}"\n')
    assert getattr(load_settings({f"{name}_file": str(secret)}, {}), name) == "s3cr3t"
    assert getattr(load_settings({}, {f"MODELYARD_{name.upper()}_FILE": str(secret)}), name) == "s3cr3t"
    assert getattr(load_settings({}, {}, file), name) == "s3cr3t"
    # The value itself goes before its file.
    environment = {f"MODELYARD_{name.upper()}": "given", f"MODELYARD_{name.upper()}_FILE": str(secret)}
    assert getattr(load_settings({}, environment), name) == "given"


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff"])
def test_a_file_without_a_secret_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Invalid, match="smtp_password_file"):
        load_settings({}, {"MODELYARD_SMTP_PASSWORD_FILE": str(path)})


@pytest.mark.parametrize(
    ("text", "size"), [("10GB", 10**10), ("64MiB", 1 << 26), ("2 tib", 1 << 41), ("5k", 5000), ("7", 7)]
)
def test_sizes_may_have_units(text: str, size: int) -> None:
    assert load_settings({"max_file_bytes": text}, {}).max_file_bytes == size


@pytest.mark.parametrize("text", ["10XB", "GB", "1.5GB", "-1GB", ""])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match="max-file-bytes"):
        load_settings({"max_file_bytes": text}, {})

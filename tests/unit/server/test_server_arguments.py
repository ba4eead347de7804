"""Where settings come from, and which source wins."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from server.arguments import read_invocation, read_settings, unknown_variables
from server.commands import Command, CommandKind
from server.setting_rows import SettingError
from server.settings import Settings

FLAGS = [row for row in dataclasses.fields(Settings) if row.metadata["flag"]]


def config_file(folder: Path, text: str) -> str:
    path = folder / "server.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def help_text(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        read_settings(["--help"], {})
    assert caught.value.code == 0
    return capsys.readouterr().out


def test_without_any_source_the_defaults_hold() -> None:
    assert read_settings([], {"PATH": "/bin", "CONTROL_PORT": "1"}) == Settings()


def test_a_flag_wins_over_a_variable_and_a_variable_over_the_file(tmp_path: Path) -> None:
    config = config_file(tmp_path, 'model = "f"\ndevice = "cpu"\nhost = "h"\nchunk_size = 512\n')
    environment = {"THAI_ASR_MODEL": "e", "THAI_ASR_DEVICE": "cuda", "THAI_ASR_CHANNELS": "2"}
    settings = read_settings(["--config", config, "--model", "a"], environment)
    assert settings == Settings(model="a", device="cuda", host="h", chunk_size=512, channels=2)


def test_a_model_in_a_folder_is_the_one_to_load_unless_another_is_named(tmp_path: Path) -> None:
    config = config_file(tmp_path, 'model = "f"\n')
    assert read_settings(["--model-path", "x"], {}).model == "local"
    assert read_settings([], {"THAI_ASR_MODEL_PATH": "x"}).model == "local"
    assert read_settings(["--model-path", "x", "--model", "a"], {}).model == "a"
    assert read_settings(["--model-path", "x"], {"THAI_ASR_MODEL": "e"}).model == "e"
    assert read_settings(["--model-path", "x", "--config", config], {}).model == "f"
    assert read_settings(["--model-path", ""], {}).model == Settings().model


def test_zero_false_and_empty_are_values_like_others(tmp_path: Path) -> None:
    config = config_file(tmp_path, 'offline = true\nlog_file = "x"\ncontrol_port = 9000\n')
    environment = {"THAI_ASR_OFFLINE": "no", "THAI_ASR_LOG_FILE": ""}
    settings = read_settings(["--config", config, "--control-port", "0"], environment)
    assert (settings.offline, settings.log_file, settings.control_port) == (False, "", 0)


def test_the_config_file_can_be_named_by_a_variable(tmp_path: Path) -> None:
    config = config_file(tmp_path, "batch_size = 4\n")
    assert read_settings([], {"THAI_ASR_CONFIG": config}).batch_size == 4
    other = tmp_path / "other.toml"
    other.write_text("batch_size = 2\n")
    settings = read_settings(["--config", str(other)], {"THAI_ASR_CONFIG": config})
    assert settings.batch_size == 2


@pytest.mark.parametrize("row", dataclasses.fields(Settings), ids=lambda row: str(row.name))
def test_every_setting_has_a_variable(row: dataclasses.Field[object]) -> None:
    value = row.metadata["high"] or (row.metadata["choices"] or ("x",))[0]
    if isinstance(row.default, bool):
        value = not row.default
    settings = read_settings([], {f"THAI_ASR_{row.name.upper()}": str(value)})
    assert getattr(settings, row.name) == value


@pytest.mark.parametrize("row", FLAGS, ids=lambda row: str(row.name))
def test_every_flag_sets_its_setting(row: dataclasses.Field[object]) -> None:
    flag = "--" + row.name.replace("_", "-")
    value = row.metadata["high"] or (row.metadata["choices"] or ("x",))[-1]
    arguments = [flag] if isinstance(row.default, bool) else [flag, str(value)]
    expected = True if isinstance(row.default, bool) else value
    assert getattr(read_settings(arguments, {}), row.name) == expected


def test_the_flags_that_were_promised_exist() -> None:
    promised = (
        "host control_port audio_port model models_file device compute_type offline profile "
        "log_level"
    )
    assert set(promised.split()) <= {row.name for row in FLAGS}


def test_help_names_every_flag_with_its_default_and_choices(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = help_text(capsys)
    for row in FLAGS:
        assert f"--{row.name.replace('_', '-')}" in text
        assert row.metadata["help"] in text
        if row.default not in ("", False):
            assert f"(default: {row.default})" in text
        for choice in row.metadata["choices"]:
            assert choice in text
    for word in ("--config", "THAI_ASR_", "docs/configuration.md", "examples:"):
        assert word in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 1", "colour: no such setting"),
        ('chunk_size = "1024"', "chunk_size: takes a whole number"),
        ("chunk_size = 1", "chunk_size: takes 64 to 16384"),
        ("vad = true", "vad: takes text"),
        ("drain_s = nan", "drain_s: takes 0.0 to 600.0"),
        ("model = 1979-05-27", "model: takes text"),
        ("[server]\nmodel = 'x'", "server: no such setting"),
        ("model = ", "config: "),
        ("chunk_size = " + "9" * 5_000, "config: "),
    ],
)
def test_a_bad_file_names_the_setting_or_itself(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingError, match=rf"{message}") as caught:
        read_settings(["--config", config_file(tmp_path, text)], {})
    assert "server.toml" in str(caught.value)


def test_a_file_that_is_missing_or_no_text_names_itself(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"config: cannot read .*nowhere\.toml"):
        read_settings(["--config", str(tmp_path / "nowhere.toml")], {})
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingError, match=r"config: .*binary\.toml"):
        read_settings([], {"THAI_ASR_CONFIG": str(binary)})


def test_a_bad_variable_names_its_setting() -> None:
    with pytest.raises(
        SettingError, match=r"^THAI_ASR_AUDIO_PORT: takes a whole number, not 'eight'"
    ):
        read_settings([], {"THAI_ASR_AUDIO_PORT": "eight"})


def test_misspelt_variables_are_found() -> None:
    environment = {"THAI_ASR_MODLE": "x", "THAI_ASR_MODEL": "x", "THAI_ASR_CONFIG": "f", "PATH": ""}
    assert unknown_variables(environment) == ["THAI_ASR_MODLE"]


def test_a_flag_out_of_bounds_names_its_setting() -> None:
    with pytest.raises(SettingError, match=r"^control_port: takes 0 to 65535, not 70000"):
        read_settings(["--control-port", "70000"], {})


@pytest.mark.parametrize(
    "arguments", [["--nonsense"], ["--control-port", "x"], ["--profile", "slow"], ["file"]]
)
def test_wrong_flags_end_with_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        read_settings(arguments, {})
    assert caught.value.code == 2
    assert "usage: realtime_thai_asr_server.py" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ([], None),
        (["--download", "a-model"], Command(CommandKind.DOWNLOAD, "a-model")),
        (["--convert", "a-model", "--device", "cpu"], Command(CommandKind.CONVERT, "a-model")),
        (["--doctor"], Command(CommandKind.DOCTOR)),
    ],
)
def test_what_can_be_done_instead_of_serving(arguments: list[str], command: Command | None) -> None:
    assert read_invocation(arguments, {}).command == command


@pytest.mark.parametrize("arguments", [["--role", "admin"], ["--namespace", "a", "--doctor"]])
def test_options_of_a_new_token_go_with_it(arguments: list[str]) -> None:
    with pytest.raises(SettingError, match="goes with --new-token NAME"):
        read_invocation(arguments, {})


def test_one_thing_at_a_time() -> None:
    with pytest.raises(SystemExit) as caught:
        read_invocation(["--doctor", "--download", "a-model"], {})
    assert caught.value.code == 2


def test_a_model_counts_as_named_wherever_it_was_named(tmp_path: Path) -> None:
    config = config_file(tmp_path, 'model = "m"\n')
    assert not read_invocation([], {}).model_named
    assert read_invocation(["--model", "m"], {}).model_named
    assert read_invocation([], {"THAI_ASR_MODEL": "m"}).model_named
    assert read_invocation(["--config", config], {}).model_named

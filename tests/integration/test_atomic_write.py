"""Files are written completely or not at all."""

from __future__ import annotations

import os
import stat

import pytest

from sklstm._persistence import atomic_write


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_files_appear_together_at_the_end(tmp_path):
    with atomic_write(tmp_path / "a", tmp_path / "b") as (a, b):
        a.write_text("first")
        b.write_text("second")
        assert not (tmp_path / "a").exists()
    assert contents(tmp_path) == {"a": "first", "b": "second"}


def test_an_error_leaves_the_files_as_they_were(tmp_path):
    (tmp_path / "a").write_text("before")

    def write():
        with atomic_write(tmp_path / "a", tmp_path / "b") as (a, _):
            a.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert contents(tmp_path) == {"a": "before"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "ordinary").touch()
    with atomic_write(tmp_path / "a"):
        pass
    assert mode(tmp_path / "a") == mode(tmp_path / "ordinary")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_a_replaced_file_hands_down_its_permissions(tmp_path):
    (tmp_path / "a").touch()
    (tmp_path / "a").chmod(0o640)
    with atomic_write(tmp_path / "a"):
        pass
    assert mode(tmp_path / "a") == 0o640


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with atomic_write(tmp_path / "link") as (aside,):
        aside.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a").read_text() == "new"


def test_a_folder_is_not_replaced_and_no_other_file_written(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match="folder"), atomic_write(tmp_path / "folder"):
        pytest.fail("the block must not run")
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a", tmp_path / "none" / "b"):
        pytest.fail("the block must not run")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="pipe"), atomic_write(tmp_path / "pipe"):
        pytest.fail("the block must not run")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_protected_file_is_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("before")
    # To the administrator no file is protected.
    monkeypatch.setattr(os, "access", lambda path, how: False)
    with pytest.raises(PermissionError, match="a'"), atomic_write(tmp_path / "a"):
        pytest.fail("the block must not run")
    assert contents(tmp_path) == {"a": "before"}

"""Files are whole or as they were, whatever becomes of who writes them."""

import os
import signal
import stat

import pytest

from bnpgan.disk import Directory, appended, foreign, opened, written


def names(folder):
    return sorted(os.listdir(folder))


def test_a_file_is_replaced_when_it_is_whole(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(RuntimeError), written(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert path.read_text() == "old" and names(tmp_path) == ["a"]
    with written(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and names(tmp_path) == ["a"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_files_have_the_permissions_that_the_user_is_used_to(tmp_path, mask):
    before = os.umask(mask)
    try:
        with written(tmp_path / "a"), appended(tmp_path / "b"):
            pass
    finally:
        os.umask(before)
    assert {stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in "ab"} == {0o666 & ~mask}


def test_links_are_replaced_and_not_written_through(tmp_path):
    (tmp_path / "mine").write_text("precious")
    for name in ("a", "b"):
        (tmp_path / name).symlink_to(tmp_path / "mine")
    with written(tmp_path / "a") as file:
        file.write(b"new")
    with pytest.raises(OSError, match="b cannot be written"), appended(tmp_path / "b") as file:
        file.write(b"more")
    assert (tmp_path / "mine").read_text() == "precious" and not (tmp_path / "a").is_symlink()


def test_what_killed_processes_leave_is_removed_and_what_others_write_is_not(tmp_path):
    reader, writer = os.pipe()

    def half_written(then):
        pid = os.fork()
        if not pid:
            with written(tmp_path / "a") as file:
                file.write(b"half")
                os.write(writer, b".")
                then()
        os.read(reader, 1)
        return pid

    lives = half_written(signal.pause)
    try:
        dies = half_written(lambda: os.kill(os.getpid(), signal.SIGKILL))
        assert os.waitstatus_to_exitcode(os.waitpid(dies, 0)[1]) == -signal.SIGKILL
        assert len(names(tmp_path)) == 2 and foreign(tmp_path) == []
        with written(tmp_path / "b"):
            pass
        assert len(names(tmp_path)) == 2  # b, and the draft of the one that lives
    finally:
        os.kill(lives, signal.SIGKILL)
        os.waitpid(lives, 0)


def test_errors_name_the_file_and_the_reason(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match=r"no/a cannot be written: .*no is not there"),
        written(tmp_path / "no" / "a"),
    ):
        pass
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder cannot be written: Is a directory"), written(tmp_path / "folder"):
        pass
    with pytest.raises(OSError, match="a cannot be written: No space left"), written(tmp_path / "a"):
        raise OSError(28, "No space left on device")
    assert names(tmp_path) == ["folder"]


def test_one_process_at_a_time_has_a_directory(tmp_path):
    first, second = Directory(tmp_path), Directory(tmp_path)
    first.take()
    with pytest.raises(ValueError, match=rf"is in use by another training, process {os.getpid()} on .*: wait"):
        second.take()
    first.give_back()
    second.take()
    second.give_back()
    first.give_back()  # once more does nothing
    assert names(tmp_path) == []


def test_a_directory_is_free_when_the_process_that_had_it_is_no_more(tmp_path):
    pid = os.fork()
    if not pid:
        Directory(tmp_path).take()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert len(names(tmp_path)) == 1
    directory = Directory(tmp_path)
    directory.take()
    directory.give_back()
    assert names(tmp_path) == []


def test_pipes_and_devices_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    for name in ("pipe", "zeros", "."):
        with pytest.raises(ValueError, match="is no file but a folder, a pipe or a device"):
            opened(tmp_path / name)

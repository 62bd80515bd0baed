import os
import stat
from pathlib import Path

import pytest

from stack.errors import StackError
from stack.home import PROJECT, Home


def test_the_home_is_in_the_project_unless_a_variable_says_otherwise(monkeypatch, tmp_path):
    monkeypatch.delenv("RETRAIN_HOME", raising=False)
    assert Home.at().path == PROJECT / ".retrain"
    monkeypatch.setenv("RETRAIN_HOME", str(tmp_path))
    assert Home.at().path == tmp_path


def test_a_new_home_is_for_its_owner_alone(home):
    home = Home(home)
    home.make()
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    assert home.exists()


def test_making_a_home_again_changes_nothing(home):
    home = Home(home)
    home.make()
    (home.artifacts / "model").touch()
    home.make()
    assert (home.artifacts / "model").exists()


def test_a_folder_with_something_else_in_it_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(StackError, match="is not empty and not a stack's folder: set RETRAIN_HOME"):
        Home(tmp_path).make()
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_home_that_cannot_be_written_is_refused_with_a_remedy(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match=r"cannot write to .*set RETRAIN_HOME to a folder that you may write to"):
        Home(tmp_path / "file" / "home").make()


def test_a_disk_without_room_is_refused_with_a_remedy(tmp_path):
    with pytest.raises(StackError, match=r"MB left and the stack needs .*make room"):
        Home(tmp_path).refuse_full_disk(wanted=10**18)


def test_sockets_have_short_paths_however_deep_the_home_is(tmp_path):
    deep = Home(tmp_path / ("x" * 120))
    assert len(os.fsencode(deep.supervisor_socket)) < 100
    assert deep.supervisor_socket != Home(tmp_path / ("y" * 120)).supervisor_socket
    assert Home(Path("/srv/home")).supervisor_socket.is_relative_to("/srv/home")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_folder_for_sockets_that_somebody_else_put_there_is_refused(tmp_path):
    deep = Home(tmp_path / ("x" * 120))
    sockets = deep.postgres_socket.parent
    sockets.mkdir()
    try:
        os.chown(sockets, 65534, 65534)
        with pytest.raises(StackError, match="belongs to somebody else"):
            deep.make()
    finally:
        sockets.rmdir()


def test_two_commands_do_not_work_on_one_home_at_once(home):
    home = Home(home)
    home.make()
    with home.locked(), pytest.raises(StackError, match="another command is starting or stopping"), home.locked():
        pass
    with home.locked():
        pass


def test_removing_a_home_leaves_nothing(tmp_path):
    home = Home(tmp_path / ("x" * 120))
    home.make()
    sockets = home.postgres_socket.parent
    assert sockets.exists()
    home.remove()
    assert not home.path.exists()
    assert not sockets.exists()

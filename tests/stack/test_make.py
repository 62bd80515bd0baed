"""`make` on machines where something is missing: it prints one clear line and a remedy."""

import os
import shutil
import subprocess
import sys

import pytest

from stack.home import PROJECT

_LOCK = "a2wsgi==1.10.10 --hash=sha256:d2b21379479718539dc15fce53b876251a0efe7615352dfe49f6ad1bc507848d\n"
_ITSELF = "[project]\nname = 'retrain'\n"


@pytest.fixture
def project(tmp_path):
    """The part of the project that `make venv` reads, with a lock of one package."""
    (tmp_path / "stack").mkdir()
    for name in ("Makefile", "stack/venv.sh"):
        shutil.copy(PROJECT / name, tmp_path / name)
    (tmp_path / "requirements.lock").write_text(_LOCK)
    (tmp_path / "pyproject.toml").write_text(f"{_ITSELF}[tool.ruff]\n")
    return tmp_path


@pytest.fixture
def make(project):
    def make(*words, **variables):
        # An address where nobody listens, and no settings of the machine's owner that lead elsewhere.
        offline = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE", "PYTHON"))
        }
        return subprocess.run(
            ["make", *words],
            cwd=project,
            env=inherited | offline | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return make


@pytest.fixture
def python(tmp_path):
    """A program that is called like Python, but lacks something."""

    def write(script):
        file = tmp_path / "some-python"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return str(file)

    return write


def test_make_alone_lists_what_there_is(make):
    listed = make().stdout
    for target in ("venv", "demo", "up", "down", "reset", "test", "nightly", "soak", "lint", "bench", "lock"):
        assert f"make {target} " in listed


def test_an_old_python_is_refused_with_its_version_and_a_remedy(make, python):
    old = python('if [ "$1" = -V ]; then echo Python 3.9.2; else exit 1; fi')
    refused = make("venv", PYTHON=old)
    assert refused.returncode != 0
    assert f"Retrain needs Python 3.11 or newer ({old}: Python 3.9.2): install one, or name it" in refused.stderr


def test_a_newer_python_is_found_where_python3_is_old(make, python, project):
    old = project / "bin" / "python3"
    old.parent.mkdir()
    old.symlink_to(python("exit 1"))
    for name in ("python3.12", "python3.13", "python3.14", "python3.11"):
        (old.parent / name).write_text("#!/bin/sh\necho this is the newer one\n")
        (old.parent / name).chmod(0o755)
    assert "Making .venv with this is the newer one" in make("venv", PATH=f"{old.parent}:{os.environ['PATH']}").stdout


def test_a_python_without_venv_is_refused_with_a_remedy(make, python):
    bare = python('case "$*" in *ensurepip*) exit 1;; esac')
    assert "apt-get install python3-venv" in make("venv", PYTHON=bare).stderr


@pytest.mark.nightly  # pip waits for an index that does not answer
def test_without_a_network_it_is_said_what_is_wrong_and_nothing_counts_as_installed(make, project):
    refused = make("venv", PYTHON=sys.executable)
    assert refused.returncode != 0
    assert "No matching distribution found for a2wsgi" in refused.stderr
    assert "is the network up" in refused.stderr
    assert "`make venv` tries again" in refused.stderr
    assert not (project / ".venv" / "built-from").exists()


def test_a_venv_made_from_this_lock_is_left_alone(make, project):
    (project / ".venv").mkdir()
    (project / ".venv" / "built-from").write_text(f"{project}\n{_LOCK}")
    (project / ".venv" / "itself").write_text(_ITSELF)
    assert make("venv").stdout == ""


def test_a_new_package_of_the_project_is_installed_without_a_new_venv(make, python, project):
    folder = project / ".venv" / "bin"
    folder.mkdir(parents=True)
    shutil.move(python('echo "$@" >> calls'), folder / "python")
    (project / ".venv" / "built-from").write_text(f"{project}\n{_LOCK}")
    (project / ".venv" / "itself").write_text("[project]\nname = 'before'\n")
    assert (make("venv").stdout, make("venv").stdout) == ("", "")
    install, place = (project / "calls").read_text().splitlines()
    assert install.endswith("install --no-deps --no-build-isolation -e .")
    assert "purelib" in place
    assert (project / ".venv" / "itself").read_text() == _ITSELF


@pytest.mark.parametrize("made_from", [f"/elsewhere\n{_LOCK}", "{project}\na2wsgi==1.10.9\n"])
def test_a_venv_that_was_moved_or_made_from_another_lock_is_made_anew(make, python, project, made_from):
    (project / ".venv").mkdir()
    (project / ".venv" / "built-from").write_text(made_from.format(project=project))
    assert "Making .venv" in make("venv", PYTHON=python("exit 0")).stdout
    assert not (project / ".venv" / "built-from").exists()


@pytest.mark.parametrize("target", ["down", "reset"])
def test_what_ends_the_stack_does_not_install_anything_first(make, project, target):
    refused = make(target)
    assert refused.returncode != 0
    assert "this needs a complete .venv: run `make venv`" in refused.stderr
    assert not (project / ".venv").exists()

# Makes .venv from requirements.lock, unless it was already made from the same lock in the same folder.
# PYTHON in the environment names the Python; otherwise the first that is new enough is taken.

set -u

made_from() {
    pwd # a venv does not work after a move
    cat requirements.lock
}

itself() { # the part of pyproject.toml that an editable install depends on
    sed '/^\[tool\.ruff/,$d' pyproject.toml
}

give_up() {
    echo "$1" >&2
    exit 1
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' > /dev/null 2>&1
}

choose_python() {
    for candidate in ${PYTHON:-python3 python3.12 python3.13 python3.14 python3.11}; do
        if new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    found=$("${PYTHON:-python3}" -V 2>&1) || found="it does not run"
    give_up "Retrain needs Python 3.11 or newer (${PYTHON:-python3}: $found): install one, or name it with \`make venv PYTHON=/path/to/python3.12\`"
}

pip_install() {
    .venv/bin/python -m pip --disable-pip-version-check install "$@" >> .venv/install.log 2>&1 ||
        give_up "the packages could not be installed ($(grep -v '^WARNING' .venv/install.log | grep . | tail -n 1)): is the network up, and does pip reach the package index? pip's whole output is in .venv/install.log; \`make venv\` tries again"
}

# uv uses the same index as pip. If uv fails, for example because it does not know a setting of pip, pip installs.
uv_install() {
    sed -n '/^uv==/,/[^\\]$/p' requirements.lock > .venv/uv.txt
    pip_install --require-hashes -r .venv/uv.txt
    index=${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2> /dev/null)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
    .venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes --compile-bytecode \
        -r requirements.lock >> .venv/install.log 2>&1
}

same_lock() { made_from | cmp -s - .venv/built-from; }

if same_lock && itself | cmp -s - .venv/itself; then
    exit 0
fi
if ! same_lock; then
    python=$(choose_python) || exit 1
    "$python" -c 'import ensurepip, venv' > /dev/null 2>&1 ||
        give_up "$python cannot make virtual environments: install its venv module (Debian and Ubuntu: \`apt-get install python3-venv\`), or name another Python with PYTHON="
    echo "Making .venv with $("$python" -V): a minute or more …"
    rm -rf .venv
    "$python" -m venv .venv || give_up "$python could not make .venv: is the disk full, or the folder not writable?"
    uv_install || pip_install --require-hashes -r requirements.lock
fi
pip_install --no-deps --no-build-isolation -e .
# What is of the repository and not of the distribution: the stack, the containers, the sample's estimators.
printf '%s\n' "$PWD" "$PWD/include" > "$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/retrain-repository.pth"
# Its metadata would be found a second time, beside that in .venv, and Airflow would load the plugin twice.
rm -rf ./*.egg-info include/*.egg-info plugins/*.egg-info build
itself > .venv/itself
made_from > .venv/built-from # last, so that an interrupted install does not count as done

"""The local stack is for its own machine."""

from stack import ports
from stack.home import Home
from stack.services import services


def test_no_log_server_is_started_as_it_would_listen_on_every_address(tmp_path) -> None:
    """E7. That nothing of a stack listens on another address is tested beside the stack, in tests/e2e."""
    home = Home(tmp_path)
    commands = {each.name: each.command for each in services(home, ports.Ports())}
    for name in ("scheduler", "triggerer"):
        assert commands[name][-1] == "--skip-serve-logs"

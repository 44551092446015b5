"""Scripts and channels on hosts beside pyinfra's operations and facts.

For what must go on when an operation has failed, or as long as the run does.
"""

from __future__ import annotations

import socket
from typing import Any

from pyinfra.api import StringCommand
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, pop_global_arguments
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import make_unix_command_for_host
from pyinfra.context import ctx_state

from unstack.progress import waiting
from unstack.scripts import script

# A host whose power is gone answers nothing: without a limit the kernel waits a quarter of an hour
# for it. Longer than a network needs to come back: a retransmission may come 25 s after the last.
SILENT_SECONDS = 40
KEEPALIVE_SECONDS = 5
NO_ANSWER = "found no answer; expected one; to do: look at its power and network"
# What pyinfra handles around a command and not in it.
_OF_A_CALL = ("_get_pty", "_timeout", "_stdin", "_success_exit_codes")


def _privileges(host: Host) -> dict[str, Any]:
    """The arguments by which this host's operations become root: its data's and the config's."""
    arguments, _ = pop_global_arguments(ctx_state.get(), host, {})
    return {key: value for key, value in arguments.items() if key in CONNECTOR_ARGUMENT_KEYS}


def run_script(host: Host, name: str, *arguments: str, stdin: str | None = None) -> list[str]:
    """Run `unstack/scripts/<name>.sh` on a host, with the text on its standard input, and return its lines.

    Raises OperationError with the host's name and the script's own words where it fails, and
    where the host is not there any more.
    """
    given = {} if stdin is None else {"_stdin": stdin}
    command = script(name, *arguments)
    try:
        with waiting(host.name, command.waits_for or f"waiting for {name}", command.limit_seconds):
            status, output = host.run_shell_command(
                command, print_output=False, print_input=False, **{**_privileges(host), **given}
            )
    # Whatever a broken connection raises in pyinfra and paramiko: the others must still be mended.
    except Exception as error:
        raise OperationError(f"{host.name}: {NO_ANSWER} ({type(error).__name__})") from error
    if not status:
        raise OperationError(f"{host.name}: {' '.join(output.stderr_lines).strip() or NO_ANSWER}")
    return list(output.stdout_lines)


def open_channel(host: Host, command: StringCommand) -> Any:
    """An SSH channel that runs the command with the host's own sudo settings.

    Raises OperationError where the host has no SSH connection.
    """
    transport = _transport(host)
    if transport is None:
        raise OperationError(
            f"{host.name}: found no SSH connection; expected one, since it alone can stream;"
            " to do: reach this host by pyinfra's SSH connector"
        )
    arguments = {key: value for key, value in _privileges(host).items() if key not in _OF_A_CALL}
    command_line = make_unix_command_for_host(ctx_state.get(), host, command, **arguments)
    channel = transport.open_session()
    channel.exec_command(command_line.get_raw_value())
    return channel


def end_silent_connections(host: Host) -> None:
    """Have the kernel end the connection of a host that has answered nothing for SILENT_SECONDS."""
    transport = _transport(host)
    if transport is None:
        return
    transport.set_keepalive(KEEPALIVE_SECONDS)
    if hasattr(socket, "TCP_USER_TIMEOUT") and isinstance(transport.sock, socket.socket):
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_SECONDS * 1000)


def _transport(host: Host) -> Any:
    client = host.connector.client if isinstance(host.connector, SSHConnector) else None
    return client.get_transport() if client is not None else None

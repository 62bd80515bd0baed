"""The channels of a spec, through Airflow's connections and providers.

What has arrived is not sent again because of somebody else: of e-mail, each address is a channel of its own; of
Apprise, whose services are named in a connection that is read when something is sent, one service is enough.
"""

import hashlib
from collections.abc import Sequence
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import formatdate
from smtplib import SMTPDataError, SMTPRecipientsRefused, SMTPResponseException

from retrain import extras
from retrain.errors import ChannelError, RetrainError
from retrain.messages import formats
from retrain.messages.outbox import Channel
from retrain.messages.webhook import Log, Webhook, retry_after
from retrain.records import Announcement
from retrain.spec.operation import ChannelSpec
from retrain.spec.spec import Spec
from retrain.topics import Level
from retrain_airflow.compat import AirflowException, AirflowNotFoundException
from retrain_airflow.hooks.connections import extra_of, get, url

_SECONDS = 20
_TYPES = {Level.INFO: "info", Level.WARNING: "warning", Level.ERROR: "failure"}
"""Apprise's names."""


def channels(spec: Spec) -> list[Channel]:
    """Return the log and the spec's channels. Connections are looked up later: a missing one delays only itself."""
    named = (_Named(each, address) for each in spec.channels for address in each.to or [""])
    return [Log(), *named]


class _Named:
    """A channel with the name of its connection. Its errors name only the kind of a failure: the rest may be secret."""

    def __init__(self, spec: ChannelSpec, address: str = "") -> None:
        """address: the one of `spec.to` that this channel is."""
        self.name = f"{spec.kind} {spec.connection} {address}".rstrip()
        self.least = spec.least
        self._spec = spec
        self._address = address

    def deliver(self, key: str, announcement: Announcement) -> None:
        try:
            get(self._spec.connection)  # not every hook says that it is missing
            if self._address:
                _email(self._spec, self._address, key, announcement)
            else:
                _DELIVER[self._spec.kind](self._spec, key, announcement)
        except ChannelError as error:
            # Its message is ours, and holds nothing secret.
            raise ChannelError(
                f"{self.name}: {error}", retry_after=error.retry_after, final=error.final, in_part=error.in_part
            ) from None
        except RetrainError as error:
            raise ChannelError(f"{self.name}: {error}") from None
        # Of any kind: what one connection holds must not keep the other channels from getting theirs.
        except Exception as error:
            raise ChannelError(f"{self.name}: {_kind_of(error)}", final=_is_final(error)) from None


def _webhook(spec: ChannelSpec, key: str, announcement: Announcement) -> None:
    connection = get(spec.connection)
    secret = extra_of(connection, texts=("signing_secret",)).get("signing_secret")
    address = url(connection, ours=("signing_secret",))
    hook = Webhook(address, username=connection.login, password=connection.password, signing_secret=secret)
    hook.deliver(key, announcement)


def _slack(spec: ChannelSpec, _key: str, announcement: Announcement) -> None:
    extras.require("slack")
    from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

    hook = SlackWebhookHook(slack_webhook_conn_id=spec.connection, timeout=_SECONDS, retry_handlers=[])
    response = hook.client.send(**formats.slack(announcement))
    if response.status_code != 200:
        headers = {name.lower(): value for name, value in response.headers.items()}
        raise ChannelError(f"answered {response.status_code}", retry_after=retry_after(headers.get("retry-after")))


def _email(spec: ChannelSpec, address: str, key: str, announcement: Announcement) -> None:
    extras.require("smtp")
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    hook = SmtpHook(spec.connection)
    # Not as a context manager: the hook leaves its socket open where the login is refused.
    try:
        sender = hook.get_conn().from_email
        if not sender:
            raise ChannelError("its connection names no sender: set from_email in its extra")
        # The hook's own method sends HTML only. The mail names all addresses; each is sent it by itself.
        mail = _mail(sender, spec.to, key, announcement)
        hook._smtp_client.send_message(mail, to_addrs=[address])  # type: ignore[union-attr, call-arg]
    finally:
        if hook._smtp_client is not None:
            hook._smtp_client.close()


def _mail(sender: str, to: Sequence[str], key: str, announcement: Announcement) -> MIMEMultipart:
    # Not an EmailMessage: before Python 3.12.5 it loses spaces in a subject that is not ASCII.
    message = MIMEMultipart("alternative")
    message["Subject"] = Header(formats.subject(announcement), "utf-8")  # type: ignore[assignment]
    message["From"], message["To"] = sender, ", ".join(to)
    message["Date"] = formatdate()
    # The same at each attempt, so that a mail system can drop a duplicate.
    message["Message-ID"] = f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@retrain>"
    message["Auto-Submitted"] = "auto-generated"
    message.attach(MIMEText(formats.text(announcement), "plain", "utf-8"))
    message.attach(MIMEText(formats.html(announcement), "html", "utf-8"))
    return message


def _apprise(spec: ChannelSpec, _key: str, announcement: Announcement) -> None:
    extras.require("apprise")
    from airflow.providers.apprise.hooks.apprise import AppriseHook
    from apprise import Apprise, NotifyFormat, NotifyType

    # Not the hook's `notify`: it does not say whether a service accepted the message.
    services = Apprise()
    hook = AppriseHook(spec.connection)
    hook.set_config_from_conn(hook.get_connection(spec.connection), services)
    if not len(services):
        raise ChannelError("its connection names no service that Apprise knows: look at its config")
    result = services.notify(
        body=formats.quiet_text(announcement),
        title=formats.quiet_subject(announcement),
        notify_type=NotifyType(_TYPES[announcement.level]),
        body_format=NotifyFormat.TEXT,
    )
    if result:
        return
    refused = ", ".join(str(service.name) for service in result if not service)
    some = any(result)
    raise ChannelError(f"{refused or 'a service'} behind it did not take it", final=some, in_part=some)


def _kind_of(error: Exception) -> str:
    if isinstance(error, AirflowNotFoundException):
        return "its connection is incomplete"
    if (code := _smtp_code(error)) is not None:
        return f"answered {code}"
    if isinstance(error, OSError | AirflowException):
        return f"no answer: {type(error).__name__}"
    return f"its connection cannot be used: {type(error).__name__}"


def _smtp_code(error: Exception) -> int | None:
    """Return the server's answer to a mail; None where there was none."""
    if isinstance(error, SMTPRecipientsRefused):
        return next((int(code) for code, _ in error.recipients.values()), None)
    return error.smtp_code if isinstance(error, SMTPResponseException) else None


def _is_final(error: Exception) -> bool:
    """Whether a mail server refuses this mail for good. A refused login or sender can be corrected meanwhile."""
    code = _smtp_code(error) if isinstance(error, SMTPRecipientsRefused | SMTPDataError) else None
    return code is not None and code >= 500


_DELIVER = {"webhook": _webhook, "slack": _slack, "apprise": _apprise}

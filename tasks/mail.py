"""One mail over SMTP, encrypted unless the specification says that it need not be."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping

from vigil.alerts.delivery import Attempt
from vigil.alerts.message import Message
from vigil.alerts.payloads import email
from vigil.spec.channels import Channel


def send_mail(channel: Channel, message: Message, password: str | None, timeout: float) -> Attempt:
    """Hand the mail to the channel's server. A refusal of 5xx is permanent (RFC 5321), everything else may pass.

    Args:
        timeout: seconds for each answer of the server.
    """
    assert channel.host is not None
    try:
        with _connected(channel, timeout) as server:
            if channel.username is not None and password is not None:
                server.login(channel.username, password)
            refused = server.send_message(email(message, channel))
        return Attempt(True, f"accepted by the server{_but_for(refused)}")
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        return Attempt(False, f"all recipients were refused ({', '.join(map(str, codes))})", permanent=all(code >= 500 for code in codes))
    except smtplib.SMTPResponseException as error:
        return Attempt(False, f"SMTP {error.smtp_code}", permanent=error.smtp_code >= 500)
    except smtplib.SMTPNotSupportedError as error:
        return Attempt(False, f"the server cannot do what is asked of it: {error}")
    except TimeoutError:
        return Attempt(False, f"no answer within {timeout:g} s")
    except (OSError, smtplib.SMTPException) as error:
        return Attempt(False, f"no answer: {type(error).__name__}")


def _but_for(refused: Mapping[str, tuple[int, bytes]]) -> str:
    """Some of several recipients: the others have the mail, so it is delivered and not tried again."""
    return ", but not for " + ", ".join(f"{name} ({code})" for name, (code, _) in refused.items()) if refused else ""


def _connected(channel: Channel, timeout: float) -> smtplib.SMTP:
    assert channel.host is not None
    if channel.encryption == "tls":
        return smtplib.SMTP_SSL(channel.host, channel.port, timeout=timeout, context=ssl.create_default_context())
    server = smtplib.SMTP(channel.host, channel.port, timeout=timeout)
    if channel.encryption == "starttls":
        try:
            server.starttls(context=ssl.create_default_context())
        except BaseException:
            server.close()
            raise
    return server

"""``twistd antigravity``: the options, and the way from them to a running service."""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.application.service import IService
from twisted.python import usage

from antigravity_proxy.settings.table import TABLE


class Options(usage.Options):
    """One option for each setting; all are documented by ``--help``."""

    synopsis = "[options]"
    longdesc = (
        "Serves OpenAI- and Gemini-compatible APIs over the accounts of a credential volume. "
        "Every option can also be set by the environment variable of the same name in capitals, with underscores; "
        "options win. Secrets also have a …_FILE variable."
    )
    optParameters = [  # noqa: RUF012 - what Twisted reads
        [
            setting.option,
            None,
            None,
            f"{setting.help} [{setting.name}{f', default: {setting.default}' if setting.default else ''}]",
        ]
        for setting in TABLE
        if not setting.secret
    ]

    def parseArgs(self, *rest: str) -> None:
        """There are no arguments."""
        if rest:
            raise usage.UsageError(f"unknown argument: {rest[0]}")


def makeService(options: Options) -> IService:
    """The daemon. A setting that can't be used ends the start with one line and status 1."""
    from antigravity_proxy import service
    from antigravity_proxy.settings.resolve import SettingsError

    given: dict[str, Any] = dict(options)
    try:
        return service.make(given, os.environ)
    except SettingsError as e:
        sys.stderr.write(f"antigravity-proxy: {e}\n")
        sys.exit(1)

"""``twistd antigravity``: the options, and the way from them to a running service."""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.application.service import IService
from twisted.python import usage

from antigravity_proxy.settings.table import TABLE, Setting


def _named(setting: Setting) -> str:
    """Its environment variable, and its default if it has one."""
    default = setting.default_in_words
    return f"{setting.name}, default: {default}" if default else setting.name


class Options(usage.Options):
    """One option for each setting; all are documented by ``--help``."""

    synopsis = "[options]"
    longdesc = (
        "Serves OpenAI-, Anthropic- and Gemini-compatible APIs over the accounts of a credential volume. "
        "Every option can also be set by the environment variable of the same name in capitals, with underscores; "
        "options win. Secrets are not options, since every user of the machine could read them; each can also be read "
        "from a file that NAME_FILE names: "
        + "; ".join(f"{setting.name}: {setting.help}" for setting in TABLE if setting.secret)
        + "."
    )
    optParameters = [  # noqa: RUF012 - what Twisted reads
        [setting.option, None, None, f"{setting.help} [{_named(setting)}]"] for setting in TABLE if not setting.secret
    ]

    def parseOptions(self, options: Any = None) -> None:
        """Reads the command line; what is wrong with it is told in one line, with status 1."""
        try:
            super().parseOptions(options)
        except usage.UsageError as e:
            sys.stderr.write(f"antigravity-proxy: {e}; see 'twistd antigravity --help'\n")
            sys.exit(1)

    def parseArgs(self, *rest: str) -> None:
        """There are no arguments."""
        if rest:
            raise usage.UsageError(f"unknown argument: {rest[0]}")


def makeService(options: Options) -> IService:
    """The daemon. A setting that can't be used ends the start with one line and status 1."""
    from antigravity_proxy.daemon import service
    from antigravity_proxy.settings.resolve import SettingsError

    given: dict[str, Any] = dict(options)
    try:
        return service.make(given, os.environ)
    except SettingsError as e:
        sys.stderr.write(f"antigravity-proxy: {e}\n")
        sys.exit(1)

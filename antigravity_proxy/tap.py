"""``twistd antigravity``: the options, and the way from them to a running service."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from twisted.application.service import IService
from twisted.python import usage

import twisted
from antigravity_proxy import __version__
from antigravity_proxy.daemon import signals
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
        """Reads the command line; an error is one line, with status 1."""
        if self.parent is not None:  # the process is twistd's, so ours: what is loaded from here on takes a while
            signals.hear_from_now_on()
        try:
            super().parseOptions(options)
        except usage.UsageError as e:
            _end(f"{e}; see 'twistd antigravity --help'")

    def opt_version(self) -> None:
        """Print the versions and exit."""
        print(f"antigravity-proxy {__version__}, Twisted {twisted.__version__}")
        sys.exit(0)

    def postOptions(self) -> None:
        """Looks at twistd's own options before twistd does."""
        if self.parent is not None and self.parent["pidfile"]:
            _look_at_pidfile(os.path.abspath(self.parent["pidfile"]))

    def parseArgs(self, *rest: str) -> None:
        """There are no arguments."""
        if rest:
            raise usage.UsageError(f"unknown argument: {rest[0]}")


def makeService(options: Options) -> IService:
    """The daemon. A setting that can't be used ends the start with one line and status 1."""
    from antigravity_proxy.daemon import service
    from antigravity_proxy.settings.resolve import SettingsError

    given: dict[str, Any] = dict(options)
    if options.parent is not None:
        given["log-file"] = _log_file(options.parent, given["log-file"] or os.environ.get("LOG_FILE"))
    try:
        return service.make(given, os.environ)
    except SettingsError as e:
        _end(str(e))


def _log_file(twistd: Mapping[str, Any], ours: str | None) -> str | None:
    """Where the log goes, by ``LOG_FILE`` or twistd's own options; None: to stdout. In the background, as twistd."""
    if twistd.get("syslog"):
        _end("twistd's --syslog is not supported: set LOG_FILE, or let systemd take what comes from 'twistd -n'")
    named = twistd["logfile"]
    if ours:
        if named:
            _end("twistd's --logfile and LOG_FILE are both set: give one of them")
        return ours
    if twistd.get("nodaemon", True) or twistd.get("debug"):
        return named if named and named != "-" else None
    if named == "-":
        _end("twistd's --logfile=- goes with -n: a process in the background has no stdout")
    path = os.path.abspath(named or "twistd.log")
    sys.stderr.write(f"antigravity-proxy: going to the background; the log is {path}\n")
    return path


def _look_at_pidfile(path: str) -> None:
    """Ends the start in one line where twistd would raise, or could not say what helps. A stale file is removed."""
    helps = "give --pidfile= for none, or --pidfile=PATH for another"
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read(32).strip()
        if int(text) == os.getpid():  # in a container the number is the same every time
            os.unlink(path)
        else:
            os.kill(int(text), 0)
            _end(
                f"{path} names process {text}, which runs: end it; or, if that is another program, remove the file; "
                f"or {helps}"
            )
    except FileNotFoundError:
        pass
    except ProcessLookupError:  # stale: twistd removes it
        pass
    except ValueError:
        _end(f"{path} holds no process number: remove it, or {helps}")
    except OSError as e:
        _end(f"{path} can't be used: {e.strerror}; {helps}")
    if not os.access(os.path.dirname(path), os.W_OK):
        reason = (
            "its directory can't be written" if os.path.isdir(os.path.dirname(path)) else "there is no such directory"
        )
        _end(f"{path} can't be written: {reason}; {helps}")


def _end(words: str) -> NoReturn:
    sys.stderr.write(f"antigravity-proxy: {words}\n")
    sys.exit(1)

"""Where official credentials come from: the environment, and files. Blocking reads."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from antigravity_proxy.credentials.file import (
    CredentialsError,
    Found,
    Surroundings,
    application_default,
    joined,
    of_key,
    parse,
)
from antigravity_proxy.settings.gemini_keys import looks_like_a_key
from antigravity_proxy.settings.table import Settings
from antigravity_proxy.volume import files

#: bytes of a credentials file, and of a file that it names, that are read at most
_MAX_FILE = 4 << 20
_MAX_SECRET = 64 << 10


class CredentialSource(files.Derived[Found]):
    """Reads the credentials that settings and ``environ`` name, whenever asked.

    Raises CredentialsError, whose message says which source is meant.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        super().__init__(self._everything)
        self._settings = settings
        self._around = partial(
            Surroundings,
            environ=environ,
            adc_file=settings.adc_file or _gcloud_file(environ),
            project=settings.cloud_project or "",
            location=settings.cloud_location,
            metadata_host=settings.metadata_host,
            replaced_token_url=settings.sources["token_url"] != "default",  # noqa: S105 - a setting's name
        )
        path = settings.credentials_file
        #: the file that is watched; None: there is none
        self.path = None if path is None else Path(path)

    def _everything(self, read: files.Read) -> Found:
        around = self._around(read_file=lambda path: read(Path(path), _MAX_SECRET).decode())
        keys = tuple(map(of_key, self._settings.gemini_keys))
        odd = [each.id for each in keys if not looks_like_a_key(each.access_token)]
        notes = tuple(f"GEMINI_API_KEYS: {name} does not look like a Google API key (AIza…, AQ.…)" for name in odd)
        sources = [Found(keys, notes=notes)]
        if self.path is not None:
            sources.append(self._of_file(self.path, read, around))
        if self._settings.vertex_adc:
            try:
                sources.append(Found((application_default(around),)))
            except CredentialsError as e:
                raise CredentialsError(f"PROXY_VERTEX_ADC: {e}") from None
        return joined(*sources)

    def _of_file(self, path: Path, read: files.Read, around: Surroundings) -> Found:
        try:
            content = files.text(path, _MAX_FILE, read)
            mode = path.stat().st_mode
            found = parse(content, around)
        except OSError as e:
            raise CredentialsError(f"PROXY_CREDENTIALS_FILE: it can't be read: {files.why(e, path)}") from None
        except (files.Unreadable, CredentialsError) as e:
            raise CredentialsError(f"PROXY_CREDENTIALS_FILE: {e}") from None
        notes = tuple(f"PROXY_CREDENTIALS_FILE: {note}" for note in found.notes)
        if mode & (stat.S_IRGRP | stat.S_IROTH) and os.name == "posix" and "key = " in content:
            notes += ("PROXY_CREDENTIALS_FILE: it holds keys, and others may read it: chmod 600",)
        return Found(found.credentials, found.routes, notes)


def _gcloud_file(environ: Mapping[str, str]) -> str:
    """Where gcloud keeps application default credentials; empty: there are none."""
    home = os.path.expanduser(environ.get("HOME", "~"))
    path = os.path.join(
        environ.get("CLOUDSDK_CONFIG") or os.path.join(home, ".config", "gcloud"),
        "application_default_credentials.json",
    )
    return path if os.path.isfile(path) else ""  # false too where this user may not look

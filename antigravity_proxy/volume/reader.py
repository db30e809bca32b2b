"""Reads a volume whole: accounts, keys, configuration. Blocking; keeps the last good state when a round fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from antigravity_proxy.canonical.credential import Credential
from antigravity_proxy.secret import Secret, SecretBytes
from antigravity_proxy.volume import database, files, guiconfig, keys, mounts, snapshot
from antigravity_proxy.volume.accounts import AccountReader, Accounts, Row, RowProblem
from antigravity_proxy.volume.guiconfig import GuiConfig
from antigravity_proxy.volume.keys import KeyFinding, Keys
from antigravity_proxy.volume.layout import Layout, described
from antigravity_proxy.volume.removals import Removals

#: the app truncates its configuration and rewrites it: attempts to read it, and the seconds between them
_CONFIG_ATTEMPTS, _CONFIG_PAUSE = 5, 0.02


class VolumeState(Struct, frozen=True):
    """The known state of the volume after a round.

    ``read_at`` (epoch seconds) is when the accounts were last read well, None if never; ``error`` is why this round
    could not, in words without a path; ``where`` is the data directory, for the log and the operator's command.
    ``unconfirmed`` accounts among ``accounts`` are gone from the volume, until a second snapshot agrees; ``kept`` ones
    have rows that can no longer be opened (they are among ``problems`` too), and stay in use with their last token.
    ``paused`` of the accounts are left alone by this proxy. ``key``, in hex, opens most of them; where none is
    sealed it is the first of the volume's, None: there is none.
    ``size`` is the snapshot's, in bytes. ``alone``: the database has a log, but is mounted without its directory.
    ``config`` is the last good one, None if none was ever read; ``config_error`` why not this time; ``config_absent``:
    there is no such file. ``revision`` grows when anything but ``read_at`` and ``size`` does.
    """

    accounts: tuple[Credential, ...] = ()
    problems: tuple[RowProblem, ...] = ()
    unconfirmed: int = 0
    kept: int = 0
    paused: int = 0
    key: Secret | None = None
    key_findings: tuple[KeyFinding, ...] = ()
    key_count: int = 0
    read_at: float | None = None
    size: int = 0
    alone: bool = False
    error: str = ""
    where: str = ""
    config: GuiConfig | None = None
    config_error: str = ""
    config_absent: bool = False
    revision: int = 0

    @property
    def sealed_rows(self) -> int:
        """How many rows no key opens."""
        return sum(problem.sealed for problem in self.problems)

    @property
    def no_key_fits(self) -> bool:
        """Whether there are keys and sealed rows, and no key opens any."""
        return bool(self.key_count and self.sealed_rows) and not self.accounts


class VolumeReader:
    """Reads one volume, again and again. ``configured_key`` is tried before the volume's own."""

    def __init__(
        self,
        layout: Layout,
        configured_key: SecretBytes | None,
        *,
        monotonic: Callable[[], float],
        epoch: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._layout = layout
        self._configured = () if configured_key is None else (configured_key,)
        self._monotonic = monotonic
        self._epoch = epoch
        self._sleep = sleep
        self._accounts = AccountReader()
        self._removals = Removals()
        self._last_read: tuple[bytes, tuple[SecretBytes, ...]] | None = None  # fingerprint of the snapshot, keys
        self._state = VolumeState(where=described(layout.directory))

    def read(self) -> VolumeState:
        """Reads everything now; what can't be read keeps its last good value."""
        return self._advance(self._with_accounts(self._with_config(self._state)))

    def read_config(self) -> VolumeState:
        """Reads the configuration alone: what the start needs before anything else."""
        return self._advance(self._with_config(self._state))

    def failed(self, error: str) -> VolumeState:
        """A round that ended by a fault of ours: everything stays as it was, and ``error`` says why."""
        return self._advance(replace(self._state, error=error))

    def removed(self, identity: str) -> None:
        """The account was removed by ourselves: the next round need not doubt it."""
        self._removals.dismiss(identity)
        self._last_read = None

    def signature(self) -> object:
        """Changes whenever one of the files may have; cheap (credential-volume.md 2.5)."""
        layout = self._layout
        key_files = [path for place in layout.keys for path in keys.candidates(place)]
        try:
            database_state: object = snapshot.probe(layout.database)
        except OSError as e:
            database_state = e.errno
        return database_state, tuple(map(_identity, [*layout.configs, *key_files]))

    def _advance(self, state: VolumeState) -> VolumeState:
        before = self._state
        if replace(state, read_at=before.read_at, size=before.size) != before:
            state = replace(state, revision=before.revision + 1)
        self._state = state
        return state

    def _with_config(self, before: VolumeState) -> VolumeState:
        error = ""
        for attempt in range(_CONFIG_ATTEMPTS):
            if attempt:
                self._sleep(_CONFIG_PAUSE)
            try:
                config = self._config()
            except guiconfig.Unreadable as e:
                error = str(e)
            else:
                if config is None:
                    return replace(before, config_error="", config_absent=True)
                return replace(before, config=_keeping_key(config, before.config), config_error="", config_absent=False)
        return replace(before, config_error=error, config_absent=False)

    def _config(self) -> GuiConfig | None:
        """The first configuration file that exists; None if there is none. Raises Unreadable."""
        for path in self._layout.configs:
            try:
                return guiconfig.parse(files.content(path, files.MAX_CONFIG))
            except FileNotFoundError:
                continue
            except OSError as e:
                raise guiconfig.Unreadable(f"{path.name} can't be read: {files.why(e, path)}") from e
        return None

    def _with_accounts(self, before: VolumeState) -> VolumeState:
        found = keys.find_all(self._layout.keys)
        material = tuple(dict.fromkeys((*self._configured, *found.keys)))
        now = self._monotonic()
        state = replace(before, key_count=len(material), key_findings=found.findings)
        try:
            copy = snapshot.take(self._layout.database, monotonic=self._monotonic, sleep=self._sleep)
            this_read = copy.fingerprint(), material
            if this_read != self._last_read or self._removals.pending:
                read = self._accounts.read(_drained(database.rows(copy)), material)
                state = self._with_rows(state, self._removals.confirm(read, now), material)
                self._last_read = this_read
        except snapshot.VolumeError as e:
            return replace(state, error=str(e))
        return replace(
            state,
            key_findings=_worth_telling(found, state),
            read_at=self._epoch(),
            size=copy.size,
            alone=copy.has_log_mode and mounts.is_alone(snapshot.located(self._layout.database)),
            error="",
        )

    def _with_rows(self, state: VolumeState, read: Accounts, keys: tuple[SecretBytes, ...]) -> VolumeState:
        untried = keys[0] if keys and not any(problem.sealed for problem in read.problems) else None
        return replace(
            state,
            accounts=read.accounts,
            problems=read.problems,
            unconfirmed=self._removals.pending,
            kept=len(self._removals.kept),
            paused=sum(account.paused for account in read.accounts),
            key=read.key or state.key or (None if untried is None else Secret(untried.hex())),
        )


def unforeseen(fault: Exception) -> str:
    """The words for a read that ended by an unexpected exception; holds no path."""
    return f"the data directory can't be read: {getattr(fault, 'strerror', None) or type(fault).__name__}"


def _drained(rows: list[Row]) -> Iterator[Row]:
    """The rows, let go one by one: to free 100,000 at once would stop every thread meanwhile."""
    rows.reverse()
    while rows:
        yield rows.pop()


def _keeping_key(config: GuiConfig, before: GuiConfig | None) -> GuiConfig:
    """A key in force stays when the file loses it (contract.md 2)."""
    if config.api_key is None and before is not None and before.api_key is not None:
        return replace(config, api_key=before.api_key)
    return config


def _worth_telling(found: Keys, state: VolumeState) -> tuple[KeyFinding, ...]:
    """A wrapped key, or a name that is not a file, is not reported as long as other keys open everything."""
    if state.key_count and not state.sealed_rows:
        return tuple(finding for finding in found.findings if finding.kind not in ("wrapped", "directory"))
    return found.findings


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode, found.st_uid

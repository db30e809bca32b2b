"""Every setting of the daemon, once (contract.md 2): its type, names, default, what is accepted, what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, get_args, get_type_hints

from msgspec import Struct
from msgspec.structs import replace

from antigravity_proxy import __version__
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings import parse
from antigravity_proxy.settings.gemini_keys import NamedKey, gemini_keys
from antigravity_proxy.settings.parse import Network
from antigravity_proxy.settings.proxies import UnusableProxy
from antigravity_proxy.settings.redis_url import RedisUrl, redis_url

#: upstream's own hosts, in the order in which they are tried (upstream.md 1.1)
BASE_URLS = "https://cloudcode-pa.googleapis.com,https://daily-cloudcode-pa.googleapis.com"


class Setting(Struct, frozen=True):
    """One setting, in the annotation of its field in ``Settings``. Its option is the name in small letters.

    ``default`` is text as a user would write it, None: none; ``fallback`` then says in words what counts instead.
    ``secret``: has a ``…_FILE`` form, is never shown.
    ``gui``: its name in gui_config.json's ``proxy``, whose value stands below environment and command line. ``live``:
    another value takes effect while the daemon runs.
    """

    name: str
    parser: parse.Parser
    default: str | None
    help: str
    secret: bool = False
    gui: str = ""
    live: bool = False
    aliases: tuple[str, ...] = ()
    field: str = ""
    fallback: str = ""

    @property
    def default_in_words(self) -> str:
        """What counts where neither option nor environment says anything; empty: nothing."""
        otherwise = self.default or self.fallback
        if not self.gui:
            return otherwise
        return f"gui_config's proxy.{self.gui}{f', else {otherwise}' if otherwise else ''}"

    @property
    def option(self) -> str:
        """The command-line option, without its dashes."""
        return self.name.lower().replace("_", "-")


class OAuthPair(Struct, frozen=True):
    """An OAuth client."""

    id: str
    secret: Secret


class Settings(Struct, frozen=True, kw_only=True):
    """All settings. Times in seconds, sizes in bytes.

    ``clients`` are the OAuth clients by key, the plain pair under the empty key. ``sources`` says where each value came
    from: option, environment, gui_config, systemd or default. ``notes`` are what an operator should know of them.
    """

    # fmt: off
    data_dir: Annotated[str | None, Setting(
        "ANTIGRAVITY_DATA_DIR", parse.path, None,
        "the credential volume: the directory with cloud_accounts.db", fallback="where the desktop app keeps it")]
    read_only: Annotated[bool, Setting(
        "READONLY_MODE", parse.boolean, "false",
        "true: nothing below the data directory is ever created or written")]
    host: Annotated[str, Setting(
        "PROXY_HOST", parse.text, "127.0.0.1",
        "the address of the API listener")]
    port: Annotated[int, Setting(
        "PROXY_PORT", parse.port, "8045",
        "the port of the API listener",
        gui="port")]
    api_keys: Annotated[tuple[Secret, ...], Setting(
        "PROXY_API_KEY", parse.secrets, "",
        "the key(s) that clients must show, with commas between",
        secret=True, gui="api_key", live=True)]
    allow_anonymous: Annotated[bool, Setting(
        "PROXY_ALLOW_ANONYMOUS", parse.boolean, "false",
        "true: with no key at all, any address may be listened on")]
    client_keys_file: Annotated[str | None, Setting(
        "PROXY_CLIENT_KEYS_FILE", parse.path, None,
        "the file of clients' own keys, which 'antigravity-proxy client-key' writes; read again when it changes")]
    allowed_hosts: Annotated[tuple[str, ...], Setting(
        "PROXY_ALLOWED_HOSTS", parse.host_names, "",
        "host names, with commas between, that a daemon without any key answers to besides localhost")]
    model_aliases: Annotated[dict[str, tuple[str, ...]], Setting(
        "PROXY_MODEL_ALIASES", parse.model_aliases, "",
        "names for models, with commas between: NAME=TARGET, or several targets with bars between, of which the first"
        " serves that has quota and capacity left, as long as nothing has been sent; * in NAME stands for anything;"
        " stronger than the desktop app's own mapping")]
    models_file: Annotated[str | None, Setting(
        "PROXY_MODELS_FILE", parse.path, None,
        "a TOML file that corrects what this release knows of models, or adds some; read again when it changes")]
    cors_origins: Annotated[tuple[str, ...], Setting(
        "PROXY_CORS_ORIGINS", parse.origins, "",
        "origins, with commas between, whose pages may call the API from a browser, such as https://chat.example")]
    oauth_callback_port: Annotated[int, Setting(
        "OAUTH_CALLBACK_PORT", parse.port, "8888",
        "the port in the redirect URI, as the browser sees it")]
    oauth_listen_port: Annotated[int, Setting(
        "OAUTH_LISTEN_PORT", parse.port_or_none, None,
        "the port that the admin listener binds, 0: there is none", fallback="OAUTH_CALLBACK_PORT")]
    oauth_listen_host: Annotated[str, Setting(
        "OAUTH_LISTEN_HOST", parse.text, "127.0.0.1",
        "the admin listener's address")]
    oauth_redirect_url: Annotated[str, Setting(
        "OAUTH_REDIRECT_URL", parse.url, None,
        "the whole redirect URI", fallback="http://localhost:$OAUTH_CALLBACK_PORT/oauth-callback")]
    client_id: Annotated[str | None, Setting(
        "GOOGLE_CLIENT_ID", parse.one_line, None,
        "the OAuth client that the accounts' tokens belong to; without it tokens work until they expire. "
        "GOOGLE_CLIENT_ID__KEY and GOOGLE_CLIENT_SECRET__KEY serve tokens that name that key",
        secret=True, live=True)]
    client_secret: Annotated[Secret | None, Setting(
        "GOOGLE_CLIENT_SECRET", parse.secret, None,
        "the OAuth client's secret",
        secret=True, live=True)]
    auth_url: Annotated[str, Setting(
        "GOOGLE_AUTH_URL", parse.url, "https://accounts.google.com/o/oauth2/v2/auth",
        "the sign-in page")]
    token_url: Annotated[str, Setting(
        "GOOGLE_TOKEN_URL", parse.url, "https://oauth2.googleapis.com/token",
        "the token endpoint")]
    userinfo_url: Annotated[str, Setting(
        "GOOGLE_USERINFO_URL", parse.url, "https://www.googleapis.com/oauth2/v2/userinfo",
        "the user info endpoint")]
    base_urls: Annotated[tuple[str, ...], Setting(
        "PROXY_INTERNAL_BASE_URLS", parse.base_urls, BASE_URLS,
        "upstream base URLs with commas between, tried in order",
        aliases=("ANTIGRAVITY_INTERNAL_BASE_URLS",))]
    user_agent: Annotated[str, Setting(
        "PROXY_REQUEST_USER_AGENT", parse.text, f"antigravity-proxy/{__version__}",
        "User-Agent towards upstream")]
    gemini_keys: Annotated[tuple[NamedKey, ...], Setting(
        "GEMINI_API_KEYS", gemini_keys, "",
        "keys of the Gemini API, with commas or newlines between; name=key names one",
        secret=True, aliases=("GEMINI_API_KEY",))]
    credentials_file: Annotated[str | None, Setting(
        "PROXY_CREDENTIALS_FILE", parse.path, None,
        "a TOML file with official credentials: Gemini keys, Vertex AI; read again when it changes")]
    upstream_order: Annotated[tuple[str, ...], Setting(
        "PROXY_UPSTREAM_ORDER", parse.upstreams, "accounts,gemini,vertex",
        "who is asked first: accounts, gemini and vertex with commas between; one that is left out is never used")]
    gemini_base_url: Annotated[str, Setting(
        "PROXY_GEMINI_BASE_URL", parse.url, "https://generativelanguage.googleapis.com",
        "the Gemini API, for gateways and tests")]
    vertex_base_url: Annotated[str | None, Setting(
        "PROXY_VERTEX_BASE_URL", parse.url, None,
        "Vertex AI at every location, for gateways and tests", fallback="each location's own host")]
    vertex_adc: Annotated[bool, Setting(
        "PROXY_VERTEX_ADC", parse.boolean, "false",
        "true: Vertex AI by the machine's application default credentials")]
    adc_file: Annotated[str | None, Setting(
        "GOOGLE_APPLICATION_CREDENTIALS", parse.path, None,
        "application default credentials, read only for credentials of the kind vertex-adc",
        fallback="gcloud's own file")]
    cloud_project: Annotated[str | None, Setting(
        "GOOGLE_CLOUD_PROJECT", parse.text, None,
        "the project of credentials of the kind vertex-adc", fallback="the one that the credentials name")]
    cloud_location: Annotated[str, Setting(
        "GOOGLE_CLOUD_LOCATION", parse.text, "global",
        "the location of credentials of the kind vertex-adc")]
    metadata_host: Annotated[str, Setting(
        "GCE_METADATA_HOST", parse.text, "metadata.google.internal",
        "the metadata server, asked only for credentials of the kind vertex-metadata")]
    fallback_project: Annotated[str | None, Setting(
        "PROXY_FALLBACK_PROJECT_ID", parse.text, None,
        "the project of accounts that have none")]
    request_timeout: Annotated[float, Setting(
        "PROXY_REQUEST_TIMEOUT", parse.seconds, "120",
        "seconds without a byte from upstream before giving up",
        gui="request_timeout")]
    upstream_proxy: Annotated[Secret | UnusableProxy | None, Setting(
        "UPSTREAM_PROXY_URL", parse.egress_proxy, None,
        "egress proxy, http(s):// (CONNECT) or socks5://, or none for no proxy whatever gui_config says; "
        "an account's own takes precedence",
        secret=True, gui="upstream_proxy", live=True)]
    ca_file: Annotated[str | None, Setting(
        "UPSTREAM_CA_FILE", parse.path, None,
        "a PEM file with trust roots besides the system's")]
    scheduling_mode: Annotated[str, Setting(
        "PROXY_SCHEDULING_MODE", parse.one_of("balance", "cache-first", "performance-first"), "balance",
        "how accounts are chosen: balance, cache-first or performance-first",
        gui="scheduling_mode", live=True)]
    max_wait: Annotated[float, Setting(
        "PROXY_MAX_WAIT_SECONDS", parse.wait, "60",
        "seconds that a request waits for an account to be free again in cache-first mode",
        gui="max_wait_seconds", live=True)]
    preferred_account: Annotated[str | None, Setting(
        "PROXY_PREFERRED_ACCOUNT_ID", parse.text, None,
        "the id of the account that serves while it can",
        gui="preferred_account_id", live=True)]
    account_priorities: Annotated[Mapping[str, int] | None, Setting(
        "PROXY_ACCOUNT_PRIORITIES", parse.priorities, None,
        "account ids with numbers, as in ID=1,OTHER=-1, 0 for the rest: a lower one serves where no higher can")]
    account_requests: Annotated[int | None, Setting(
        "PROXY_ACCOUNT_MAX_REQUESTS", parse.count, None,
        "requests that one account may serve at a time", fallback="any number")]
    quota_reserve: Annotated[float, Setting(
        "PROXY_QUOTA_RESERVE", parse.percent, "0",
        "percent of each account's quota that is left to its owner")]
    week_reserve: Annotated[float, Setting(
        "PROXY_WEEK_RESERVE", parse.percent, "0",
        "percent of each account's weekly quota that is left to its owner, where upstream tells of the week")]
    circuit_breaker: Annotated[bool, Setting(
        "PROXY_CIRCUIT_BREAKER", parse.boolean, "true",
        "false: only times that upstream states set an account aside for its quota",
        gui="circuit_breaker_enabled", live=True)]
    backoff_steps: Annotated[tuple[float, ...], Setting(
        "PROXY_BACKOFF_STEPS", parse.steps, "",
        "cooldown steps, in seconds, for consecutive failures without a stated retry delay",
        gui="circuit_breaker_backoff_steps", live=True, fallback="those of the decision table")]
    on_terms_ban: Annotated[str, Setting(
        "PROXY_ON_TERMS_BAN", parse.one_of("pause", "continue"), "pause",
        "once Google bars an account for its terms: pause has all others rest until somebody resumes them, continue "
        "serves on with them")]
    trusted_proxies: Annotated[tuple[Network, ...], Setting(
        "PROXY_TRUSTED_PROXIES", parse.networks, "",
        "addresses and networks whose X-Forwarded-For is believed")]
    master_key: Annotated[Secret | None, Setting(
        "ANTIGRAVITY_MASTER_KEY", parse.master_key, None,
        "the volume's key, 64 hex characters; tried before its key files",
        secret=True, fallback="the volume's key files")]
    redis_url: Annotated[RedisUrl | None, Setting(
        "REDIS_URL", redis_url, None,
        "where replicas share their state: redis://user:password@host:6379/0, rediss:// for TLS, redis+sentinel:// "
        "for sentinels",
        secret=True, fallback="state in the process")]
    max_body: Annotated[int, Setting(
        "PROXY_MAX_BODY", parse.size, "32MiB",
        "the largest request body")]
    responses_store: Annotated[int, Setting(
        "PROXY_RESPONSES_STORE", parse.size_or_none, "64MiB",
        "what is kept in memory of OpenAI's responses, so that a request can go on from one: an hour after its last "
        "use it is gone; 0: nothing is kept")]
    state_dir: Annotated[str | None, Setting(
        "PROXY_STATE_DIR", parse.path, None,
        "the daemon's own directory: usage, used budgets and cooldowns outlast a restart there; never in the "
        "credential volume", fallback="$STATE_DIRECTORY, which systemd sets, else memory only")]
    webhook_url: Annotated[Secret | None, Setting(
        "PROXY_WEBHOOK_URL", parse.secret_url, None,
        "where a notice is posted, in JSON, when an account is barred, needs its owner or has a dead sign-in, when "
        "nobody can serve a model for over a minute, and when the volume can't be read",
        secret=True)]
    drain_seconds: Annotated[float, Setting(
        "PROXY_DRAIN_SECONDS", parse.seconds, "30",
        "how long SIGTERM waits for open streams")]
    log_level: Annotated[str, Setting(
        "LOG_LEVEL", parse.one_of("debug", "info", "warn", "error"), "info",
        "what is logged")]
    log_format: Annotated[str, Setting(
        "LOG_FORMAT", parse.one_of("text", "json"), "text",
        "how it is logged")]
    otlp_endpoint: Annotated[str | None, Setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT", parse.url, None,
        "where OpenTelemetry traces go (OTLP over HTTP); needs the extra 'otel'", fallback="no traces")]
    log_file: Annotated[str | None, Setting(
        "LOG_FILE", parse.path, None,
        "a file to log to; SIGHUP and SIGUSR1 reopen it, after its rotation", fallback="stdout")]
    # fmt: on
    clients: Mapping[str, OAuthPair]
    sources: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def keys_are_set(self) -> bool:
        """Whether the keys stand in the settings themselves, whatever gui_config says."""
        return bool(self.api_keys) and self.sources["api_keys"] != "gui_config"


def _table() -> tuple[Setting, ...]:
    hints = get_type_hints(Settings, include_extras=True)
    found = ((field, extra) for field, hint in hints.items() for extra in get_args(hint) if isinstance(extra, Setting))
    return tuple(replace(setting, field=field) for field, setting in found)


#: every setting, in the order of the documentation
TABLE = _table()
LIVE = frozenset(setting.field for setting in TABLE if setting.live)


def by_field(field: str) -> Setting:
    """The setting of that field."""
    return next(setting for setting in TABLE if setting.field == field)

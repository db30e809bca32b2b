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
    ``gui``: its name in gui_config.json's ``proxy``, which environment and command line override. ``live``:
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
        """The value that applies without option and environment; empty: none."""
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
        "the credential volume: the directory that contains cloud_accounts.db", fallback="the desktop app's directory")]
    read_only: Annotated[bool, Setting(
        "READONLY_MODE", parse.boolean, "false",
        "true: never create or write anything in the data directory")]
    host: Annotated[str, Setting(
        "PROXY_HOST", parse.text, "127.0.0.1",
        "address that the API listens on")]
    port: Annotated[int, Setting(
        "PROXY_PORT", parse.port, "8045",
        "port that the API listens on",
        gui="port")]
    api_keys: Annotated[tuple[Secret, ...], Setting(
        "PROXY_API_KEY", parse.secrets, "",
        "API key that clients must send; several are separated by commas",
        secret=True, gui="api_key", live=True)]
    allow_anonymous: Annotated[bool, Setting(
        "PROXY_ALLOW_ANONYMOUS", parse.boolean, "false",
        "true: allow any listening address without an API key")]
    client_keys_file: Annotated[str | None, Setting(
        "PROXY_CLIENT_KEYS_FILE", parse.path, None,
        "file with clients' own keys, written by 'antigravity-proxy client-key'; reloaded when it changes")]
    allowed_hosts: Annotated[tuple[str, ...], Setting(
        "PROXY_ALLOWED_HOSTS", parse.host_names, "",
        "host names, separated by commas, that a daemon without an API key accepts in Host besides localhost")]
    model_aliases: Annotated[dict[str, tuple[str, ...]], Setting(
        "PROXY_MODEL_ALIASES", parse.model_aliases, "",
        "model aliases, separated by commas: NAME=TARGET, or NAME=TARGET|TARGET to use the first target with "
        "quota and capacity left; * in NAME matches anything; overrides the desktop app's mapping")]
    models_file: Annotated[str | None, Setting(
        "PROXY_MODELS_FILE", parse.path, None,
        "TOML file that corrects or adds models; reloaded when it changes")]
    cors_origins: Annotated[tuple[str, ...], Setting(
        "PROXY_CORS_ORIGINS", parse.origins, "",
        "origins, separated by commas, whose pages may call the API from a browser, such as https://chat.example")]
    oauth_callback_port: Annotated[int, Setting(
        "OAUTH_CALLBACK_PORT", parse.port, "8888",
        "port in the redirect URI, as the browser sees it")]
    oauth_listen_port: Annotated[int, Setting(
        "OAUTH_LISTEN_PORT", parse.port_or_none, None,
        "port that the admin pages listen on; 0: no admin pages", fallback="OAUTH_CALLBACK_PORT")]
    oauth_listen_host: Annotated[str, Setting(
        "OAUTH_LISTEN_HOST", parse.text, "127.0.0.1",
        "address that the admin pages listen on")]
    oauth_redirect_url: Annotated[str, Setting(
        "OAUTH_REDIRECT_URL", parse.url, None,
        "the complete redirect URI", fallback="http://localhost:$OAUTH_CALLBACK_PORT/oauth-callback")]
    client_id: Annotated[str | None, Setting(
        "GOOGLE_CLIENT_ID", parse.one_line, None,
        "OAuth client of the accounts' tokens; without it, access tokens can't be renewed. GOOGLE_CLIENT_ID__KEY "
        "and GOOGLE_CLIENT_SECRET__KEY are for tokens that name the client KEY",
        secret=True, live=True)]
    client_secret: Annotated[Secret | None, Setting(
        "GOOGLE_CLIENT_SECRET", parse.secret, None,
        "secret of the OAuth client",
        secret=True, live=True)]
    auth_url: Annotated[str, Setting(
        "GOOGLE_AUTH_URL", parse.url, "https://accounts.google.com/o/oauth2/v2/auth",
        "OAuth authorization endpoint")]
    token_url: Annotated[str, Setting(
        "GOOGLE_TOKEN_URL", parse.url, "https://oauth2.googleapis.com/token",
        "OAuth token endpoint")]
    userinfo_url: Annotated[str, Setting(
        "GOOGLE_USERINFO_URL", parse.url, "https://www.googleapis.com/oauth2/v2/userinfo",
        "OAuth user info endpoint")]
    base_urls: Annotated[tuple[str, ...], Setting(
        "PROXY_INTERNAL_BASE_URLS", parse.base_urls, BASE_URLS,
        "base URLs of the accounts' upstream, separated by commas, tried in order",
        aliases=("ANTIGRAVITY_INTERNAL_BASE_URLS",))]
    user_agent: Annotated[str, Setting(
        "PROXY_REQUEST_USER_AGENT", parse.text, f"antigravity-proxy/{__version__}",
        "User-Agent header of requests to upstream")]
    gemini_keys: Annotated[tuple[NamedKey, ...], Setting(
        "GEMINI_API_KEYS", gemini_keys, "",
        "Gemini API keys, separated by commas or newlines; name=key gives a key a name",
        secret=True, aliases=("GEMINI_API_KEY",))]
    credentials_file: Annotated[str | None, Setting(
        "PROXY_CREDENTIALS_FILE", parse.path, None,
        "TOML file with Gemini API keys and Vertex AI credentials; reloaded when it changes")]
    upstream_order: Annotated[tuple[str, ...], Setting(
        "PROXY_UPSTREAM_ORDER", parse.upstreams, "accounts,gemini,vertex",
        "order in which upstreams are tried: accounts, gemini and vertex, separated by commas; one that is left "
        "out is never used")]
    gemini_base_url: Annotated[str, Setting(
        "PROXY_GEMINI_BASE_URL", parse.url, "https://generativelanguage.googleapis.com",
        "base URL of the Gemini API, for gateways and tests")]
    vertex_base_url: Annotated[str | None, Setting(
        "PROXY_VERTEX_BASE_URL", parse.url, None,
        "base URL of Vertex AI for every location, for gateways and tests", fallback="each location's own host")]
    vertex_adc: Annotated[bool, Setting(
        "PROXY_VERTEX_ADC", parse.boolean, "false",
        "true: use Vertex AI with the machine's application default credentials")]
    adc_file: Annotated[str | None, Setting(
        "GOOGLE_APPLICATION_CREDENTIALS", parse.path, None,
        "file with application default credentials, for credentials of kind vertex-adc",
        fallback="gcloud's file")]
    cloud_project: Annotated[str | None, Setting(
        "GOOGLE_CLOUD_PROJECT", parse.text, None,
        "project for credentials of kind vertex-adc", fallback="the credentials' project")]
    cloud_location: Annotated[str, Setting(
        "GOOGLE_CLOUD_LOCATION", parse.text, "global",
        "location for credentials of kind vertex-adc")]
    metadata_host: Annotated[str, Setting(
        "GCE_METADATA_HOST", parse.text, "metadata.google.internal",
        "metadata server, for credentials of kind vertex-metadata")]
    fallback_project: Annotated[str | None, Setting(
        "PROXY_FALLBACK_PROJECT_ID", parse.text, None,
        "Google Cloud project for accounts that have none")]
    request_timeout: Annotated[float, Setting(
        "PROXY_REQUEST_TIMEOUT", parse.seconds, "120",
        "seconds without a byte from upstream after which a request fails",
        gui="request_timeout")]
    upstream_proxy: Annotated[Secret | UnusableProxy | None, Setting(
        "UPSTREAM_PROXY_URL", parse.egress_proxy, None,
        "egress proxy, http(s):// (CONNECT) or socks5://; none: no proxy, even if gui_config.json names one. An "
        "account's own proxy takes precedence",
        secret=True, gui="upstream_proxy", live=True)]
    ca_file: Annotated[str | None, Setting(
        "UPSTREAM_CA_FILE", parse.path, None,
        "PEM file with CA certificates to trust besides the system's")]
    scheduling_mode: Annotated[str, Setting(
        "PROXY_SCHEDULING_MODE", parse.one_of("balance", "cache-first", "performance-first"), "balance",
        "how an account is chosen: balance, cache-first or performance-first",
        gui="scheduling_mode", live=True)]
    max_wait: Annotated[float, Setting(
        "PROXY_MAX_WAIT_SECONDS", parse.wait, "60",
        "seconds that a request waits for an account in cache-first mode",
        gui="max_wait_seconds", live=True)]
    preferred_account: Annotated[str | None, Setting(
        "PROXY_PREFERRED_ACCOUNT_ID", parse.text, None,
        "id of the account to prefer while it is available",
        gui="preferred_account_id", live=True)]
    account_priorities: Annotated[Mapping[str, int] | None, Setting(
        "PROXY_ACCOUNT_PRIORITIES", parse.priorities, None,
        "priorities of accounts, such as ID=1,OTHER=-1; 0 for all others. An account is used only when none with "
        "a higher priority is available")]
    account_requests: Annotated[int | None, Setting(
        "PROXY_ACCOUNT_MAX_REQUESTS", parse.count, None,
        "maximum concurrent requests per account", fallback="no limit")]
    quota_reserve: Annotated[float, Setting(
        "PROXY_QUOTA_RESERVE", parse.percent, "0",
        "percentage of each account's quota to leave unused")]
    week_reserve: Annotated[float, Setting(
        "PROXY_WEEK_RESERVE", parse.percent, "0",
        "percentage of each account's weekly quota to leave unused, where upstream reports it")]
    circuit_breaker: Annotated[bool, Setting(
        "PROXY_CIRCUIT_BREAKER", parse.boolean, "true",
        "false: set an account aside only for the times that upstream states",
        gui="circuit_breaker_enabled", live=True)]
    backoff_steps: Annotated[tuple[float, ...], Setting(
        "PROXY_BACKOFF_STEPS", parse.steps, "",
        "cooldown steps, in seconds, for consecutive failures without a stated retry delay",
        gui="circuit_breaker_backoff_steps", live=True, fallback="those of the decision table")]
    on_terms_ban: Annotated[str, Setting(
        "PROXY_ON_TERMS_BAN", parse.one_of("pause", "continue"), "pause",
        "what to do when Google bars an account for breach of its terms: pause stops using all other accounts "
        "until somebody resumes them, continue keeps using them")]
    trusted_proxies: Annotated[tuple[Network, ...], Setting(
        "PROXY_TRUSTED_PROXIES", parse.networks, "",
        "addresses and networks of reverse proxies whose X-Forwarded-For is trusted")]
    master_key: Annotated[Secret | None, Setting(
        "ANTIGRAVITY_MASTER_KEY", parse.master_key, None,
        "master key of the volume, 64 hex characters; tried before its key files",
        secret=True, fallback="the volume's key files")]
    redis_url: Annotated[RedisUrl | None, Setting(
        "REDIS_URL", redis_url, None,
        "Redis through which replicas share their state: redis://user:password@host:6379/0, rediss:// for TLS, "
        "redis+sentinel:// for Sentinel",
        secret=True, fallback="state in this process")]
    max_body: Annotated[int, Setting(
        "PROXY_MAX_BODY", parse.size, "32MiB",
        "maximum size of a request body")]
    responses_store: Annotated[int, Setting(
        "PROXY_RESPONSES_STORE", parse.size_or_none, "64MiB",
        "memory for stored responses of OpenAI's Responses API, each kept until an hour after its last use; 0: "
        "store none")]
    state_dir: Annotated[str | None, Setting(
        "PROXY_STATE_DIR", parse.path, None,
        "the daemon's own directory, which keeps usage, budgets and cooldowns over restarts; must be outside the "
        "credential volume", fallback="$STATE_DIRECTORY (set by systemd), else memory only")]
    webhook_url: Annotated[Secret | None, Setting(
        "PROXY_WEBHOOK_URL", parse.secret_url, None,
        "URL that JSON notices are posted to: an account is barred, needs its owner or must sign in again; a "
        "model could not be served for over a minute; the volume can't be read",
        secret=True)]
    drain_seconds: Annotated[float, Setting(
        "PROXY_DRAIN_SECONDS", parse.seconds, "30",
        "seconds that a shutdown waits for open streams")]
    log_level: Annotated[str, Setting(
        "LOG_LEVEL", parse.one_of("debug", "info", "warn", "error"), "info",
        "minimum level of log messages")]
    log_format: Annotated[str, Setting(
        "LOG_FORMAT", parse.one_of("text", "json"), "text",
        "format of log messages")]
    otlp_endpoint: Annotated[str | None, Setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT", parse.url, None,
        "OTLP/HTTP endpoint for OpenTelemetry traces; needs the extra 'otel'", fallback="no traces")]
    log_file: Annotated[str | None, Setting(
        "LOG_FILE", parse.path, None,
        "log file; SIGHUP and SIGUSR1 reopen it, for log rotation", fallback="stdout")]
    # fmt: on
    clients: Mapping[str, OAuthPair]
    sources: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def keys_are_set(self) -> bool:
        """Whether the keys come from the settings themselves, whatever gui_config says."""
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

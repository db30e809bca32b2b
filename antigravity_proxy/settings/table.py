"""Every setting of the daemon, once (contract.md 2): names, default, what is accepted, what it means. Data only."""

from __future__ import annotations

from msgspec import Struct

from antigravity_proxy import __version__
from antigravity_proxy.settings import parse
from antigravity_proxy.settings.redis_url import redis_url

#: upstream's own hosts, in the order in which they are tried (upstream.md 1.1)
BASE_URLS = "https://cloudcode-pa.googleapis.com,https://daily-cloudcode-pa.googleapis.com"


class Setting(Struct, frozen=True):
    """One setting. ``field`` is its name in ``Settings``; the command-line option is the name in small letters.

    ``default`` is text as a user would write it, None: none; ``fallback`` then says in words what counts instead.
    ``secret``: has a ``…_FILE`` form, is never shown.
    ``gui``: the field of gui_config that stands below environment and command line.
    """

    field: str
    name: str
    parser: parse.Parser
    default: str | None
    help: str
    secret: bool = False
    gui: str = ""
    aliases: tuple[str, ...] = ()
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


TABLE: tuple[Setting, ...] = (
    Setting("data_dir", "ANTIGRAVITY_DATA_DIR", parse.text, None,
            "the credential volume: the directory with cloud_accounts.db", fallback="where the desktop app keeps it"),
    Setting("read_only", "READONLY_MODE", parse.boolean, "false",
            "true: nothing below the data directory is ever created or written"),
    Setting("host", "PROXY_HOST", parse.text, "127.0.0.1", "the address of the API listener"),
    Setting("port", "PROXY_PORT", parse.port, "8045", "the port of the API listener", gui="port"),
    Setting("api_keys", "PROXY_API_KEY", parse.secrets, None,
            "the key(s) that clients must show, with commas between",
            secret=True, gui="api_key"),
    Setting("allow_anonymous", "PROXY_ALLOW_ANONYMOUS", parse.boolean, "false",
            "true: with no key at all, any address may be listened on"),
    Setting("client_keys_file", "PROXY_CLIENT_KEYS_FILE", parse.text, None,
            "the file of clients' own keys, which 'antigravity-proxy client-key' writes; read again when it changes"),
    Setting("allowed_hosts", "PROXY_ALLOWED_HOSTS", parse.host_names, "",
            "host names, with commas between, that a daemon without any key answers to besides localhost"),
    Setting("cors_origins", "PROXY_CORS_ORIGINS", parse.origins, "",
            "origins, with commas between, whose pages may call the API from a browser, such as https://chat.example"),
    Setting("oauth_callback_port", "OAUTH_CALLBACK_PORT", parse.port, "8888",
            "the port in the redirect URI, as the browser sees it"),
    Setting("oauth_listen_port", "OAUTH_LISTEN_PORT", parse.port_or_none, None,
            "the port that the admin listener binds, 0: there is none", fallback="OAUTH_CALLBACK_PORT"),
    Setting("oauth_listen_host", "OAUTH_LISTEN_HOST", parse.text, "127.0.0.1", "the admin listener's address"),
    Setting("oauth_redirect_url", "OAUTH_REDIRECT_URL", parse.url, None,
            "the whole redirect URI", fallback="http://localhost:$OAUTH_CALLBACK_PORT/oauth-callback"),
    Setting("client_id", "GOOGLE_CLIENT_ID", parse.text, None,
            "the OAuth client that the accounts' tokens belong to; without it tokens work until they expire. "
            "GOOGLE_CLIENT_ID__KEY and GOOGLE_CLIENT_SECRET__KEY serve tokens that name that key", secret=True),
    Setting("client_secret", "GOOGLE_CLIENT_SECRET", parse.secret, None, "the OAuth client's secret", secret=True),
    Setting("auth_url", "GOOGLE_AUTH_URL", parse.url, "https://accounts.google.com/o/oauth2/v2/auth",
            "the sign-in page"),
    Setting("token_url", "GOOGLE_TOKEN_URL", parse.url, "https://oauth2.googleapis.com/token", "the token endpoint"),
    Setting("userinfo_url", "GOOGLE_USERINFO_URL", parse.url, "https://www.googleapis.com/oauth2/v2/userinfo",
            "the user info endpoint"),
    Setting("base_urls", "PROXY_INTERNAL_BASE_URLS", parse.base_urls, BASE_URLS,
            "upstream base URLs with commas between, tried in order", aliases=("ANTIGRAVITY_INTERNAL_BASE_URLS",)),
    Setting("user_agent", "PROXY_REQUEST_USER_AGENT", parse.text, f"antigravity-proxy/{__version__}",
            "User-Agent towards upstream"),
    Setting("fallback_project", "PROXY_FALLBACK_PROJECT_ID", parse.text, None,
            "the project of accounts that have none"),
    Setting("request_timeout", "PROXY_REQUEST_TIMEOUT", parse.seconds, "120",
            "seconds without a byte from upstream before giving up", gui="request_timeout"),
    Setting("upstream_proxy", "UPSTREAM_PROXY_URL", parse.secret, None,
            "egress proxy, http(s):// (CONNECT) or socks5://; an account's own takes precedence", secret=True,
            gui="upstream_proxy"),
    Setting("ca_file", "UPSTREAM_CA_FILE", parse.text, None,
            "a PEM file with trust roots besides the system's"),
    Setting("scheduling_mode", "PROXY_SCHEDULING_MODE", parse.one_of("balance", "cache-first", "performance-first"),
            None, "how accounts are chosen: balance, cache-first or performance-first",
            fallback="gui_config's proxy.scheduling_mode, else balance"),
    Setting("max_wait", "PROXY_MAX_WAIT_SECONDS", parse.wait, None,
            "seconds that a request waits for an account to be free again in cache-first mode",
            fallback="gui_config's proxy.max_wait_seconds, else 60"),
    Setting("preferred_account", "PROXY_PREFERRED_ACCOUNT_ID", parse.text, None,
            "the id of the account that serves while it can", fallback="gui_config's proxy.preferred_account_id"),
    Setting("account_priorities", "PROXY_ACCOUNT_PRIORITIES", parse.priorities, None,
            "account ids with numbers, as in ID=1,OTHER=-1, 0 for the rest: a lower one serves where no higher can"),
    Setting("account_requests", "PROXY_ACCOUNT_MAX_REQUESTS", parse.count, None,
            "requests that one account may serve at a time", fallback="any number"),
    Setting("quota_reserve", "PROXY_QUOTA_RESERVE", parse.percent, "0",
            "percent of each account's quota that is left to its owner"),
    Setting("circuit_breaker", "PROXY_CIRCUIT_BREAKER", parse.boolean, None,
            "false: only times that upstream states set an account aside for its quota",
            fallback="gui_config's proxy.circuit_breaker_enabled, else true"),
    Setting("backoff_steps", "PROXY_BACKOFF_STEPS", parse.steps, None,
            "cooldown steps, in seconds, for consecutive failures without a stated retry delay",
            fallback="gui_config's proxy.circuit_breaker_backoff_steps, else those of the decision table"),
    Setting("trusted_proxies", "PROXY_TRUSTED_PROXIES", parse.networks, "",
            "addresses and networks whose X-Forwarded-For is believed"),
    Setting("master_key", "ANTIGRAVITY_MASTER_KEY", parse.master_key, None,
            "the volume's key, 64 hex characters; tried before its key files", secret=True,
            fallback="the volume's key files"),
    Setting("redis_url", "REDIS_URL", redis_url, None,
            "where replicas share their state: redis://user:password@host:6379/0, rediss:// for TLS, "
            "redis+sentinel:// for sentinels", secret=True, fallback="state in the process"),
    Setting("max_body", "PROXY_MAX_BODY", parse.size, "32MiB", "the largest request body"),
    Setting("responses_store", "PROXY_RESPONSES_STORE", parse.size_or_none, "64MiB",
            "what is kept in memory of OpenAI's responses, so that a request can go on from one: an hour after its "
            "last use it is gone; 0: nothing is kept"),
    Setting("drain_seconds", "PROXY_DRAIN_SECONDS", parse.seconds, "30",
            "how long SIGTERM waits for open streams"),
    Setting("log_level", "LOG_LEVEL", parse.one_of("debug", "info", "warn", "error"), "info", "what is logged"),
    Setting("log_format", "LOG_FORMAT", parse.one_of("text", "json"), "text", "how it is logged"),
    Setting("otlp_endpoint", "OTEL_EXPORTER_OTLP_ENDPOINT", parse.url, None,
            "where OpenTelemetry traces go (OTLP over HTTP); needs the extra 'otel'", fallback="no traces"),
    Setting("log_file", "LOG_FILE", parse.text, None,
            "a file to log to; SIGHUP and SIGUSR1 reopen it, after its rotation", fallback="stdout"),
)  # fmt: skip


def by_field(field: str) -> Setting:
    """The setting of that field."""
    return next(setting for setting in TABLE if setting.field == field)

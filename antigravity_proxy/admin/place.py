"""Where the admin pages are, as browsers see them. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from msgspec import Struct

from antigravity_proxy.settings.resolve import Settings
from antigravity_proxy.web.hosts import Hosts
from antigravity_proxy.web.key_policy import is_loopback

#: where the provider sends browsers back to, unless a reverse proxy maps another path here
CALLBACK = "/oauth-callback"


class Place(Struct, frozen=True):
    """``prefix`` is the path under which a reverse proxy shows the pages, without a slash at its end.

    ``is_assumed``: nobody said where they are, it is the default. ``is_loopback``: only this machine reaches them.
    """

    origin: str
    host: str
    prefix: str
    callback: str
    is_secure: bool
    is_assumed: bool
    is_loopback: bool
    hosts: Hosts

    @classmethod
    def of(cls, settings: Settings) -> Place:
        """The place that the settings describe: that of the redirect URI."""
        parts = urlsplit(settings.oauth_redirect_url)
        return cls(
            origin=f"{parts.scheme}://{parts.netloc}",
            host=parts.hostname or "",
            prefix=parts.path.removesuffix(CALLBACK) if parts.path.endswith(CALLBACK) else "",
            callback=parts.path,
            is_secure=parts.scheme == "https",
            is_assumed=settings.sources["oauth_redirect_url"] == "default",
            is_loopback=is_loopback(settings.oauth_listen_host),
            hosts=Hosts((parts.hostname or "", *settings.allowed_hosts)),
        )

    def path(self, path: str) -> str:
        """A path of ours as links have it."""
        return self.prefix + path

    def url(self, path: str) -> str:
        """The same, whole."""
        return self.origin + self.prefix + path

    def inner(self, path: str) -> str:
        """A path that a browser asked for, as routes have it, whether or not a reverse proxy took the prefix away."""
        if path == self.callback:
            return CALLBACK
        if self.prefix and (path + "/").startswith(self.prefix + "/"):
            return path.removeprefix(self.prefix) or "/"
        return path

    def is_ours(self, host: str) -> bool:
        """Whether a host name leads here and nowhere else: where no key is asked for, no other name may be believed.

        Another site's name may be made to point at this machine, and then its pages would count as ours.
        """
        return self.hosts.names(host)

"""Which upstreams can serve a public name, in which order: always by the same model (official-upstreams 7.3). Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from fnmatch import fnmatchcase

from msgspec import Struct
from msgspec.structs import replace

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.catalogue import (
    CACHED_NAMES,
    MAX_NAME,
    Catalogue,
    PublicModel,
    can_any_serve,
    depth_of,
    owner_of,
)
from antigravity_proxy.canonical.credential import ACCOUNTS, GEMINI, VERTEX
from antigravity_proxy.canonical.models import Model, Output
from antigravity_proxy.canonical.offers import Offers
from antigravity_proxy.errors import ModelNotFound
from antigravity_proxy.settings.parse import UPSTREAMS

#: the setting that is missing for an upstream that is requested and has no credential
_MISSING = {
    ACCOUNTS: "ANTIGRAVITY_DATA_DIR",
    GEMINI: "GEMINI_API_KEYS or PROXY_CREDENTIALS_FILE",
    VERTEX: "PROXY_CREDENTIALS_FILE or PROXY_VERTEX_ADC",
}
#: what a request says to official upstreams alone, and without which its answer would be another
_CONTENT = frozenset({"cachedContent", "continuationToken", "modelArmorConfig"})
#: what else than texts and pictures models make, as a verb
_DOES = {"vectors": "make vectors", "speech": "speak"}
#: the models of a call, by upstream, in the order in which they are asked; `Model.upstream` says whose each is
Route = tuple[Model, ...]
#: whether an official upstream has a credential for an id: upstream, id
Offering = Callable[[str, str], bool]


def _anything(upstream: str, identity: str) -> bool:
    return True


class Routing(Struct, frozen=True):
    """The order of upstreams: ``order`` by default, ``overrides`` for public names that match a pattern.

    ``serving``: upstreams that have a credential. ``offered``: the known offers of official upstreams.
    """

    order: tuple[str, ...] = UPSTREAMS
    overrides: tuple[tuple[str, tuple[str, ...]], ...] = ()
    serving: frozenset[str] = frozenset({ACCOUNTS})
    offered: Mapping[str, Offers] = {}

    @property
    def only_accounts(self) -> bool:
        """Whether there is nothing to route."""
        return self.serving == {ACCOUNTS} and ACCOUNTS in self.order


class Router:
    """Finds the routes of calls. Immutable, as its catalogue is."""

    def __init__(self, catalogue: Catalogue, routing: Routing | None = None) -> None:
        self.catalogue = catalogue
        self._table = table = catalogue.table
        self.routing = routing = Routing() if routing is None else routing
        offered = {name: offers for name, offers in routing.offered.items() if offers.models}
        self._offers = {name: {each.id: each for each in offers.models} for name, offers in offered.items()}
        self._known = {
            name: frozenset(self._offers.get(name) or table.official[name])
            for name in (GEMINI, VERTEX)
            if name in routing.serving and name in routing.order
        }
        self._only_accounts = routing.only_accounts
        #: names of which ``knows`` was asked, and that mean a model
        self.known: set[str] = set()
        #: the routes that name and depth alone decide on, kept from earlier calls
        self.plain: dict[tuple[str, int], tuple[Route, ...]] = {}
        self._models: dict[tuple[str, str, str], Model] = {}
        self._public: tuple[tuple[PublicModel, tuple[tuple[str, str], ...]], ...] | None = None

    def routes(self, call: Call) -> tuple[Route, ...]:
        """A route for each model of the chain that the operator wrote for the call's name; mostly one.

        Raises ModelNotFound where no upstream has a credential for it.
        """
        if call.speech is not None:
            return (self.special(call.model, "speech"),)
        if self._only_accounts:
            key = call.model, depth_of(call.reasoning)
            plain = self.plain.get(key)
            if plain is not None and can_any_serve(call):
                return plain
            if "/" not in call.model or not _pin(call.model)[0]:
                return self._of_accounts(call, key)
        chain = self.catalogue.mapped(call.model) or (call.model,)
        found = tuple(filter(None, (self._route(name, call) for name in chain)))
        if not found:
            raise ModelNotFound(self._lacking(call.model))
        return found

    def _of_accounts(self, call: Call, key: tuple[str, int]) -> tuple[Route, ...]:
        """The routes where accounts alone serve; those that only name and depth decide on are kept."""
        found: tuple[Route, ...] = tuple([(model,) for model in self.catalogue.serving(call)])
        if can_any_serve(call) and len(self.plain) < CACHED_NAMES and len(call.model) <= MAX_NAME:
            self.plain[key] = found
        return found

    def special(self, name: str, makes: Output) -> Route:
        """The models of a name that make what only those of official upstreams do: vectors, or speech.

        Raises ModelNotFound, which says what is missing.
        """
        for target in self.catalogue.mapped(name) or (name,):
            pinned, bare = _pin(target)
            plain = _plain(bare)
            order = (pinned,) if pinned else self._order(bare)
            there = (self._official(plain, each) for each in order if plain in self._known.get(each, ()))
            if found := tuple(model for model in there if model.makes == makes):
                return found
        what = _DOES[makes]
        if not self._known:
            raise ModelNotFound(f"Only official credentials can {what}: set {_MISSING[GEMINI]}.", param="model")
        every = (self._official(identity, upstream) for upstream, known in self._known.items() for identity in known)
        able = sorted({model.id for model in every if model.makes == makes})
        words = f"ask for {', '.join(able)}" if able else "no model that is offered here can"
        raise ModelNotFound(f"{name[:200]!r} can't {what}: {words}.", param="model")

    def first(self, name: str) -> Model | None:
        """The model that a name means, at the first upstream that has it; None: none has it."""
        try:
            return self.routes(Call(name, ()))[0][0]
        except ModelNotFound:
            return None

    def ids(self, upstream: str) -> Collection[str]:
        """The ids that an upstream offers, as far as is known."""
        return self.catalogue.ids if upstream == ACCOUNTS else sorted(self._known.get(upstream, ()))

    def knows(self, name: str) -> bool:
        """Whether the name means a model."""
        bare = _pin(name)[1] if "/" in name else name
        found = self.catalogue.knows(bare) or any(_plain(bare) in known for known in self._known.values())
        if found and len(self.known) < CACHED_NAMES and len(name) <= MAX_NAME:
            self.known.add(name)
        return found

    def public(self, offers: Offering = _anything) -> tuple[PublicModel, ...]:
        """Every name that model lists show, sorted. ``offers``: whether an official upstream offers an id."""
        return tuple(model for model, places in self._shown() if not places or any(offers(*each) for each in places))

    def find(self, name: str, offers: Offering = _anything) -> PublicModel | None:
        """The model of that name, listed or not; None where the name means none. ``offers`` as ``public`` has it."""
        for model, places in self._shown():
            if model.id == name:
                return model if not places or any(offers(*each) for each in places) else None
        return self.catalogue.find(name) if ACCOUNTS in self.routing.serving else None

    def _shown(self) -> tuple[tuple[PublicModel, tuple[tuple[str, str], ...]], ...]:
        """Every name that may be listed, sorted; with the official upstreams and ids that alone can serve it."""
        if self._public is None:
            ours = self.catalogue.public() if ACCOUNTS in self.routing.serving else ()
            shown: dict[str, tuple[PublicModel, tuple[tuple[str, str], ...]]] = {
                model.id: (model, ()) for model in ours
            }
            own = frozenset(shown)
            for upstream, ids in self._known.items():
                for identity in ids:
                    name = identity.replace("@", "-")
                    if name not in own:
                        model, places = shown.get(name) or (_public(name, self._official(identity, upstream)), ())
                        shown[name] = model, (*places, (upstream, identity))
            self._public = tuple(shown[name] for name in sorted(shown))
        return self._public

    def _route(self, name: str, call: Call) -> Route:
        pinned, bare = _pin(name)
        asked = replace(call, model=bare)
        ours = self.catalogue.serving(asked)[0]
        exact = None if self._draws(call, bare) else self._exact(bare, call)
        order = (pinned,) if pinned else self._order(bare)
        found: list[Model] = []
        for upstream in order:
            if upstream == ACCOUNTS and ACCOUNTS in self.routing.serving:
                if exact is None or exact in (ours.id, self._table.same.get(ours.id, ("", ""))[0]):
                    found.append(ours)
            elif upstream in self._known and (model := self._at(upstream, bare, asked, ours, exact)) is not None:
                found.append(model)
        others = tuple(model for model in found if model.upstream != ACCOUNTS)
        return others if others and call.official.keys() & _CONTENT else tuple(found)

    def _exact(self, name: str, call: Call) -> str | None:
        """The official id that a name is: then nothing but this model serves it. None: it is the id of none.

        Raises ModelNotFound for a model that can't answer in text, where text is asked for: upstream would say of it
        that it isn't there, which would be believed of it altogether.
        """
        plain = _plain(name)
        for each in (plain, self._table.claude_id(plain)):
            there = next((upstream for upstream, known in self._known.items() if each in known), None)
            if each is not None and there is not None:
                makes = self._official(each, there).makes
                if makes == "vectors":
                    raise ModelNotFound(f"{name[:200]!r} makes vectors only: ask /v1/embeddings.", param="model")
                if makes == "speech" and b"AUDIO" not in bytes(call.extra_config.get("responseModalities", b"")):
                    raise ModelNotFound(
                        f"{name[:200]!r} speaks only: ask /v1/audio/speech, or for the response modality AUDIO.",
                        param="model",
                    )
                return each
        return None

    def _draws(self, call: Call, name: str) -> bool:
        """Whether a picture is asked of a model that makes none: one that does makes it."""
        return call.output.kind == "image" and not self._table.official_model(_plain(name), GEMINI).image

    def _order(self, name: str) -> tuple[str, ...]:
        for pattern, order in self.routing.overrides:
            if fnmatchcase(name, pattern):
                return order
        return self.routing.order

    def _at(self, upstream: str, name: str, call: Call, ours: Model, exact: str | None) -> Model | None:
        """The model of that name at an official upstream, or the one that the accounts' is; None: it has neither."""
        known = self._known[upstream]
        if self._draws(call, name):
            pictures = self._table.same.get(ours.id, ("", ""))[0] if ours.image else self._table.pictures
            return self._official(pictures, upstream) if pictures in known else None
        if exact is not None:
            return self._official(exact, upstream) if exact in known else None
        if not self.catalogue.knows(name) and ACCOUNTS not in self.routing.serving:
            return None if upstream == VERTEX and GEMINI in self._known else self._newest(upstream, known)
        identity, level = self._table.same.get(ours.id, ("", ""))
        return self._official(identity, upstream, level) if identity in known else None

    def _newest(self, upstream: str, known: Collection[str]) -> Model:
        return self._official(self._table.newest_flash(sorted(known)), upstream)

    def _official(self, identity: str, upstream: str, level: str = "") -> Model:
        """The model of an id that the upstream is known to have."""
        key = (identity, upstream, level)
        found = self._models.get(key)
        if found is None:
            offer = self._offers.get(upstream, {}).get(identity)
            found = self._models[key] = self._table.official_model(identity, upstream, level, offer)
        return found

    def _lacking(self, name: str) -> str:
        pinned, bare = _pin(name)
        if pinned and pinned not in self.routing.serving:
            return f"Nobody is there for {pinned}/…: set {_MISSING[pinned]}."
        return (
            f"No upstream here has the model {bare[:200]!r}: GET /v1/models lists what there is, and "
            "PROXY_MODEL_ALIASES can give that name to one of them."
        )


def _pin(name: str) -> tuple[str, str]:
    """The upstream that a prefix pins, empty: none; and the name without it."""
    prefix, slash, rest = name.partition("/")
    return (prefix, rest) if slash and rest and prefix in UPSTREAMS else ("", name)


def _plain(name: str) -> str:
    """A name without what clients put before it."""
    return name.lower().removeprefix("models/").removeprefix("google/").removeprefix("anthropic/")


def _public(name: str, model: Model) -> PublicModel:
    return PublicModel(
        name, owner_of(name), model.display_name, model.context, model.output, model.thinking is not None
    )

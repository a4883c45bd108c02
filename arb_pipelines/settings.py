"""Settings of one installation, read from the environment and from ``.env``.

The only module that reads the environment. A strategy's parameters do not
belong here: they live in its YAML file. Nor does ``.env`` hold the second switch of live
trading, since the first one is in a file already.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from arb_pipelines.errors import ConfigError

_PREFIX = "ARB_"
#: Named like a setting, and the tests' own: where they find recorded data.
_OTHERS = frozenset({"ARB_REAL_DATA"})


class _EnvFile(DotEnvSettingsSource):
    """``.env``, in which nobody allows live trading: one commit would turn both switches."""

    def __call__(self) -> dict[str, Any]:
        found = super().__call__()
        if "allow_live" in found:
            raise ConfigError(
                "belongs in the environment of the process alone; take it out of this file",
                source=".env: ARB_ALLOW_LIVE",
            )
        return found


class Settings(BaseSettings):
    """Where things are and how much of the machine to use. Every field is ``ARB_<NAME>``."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    home: Path = Field(Path(".arb"), description="Folder of everything local.")
    lake_catalog: SecretStr | None = Field(
        None,
        description="Catalog of the lake: unset for the embedded SQLite catalog, or a Postgres "
        "connection string such as 'postgres:dbname=lake host=db user=arb'.",
    )
    lake_data: str | None = Field(
        None, description="Folder or object store of the lake's Parquet files; default home/lake."
    )
    lake_memory: str = Field(
        "3GB",
        pattern=r"^[1-9]\d*(\.\d+)? ?[KMGTkmgt]i?[Bb]$",
        description="Most memory one DuckDB connection uses, such as 3GB.",
    )
    lake_threads: int | None = Field(
        None, ge=1, le=1024, description="DuckDB threads; default all cores."
    )
    cache_gb: float = Field(
        20.0,
        gt=0,
        allow_inf_nan=False,
        description="Most disk that books shared by the trials of studies take, GB.",
    )
    cluster: str | None = Field(
        None,
        pattern=r"^(tcp|tls)://.+:\d+$",
        description="Dask scheduler that runs the trials of studies, such as tcp://10.0.0.5:8786; "
        "unset for processes of this machine.",
    )
    tardis_url: str = Field(
        "https://datasets.tardis.dev/v1", description="Base address of Tardis's CSV files."
    )
    tardis_api_key: SecretStr | None = Field(
        None, description="Tardis key; without one only the first day of a month is served."
    )
    kucoin_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Base address of KuCoin's REST API, or of a local exchange that speaks it. "
        "No default: nothing reaches the venue unless it is named.",
    )
    kucoin_entry_url: str | None = Field(
        None,
        pattern=r"^wss?://",
        description="Address of order entry by WebSocket; unset for that of a local exchange.",
    )
    kucoin_certificate: Path | None = Field(
        None,
        description="PEM file of a certificate to trust, such as the one that a local exchange "
        "made for itself.",
    )
    kucoin_key: SecretStr | None = Field(None, description="KuCoin API key.")
    kucoin_secret: SecretStr | None = Field(None, description="Secret of the KuCoin API key.")
    kucoin_passphrase: SecretStr | None = Field(
        None, description="Passphrase of the KuCoin API key."
    )
    kucoin_awake_ms: float = Field(
        10.0,
        ge=0,
        le=1000,
        description="How long the wait for KuCoin's word on an order polls before it sleeps, ms; "
        "0 for machines of one core, or a venue far away.",
    )
    ccxt_url: str | None = Field(
        None,
        pattern=r"^(https?://.+|venue)$",
        description="Base address of the exchange that ccxt is used for, such as a local one, or "
        "`venue` for the addresses that ccxt knows of it. No default.",
    )
    ccxt_key: SecretStr | None = Field(None, description="API key of the exchange behind ccxt.")
    ccxt_secret: SecretStr | None = Field(None, description="Secret of that key.")
    ccxt_passphrase: SecretStr | None = Field(
        None, description="Passphrase of that key, where the exchange has one."
    )
    max_cycles: int = Field(
        10_000_000, ge=1, description="Most cycles one universe may hold; more is refused."
    )
    strategies: Path = Field(Path("strategies"), description="Folder of the strategy files.")
    studies: Path = Field(Path("studies"), description="Folder of the study files.")
    allow_live: Literal["yes", "no"] = Field(
        "no",
        description="The second switch of live trading; the first is `mode: live` in a strategy. "
        "Taken from the environment of the process, and refused in `.env`.",
    )
    rehearse_ms: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="How often a session with nothing in flight rehearses a signal, ms, so that a "
        "true one finds everything warm; 0 for never. It takes a whole core, since what sleeps "
        "grows cold; 4 is a good choice for a machine that has one to give.",
    )
    state_key: SecretStr | None = Field(
        None,
        min_length=1,
        description="Key that encrypts the engine's state files at rest; unset for plain files. "
        "Needs the extra `encryption`.",
    )
    state_durability: Literal["process", "power"] = Field(
        "process",
        description="What a written state survives: the death of its process, or also the loss of "
        "power, which costs a flush of the disk a step.",
    )
    stuck_after_s: float = Field(
        600.0,
        gt=0,
        allow_inf_nan=False,
        description="Age at which a cycle that has not ended is told as stuck, s.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severity of what is logged."
    )
    log_json: bool = Field(False, description="Log lines as JSON instead of text.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Say where values come from, the first that has one winning."""
        return init_settings, env_settings, _EnvFile(settings_cls), file_secret_settings

    @cached_property
    def root(self) -> Path:
        """``home`` as an absolute path."""
        return self.home.expanduser().absolute()

    @property
    def landing(self) -> Path:
        """Folder in which new recordings are dropped: ``<venue>/<format>/<file>``."""
        return self.root / "landing"

    @property
    def sessions(self) -> Path:
        """Folder of the sessions, one folder each, and of the requests for them."""
        return self.root / "sessions"

    @property
    def state(self) -> Path:
        """Folder of the engine's state files, one an account."""
        return self.root / "state"


def load_settings(**overrides: object) -> Settings:
    """Read the settings.

    Raises:
        ConfigError: a variable does not parse, or ``.env`` has one that it may not; the
            message names it.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = _PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        raise ConfigError(first["msg"], source=name) from None


def unknown_names() -> dict[str, str | None]:
    """Find names in the environment and in ``.env`` that look like settings and are none.

    They are ignored, since other programs may have names of this form. Each comes with the
    setting that is spelt most like it, if one is near.
    """
    known = [f"{_PREFIX}{name.upper()}" for name in Settings.model_fields]
    given = {*EnvSettingsSource(Settings).env_vars, *_EnvFile(Settings).env_vars}
    unknown = {name for name in map(str.upper, given) if name.startswith(_PREFIX)} - _OTHERS.union(
        known
    )
    return {
        name: next(iter(get_close_matches(name, known, n=1, cutoff=0.8)), None)
        for name in sorted(unknown)
    }

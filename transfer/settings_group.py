"""What all groups of settings share: where they are read from, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from transfer import env_file
from transfer.errors import SettingsError

ROOT = Path(__file__).resolve().parent.parent
ENV_FILE = ROOT / ".env"


class Group(BaseSettings):
    """A group of settings, from the environment and `.env`."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding=env_file.ENCODING,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        env_ignore_empty=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the file as it stands."""
        given = cast(DotEnvSettingsSource, dotenv_settings)
        file = env_file.File(
            settings_cls, env_file=given.env_file, env_file_encoding=given.env_file_encoding
        )
        return init_settings, env_settings, file, file_secret_settings

    @field_validator("*", mode="before")
    @classmethod
    def _is_text(cls, value: object) -> object:
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("it has bytes that are no UTF-8")
        return value

    @classmethod
    def read(cls) -> Any:
        """Read the group, or say which variable is missing or wrong."""
        env_file.names(ENV_FILE)
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError(
                env_file.sentence(str(cls.model_config["env_prefix"]), error)
            ) from None

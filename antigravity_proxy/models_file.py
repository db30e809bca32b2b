"""The operator's file of models: the bundled table as it corrects that. Blocking reads."""

from __future__ import annotations

from pathlib import Path

from antigravity_proxy.canonical.model_file import BUNDLED, MAX_FILE, ModelsError, parse
from antigravity_proxy.canonical.model_table import ModelTable
from antigravity_proxy.volume import files


class ModelsFile:
    """Reads the file whenever asked; ``path`` None: there is none, so the bundled table counts."""

    def __init__(self, path: str | None) -> None:
        self.path = None if path is None else Path(path)
        self._text: str | None = None
        self._table = BUNDLED

    def read(self) -> ModelTable:
        """The table; parsed only where the text is another than before. Raises ModelsError."""
        if self.path is None:
            return BUNDLED
        try:
            text = files.text(self.path, MAX_FILE)
        except files.Unreadable as e:
            raise ModelsError(str(e)) from None
        if text != self._text:
            self._table = parse(text)
            self._text = text
        return self._table

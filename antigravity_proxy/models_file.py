"""The operator's file of models: the bundled table as it corrects that. Blocking reads."""

from __future__ import annotations

from pathlib import Path

from antigravity_proxy.canonical.model_file import BUNDLED, MAX_FILE, ModelsError, parse
from antigravity_proxy.canonical.model_table import ModelTable
from antigravity_proxy.volume import files


class ModelsFile(files.Derived[ModelTable]):
    """Reads the file whenever asked; ``path`` None: there is none, so the bundled table counts."""

    def __init__(self, path: str | None) -> None:
        super().__init__(self._table)
        self.path = None if path is None else Path(path)

    def _table(self, read: files.Read) -> ModelTable:
        if self.path is None:
            return BUNDLED
        try:
            return parse(files.text(self.path, MAX_FILE, read))
        except files.Unreadable as e:
            raise ModelsError(str(e)) from None

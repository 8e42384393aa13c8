"""Loading of the live object behind a reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.domain.errors import FileWithheld
from modelyard.sdk.loaded import note_loaded
from modelyard.sdk.progress import Progress
from modelyard.sdk.pull import Pulled, pull_version
from modelyard.sdk.savers.base import LOADER_FILE
from modelyard.sdk.session import Session

if TYPE_CHECKING:
    from modelyard.sdk.savers.base import Trust


def load(  # noqa: D417
    session: Session,
    /,
    ref: str,
    *,
    trust: Trust = False,
    check: bool = True,
    progress: Progress | None = None,
    **options: Any,
) -> Any:
    """Load the live object that was pushed. Without trust, no code in its files is run.

    Args:
        ref: A version: `namespace/name` with `:12`, `@alias` or `@sha256:…`; with none of these, the newest
            ready version.
        trust: False: no pickle. True: a pickle that only rebuilds data, by the rules of the registry's scan.
            A list of names (`["my_corp.utils.Helper"]`): these names too. `"unsafe"`: run any code in the
            file.
        check: If the version has a signature, make `predict` check its input and name a column that does
            not fit (SignatureMismatch).
        progress: Receives each phase and the bytes moved; None: no progress is reported.
        options: Other arguments of the saver that reads the files.

    Returns:
        The object, for example a fitted estimator.

    Raises:
        UntrustedModel: The files run code, and `trust` does not allow it.
        NoSaver: No saver on this machine reads this kind of model.
        FileWithheld: A file that is needed is withheld.
        TermsNotAccepted: The model has terms of use that your account has not accepted.
        VersionNotFound: There is no such version, or you may not see it.

    Example:
        >>> model = my.load("fraud/scorer@champion")
        >>> model.predict(frame)
    """
    from modelyard.sdk.savers import load_model

    with session.cache.workspace() as folder:
        pulled = pull_version(session, ref, folder, link=True, progress=progress)
        refuse_lost(pulled)
        model = load_model(pulled.folder, trust=trust, check=check, **options)
    note_loaded(model, pulled.version.reference, str(pulled.version.digest))
    return model


def refuse_lost(pulled: Pulled) -> None:
    """Refuse a folder whose loader, or a file that it names, is withheld. Raises FileWithheld."""
    needed = {LOADER_FILE, *_named_files(pulled.folder / LOADER_FILE)} if pulled.left_out else set()
    for file in pulled.left_out:
        if file.path in needed:
            raise FileWithheld(
                path=file.path,
                reference=pulled.version.reference,
                by=file.by,
                at=file.at,
                event=file.event,
                reason=file.reason,
                fix=f"It cannot be loaded without that file; load another version: modelyard ls {pulled.version.model}",
            )


def _named_files(loader: Path) -> list[str]:
    """Return the files that the loader names; none if it cannot be read, which loading explains better."""
    try:
        value = json.loads(loader.read_bytes())
    except (OSError, ValueError, RecursionError):
        return []
    files = value.get("files") if isinstance(value, dict) else None
    return [file for file in files if isinstance(file, str)] if isinstance(files, list) else []

"""Only queries know how a column is stored: they decode its JSON, and doors never reach past the use cases to them."""

from __future__ import annotations

import ast
import configparser
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "src" / "modelyard"

# Files next to the queries that decode JSON all the same, each with its reason.
DECODES = {
    "registry/idempotency/__init__.py": "the whole feature is the SQL of one table",
    "registry/line_process.py": "a line from a child process",
    "registry/oidc/providers.py": "answers of providers and tokens, which come from elsewhere",
    "registry/promotion/cel_worker.py": "a line from its parent process",
    "registry/redaction/rules.py": "rewrites the stored text of any column, and keeps the rest of it",
    "registry/redaction/leaving.py": "rewrites the stored text of events, and keeps the rest of it",
    "registry/deployments/nouns.py": "the state that a target reported, in the form that both share",
    "registry/jobs/nouns.py": "the payload of a job, by the kind of work that knows its form",
    "registry/audit/proofs.py": "the lines of a proof, which a page shows in parts",
    "registry/audit/rows.py": "keys that it wrote itself into a table of its own",
    "registry/scan/child.py": "a line from its parent process",
    "registry/scan/process.py": "a line from a child process",
    "registry/scan/rules.py": "what a scan found in a file, written and read in one place",
}


def decoders(path: Path) -> list[str]:
    """The calls in a file that turn JSON text into values."""
    calls = [ast.unparse(n.func) for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    return [call for call in calls if call in {"json.loads", "load_json", "load_noun", "msgspec.json.decode"}]


def test_json_columns_are_decoded_by_queries_alone() -> None:
    files = [*SOURCE.glob("registry/**/*.py"), *SOURCE.glob("api/**/*.py"), *SOURCE.glob("web/**/*.py")]
    found = {
        str(path.relative_to(SOURCE)) for path in files if not path.stem.endswith("queries") and decoders(path)
    }
    # A page that signs in reads its own sealed cookie.
    assert found - {"web/oidc.py"} == set(DECODES)


def test_the_contract_for_doors_knows_every_file_of_queries() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    forbidden = contracts["importlinter:contract:doors-and-queries"]["forbidden_modules"].split()
    stems = {path.stem for path in SOURCE.glob("registry/*/*queries.py")}
    assert set(forbidden) == {f"modelyard.registry.*.{stem}" for stem in stems}


def test_nouns_have_no_sql() -> None:
    for path in SOURCE.glob("registry/*/nouns.py"):
        imported = [
            getattr(node, "module", None) or ""
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom | ast.Import)
        ]
        assert not [name for name in imported if name.endswith("queries") or name.startswith("sqlalchemy")], (
            path
        )

"""Cards by the client and the command line."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.registry import unique
from tests.support.server import RunningServer


def test_a_card_from_template_to_diff(server: RunningServer, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"weights")
    (folder / "README.md").write_text("# From the files\n\nwords\n")
    with server.client() as client:
        made = client.push(folder, f"{unique('cards')}/scorer", capture=False, metrics={"f1": 0.5})
        ref = made.reference
        assert client.card(ref).number == 0
        text = client.card_template(ref)
        assert "f1" in text
        assert client.set_card(ref, text).number == 1
        assert "-# From the files" in client.cards.diff(ref)
    assert server.run("card", "template", ref).stdout == text.rstrip("\n") + "\n"
    checked = server.run("card", "check", ref)
    assert checked.returncode == 1
    assert "limitations\tempty" in checked.stdout
    editor = tmp_path / "editor.py"
    editor.write_text(
        "import sys, pathlib\np = pathlib.Path(sys.argv[1])\n"
        "p.write_text(p.read_text() + '\\n## Extra\\n\\nwritten in an editor\\n')\n"
    )
    edited = server.run("card", "edit", ref, env={"EDITOR": f"{sys.executable} {editor}"})
    assert edited.returncode == 0, edited.stderr
    assert "+written in an editor" in server.run("card", "diff", ref).stdout
    assert len(server.run("card", "history", ref).stdout.splitlines()) == 2
    assert "<h2>Extra</h2>" in server.run("card", "show", ref, "--html").stdout
    assert server.run("card", "show", ref, "--number", "0").stdout.startswith("# From the files")


def test_how_to_cite_a_version(server: RunningServer, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"weights")
    with server.client() as client:
        ref = client.push(folder, f"{unique('cite')}/scorer", capture=False).reference
        generated = server.run("cite", ref)
        assert generated.returncode == 0, generated.stderr
        assert "@misc{" in generated.stdout
        assert f"modelyard card edit {ref}" in generated.stderr
        client.set_card(ref, "---\nlicense: mit\n---\n# M\n\n## Citation\n\nDoe (2026). Scorer.\n")
    cited = server.run("cite", ref)
    assert cited.stdout == "Doe (2026). Scorer.\n"
    assert "Licence: MIT" in cited.stderr
    without = server.run("cite", ref, "--bibtex")
    assert (without.returncode, without.stdout) == (1, "")
    assert "no BibTeX entry" in without.stderr
    shown = dict(line.split("\t", 1) for line in server.run("show", ref).stdout.splitlines())
    assert (shown["licence"], shown["citation"]) == ("MIT", "Doe (2026). Scorer.")

"""Copy the browser's libraries, fonts and icons into the package: python tools/vendor.py

Needs npm. What it writes is committed, so neither an installation nor the tests need it. Versions and digests come from
`src/modelyard/web/package-lock.json`.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

WEB = Path(__file__).resolve().parent.parent / "src" / "modelyard" / "web"
VENDOR = WEB / "static" / "vendor"

FILES: dict[str, tuple[str, ...]] = {
    "htmx.org": ("dist/htmx.min.js", "dist/ext/hx-sse.min.js"),
    "uplot": ("dist/uPlot.iife.min.js", "dist/uPlot.min.css"),
    "@fontsource-variable/inter": ("files/inter-latin-wght-normal.woff2",),
    "@fontsource-variable/jetbrains-mono": ("files/jetbrains-mono-latin-wght-normal.woff2",),
}
ICONS = (
    "activity archive arrow-right bell box check chevron-right circle-alert circle-check circle-dashed circle-slash circle-x clock "
    "copy database download file git-commit-horizontal git-compare-arrows git-pull-request-arrow house key-round lock "
    "log-in log-out message-square moon package play plus rocket rotate-ccw scroll-text search settings shield-alert "
    "sliders-horizontal star sun trending-up undo-2 user users x"
).split()


def main() -> None:
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=WEB, check=True)
    shutil.rmtree(VENDOR, ignore_errors=True)
    modules = WEB / "node_modules"
    listed = []
    for package, files in FILES.items():
        listed += _copy(modules / package, files)
    sprite = _sprite(modules / "lucide-static")
    listed += [sprite, *_copy(modules / "lucide-static", ())]
    (VENDOR / "vendor.json").write_text(json.dumps(sorted(listed, key=lambda x: x["file"]), indent=1) + "\n")
    shutil.rmtree(modules)


def _copy(package: Path, files: tuple[str, ...]) -> list[dict[str, str]]:
    about = json.loads((package / "package.json").read_text())
    name = about["name"].rsplit("/", 1)[-1]
    folder = VENDOR / f"{name}-{about['version']}"
    folder.mkdir(parents=True, exist_ok=True)
    licence = next(p for p in package.iterdir() if p.name.lower().startswith("licen"))
    listed = []
    for source in (*(package / file for file in files), licence):
        target = folder / ("LICENSE" if source == licence else source.name)
        shutil.copyfile(source, target)
        target.chmod(0o644)
        listed.append(_entry(about, target))
    return listed


def _sprite(package: Path) -> dict[str, str]:
    """One file with the icons that pages use."""
    about = json.loads((package / "package.json").read_text())
    symbols = []
    for name in ICONS:
        text = (package / "icons" / f"{name}.svg").read_text()
        drawing = re.sub(r"\s*\n\s*", "", text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")])
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{drawing}</symbol>')
    target = VENDOR / f"lucide-static-{about['version']}" / "icons.svg"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(symbols)}</svg>\n')
    return _entry(about, target)


def _entry(about: dict[str, str], file: Path) -> dict[str, str]:
    return {
        "package": about["name"],
        "version": about["version"],
        "licence": about["license"],
        "file": str(file.relative_to(VENDOR)),
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }


if __name__ == "__main__":
    main()

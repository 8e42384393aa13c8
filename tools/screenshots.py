"""Take the pictures in docs/ui: every page of a registry filled by `modelyard demo`, light, dark and on a phone.

`make screenshots` calls it. It needs Chromium of the system's packages and the extras of the tests.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402
from tests.doors.test_browser import NO_OTHER_HOST, PROGRAM  # noqa: E402
from tests.support.demo_pages import PAGES, fill, fill_builds  # noqa: E402
from tests.support.server import running_server  # noqa: E402

SHAPES = {"light": ("light", 1440, 900), "dark": ("dark", 1440, 900), "phone": ("light", 390, 844)}


def main(folder: Path, only: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work, running_server() as server, sync_playwright() as playwright:
        paths = fill(server, Path(work)) | fill_builds(server.client(), Path(work))
        browser = playwright.chromium.launch(
            executable_path=PROGRAM, args=["--no-sandbox", "--disable-gpu", NO_OTHER_HOST]
        )
        for shape, (theme, width, height) in SHAPES.items():
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="light")
            context.add_cookies([{"name": "modelyard_theme", "value": theme, "url": server.url}])
            page = context.new_page()
            with server.client() as client:
                page.goto(client.accounts.sign_in_link("mara"))
            page.get_by_role("button", name="Sign in with this link").click()
            for name, path in {**PAGES, **paths}.items():
                if only in name:
                    page.goto(server.url + path)
                    # As high as the page, so that what stays at the edge of the screen covers nothing.
                    tall = page.evaluate("() => document.documentElement.scrollHeight")
                    page.set_viewport_size({"width": width, "height": max(height, tall)})
                    picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
                    # 200 colours are enough for pages, and take a third of the space.
                    page.set_viewport_size({"width": width, "height": height})
                    picture.quantize(200).save(folder / f"{name}-{shape}.png", optimize=True)
            context.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "ui", *sys.argv[2:3])

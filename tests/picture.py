"""Takes the picture of the practice report that README.md shows: `make picture`, after `make demo`."""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from headless import browsing

from deployments import browser
from tasks.report.practice_report import FILE

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "practice.png"
WIDTH, HEIGHT = 1_100, 516


def main() -> None:
    if not FILE.exists():
        sys.exit(f"There is no {FILE}: run make demo first.")
    program = browser.find()
    if program is None:
        sys.exit("No Chromium was found, and none could be fetched.")
    variables = {**os.environ, **browser.variables()}
    with TemporaryDirectory() as folder, browsing(program, variables, Path(folder)) as page:
        page.open(FILE, WIDTH, height=HEIGHT)
        page.picture(PICTURE, whole=False)
    print(PICTURE)


if __name__ == "__main__":
    main()

"""A headless Chromium for the tests of the report.

It is the machine's own, or Debian's, unpacked into a folder of the project.
"""

import re
import shutil
import subprocess
from pathlib import Path

from deployments.installation import PACKAGES, lock_packages
from deployments.packages import Apt, Program, say

NAMES = ("chromium-headless-shell", "chromium", "google-chrome", "google-chrome-stable")
PACKAGE = "chromium-headless-shell"
# Character tables and a font: it needs them, and they are not libraries.
EXTRAS = ("chromium-common", "fonts-dejavu-core")
# Big, and used only by graphics cards, windows and other programs.
UNUSED = re.compile(r"libgl1-mesa-dri$|libllvm|libz3|libicu")
UNUSED_FILES = (
    "usr/share/doc",
    "usr/share/locale",
    "usr/lib/chromium/[lr]*",
    "usr/lib/chromium/chrome_*",
)
HOME = PACKAGES / "browser"


def find() -> Program | None:
    """Return the browser, fetched now if need be: 10 s, 80 MB to fetch, 250 MB on the disk."""
    paths = [Path(path) for name in NAMES if (path := shutil.which(name))]
    # One from a snap sees neither our files nor a profile under /tmp.
    usable = [path for path in paths if "snap" not in path.resolve().parts]
    if usable:
        return Program(usable[0])
    with lock_packages():
        return _find_unpacked() or _fetch()


def variables() -> dict[str, str]:
    """Return the environment variables that tell an unpacked browser where its fonts are."""
    settings = HOME / "fonts.conf"
    return {"FONTCONFIG_FILE": str(settings)} if settings.exists() else {}


def _find_unpacked() -> Program | None:
    libraries = sorted(path for path in HOME.glob("**/*-linux-*") if path.parent.name == "lib")
    private = [path for library in libraries for path in library.glob("pulseaudio")]
    program = Program(HOME / "usr/lib/chromium" / PACKAGE, (*libraries, *private))
    return program if program.path.exists() and program.loads() else None


def _fetch() -> Program | None:
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return None
    say(f"fetching {PACKAGE} and what it needs from this machine's package sources into {HOME}")
    apt = Apt(PACKAGES / "apt")
    package = apt.search(PACKAGE)
    if not package:
        return None
    libraries = [name for name in apt.libraries(package) if not UNUSED.match(name)]
    for file in apt.download([package, *EXTRAS, *libraries]):
        subprocess.run(["dpkg-deb", "-x", file, HOME], check=True)
        file.unlink()
    shutil.rmtree(PACKAGES / "apt")
    for unused in (path for pattern in UNUSED_FILES for path in HOME.glob(pattern)):
        shutil.rmtree(unused) if unused.is_dir() else unused.unlink()
    (HOME / "fonts.conf").write_text(FONTS.format(home=HOME))
    return _find_unpacked()


FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir>
  <dir>{home}/usr/share/fonts</dir>
  <cachedir>{home}/fonts.cache</cachedir>
  <match target="pattern">
    <edit name="family" mode="append_last"><string>DejaVu Sans</string></edit>
  </match>
</fontconfig>
"""

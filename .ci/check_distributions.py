"""Check the files in the sdist and the wheel.

Usage: python .ci/check_distributions.py DIST WHEEL_OF_CHECKOUT

DIST contains an sdist and the wheel built from it; WHEEL_OF_CHECKOUT contains a wheel built from
the checkout.
"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
# Added by the build backend, or only for the development in the repository.
GENERATED = {"PKG-INFO"}
NOT_IN_SDIST = (".ci/", ".github/", ".pre-commit-config.yaml")


def read_wheel(folder: Path) -> dict[str, bytes]:
    """Return the content of the files of the only wheel in a folder."""
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def read_sdist(folder: Path) -> set[str]:
    """Return the files of the only sdist in a folder, without the first directory."""
    (path,) = folder.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        files = [PurePosixPath(member.name) for member in archive if member.isfile()]
    return {str(PurePosixPath(*file.parts[1:])) for file in files}


def tracked_files() -> set[str] | None:
    """Return the files in the repository that git tracks; None outside a repository."""
    command = ["git", "ls-files", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return {name for name in done.stdout.split("\0") if name} if done.returncode == 0 else None


def main() -> None:
    """Exit with an error that names the files which are missing or should not be there."""
    dist, checkout = map(Path, sys.argv[1:])
    wheel, tracked = read_wheel(dist), tracked_files()
    if wheel != read_wheel(checkout):
        sys.exit("The wheel built from the sdist differs from the one built from the checkout.")
    if tracked is None:
        print("Not a git repository: the files are not compared with those that git tracks.")
        return
    package = {name for name in wheel if ".dist-info/" not in name}
    expected = {name for name in tracked if name.startswith("sklstm/")}
    if package != expected or "sklstm/py.typed" not in package:
        sys.exit(f"The wheel has missing or additional files: {sorted(package ^ expected)}")
    sdist = read_sdist(dist) - GENERATED
    expected = {name for name in tracked if not name.startswith(NOT_IN_SDIST)}
    if sdist != expected:
        sys.exit(f"The sdist has missing or additional files: {sorted(sdist ^ expected)}")
    print(f"{len(package)} files in the wheel, {len(sdist)} in the sdist")


if __name__ == "__main__":
    main()

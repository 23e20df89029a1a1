"""Downloads, from git repositories made here: whole, cut, killed, damaged, resumed."""

import logging
import os
import shutil
import stat
import subprocess
import sys
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from helpers import downloads, repositories
from helpers.downloads import SOURCES, DownloadError, fetch, main

posix = pytest.mark.skipif(os.name != "posix", reason="cuts the transfer with a shell script")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def own_git_settings(tmp_path, monkeypatch):
    """Keep git from the settings of whoever runs the tests, and its files small."""
    settings = tmp_path / "gitconfig"
    settings.write_text("[user]\n\tname = A\n\temail = a@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setattr(repositories, "_BATCH", 4)
    return settings


@pytest.fixture
def published(tmp_path, monkeypatch) -> Path:
    """Stand in for the publisher: three commits, of which the middle one is meant."""
    folder = tmp_path / "published"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=master")
    git(folder, "config", "uploadpack.allowFilter", "true")
    contents = {
        "metadata.csv": [b"old\n", b"patientid,survival\r\n1,Y\r\n", b"new\n"],
        "README.md": [b"read me\n", b"read me, please\n", b"do not\n"],
    }
    for step in range(3):
        for name, versions in contents.items():
            (folder / name).write_bytes(versions[step])
        (folder / "images").mkdir(exist_ok=True)
        for number in range(10):
            noise = bytes((step * 37 + number * 11 + at * at) % 251 for at in range(3000))
            (folder / "images" / f"film {step} {number}.png").write_bytes(noise)
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", f"step {step}")
    commit = git(folder, "rev-parse", "HEAD~1")
    use(monkeypatch, folder, commit)
    return folder


def use(monkeypatch, folder: Path, commit: str) -> None:
    source = replace(SOURCES["ieee8023"], url=str(folder), commit=commit, megabytes=1)
    monkeypatch.setitem(downloads.SOURCES, "ieee8023", source)


def expected(published: Path) -> dict[str, bytes]:
    """Return the files of the commit that is meant, by a way that shares nothing with `fetch`."""
    copy = published.parent / "expected"
    if not copy.exists():
        git(published.parent, "clone", "--quiet", str(published), str(copy))
        git(copy, "checkout", "--quiet", "HEAD~1")
    return {name: data for name, data in contents(copy).items() if not name.startswith(".git")}


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def leftovers(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()} - {".ieee8023.lock"}


def hook(settings: Path, script: str) -> None:
    """Let every transfer from a repository on this machine go through a shell script."""
    program = settings.with_name("hook.sh")
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    with settings.open("a") as file:
        file.write(f"[uploadpack]\n\tpackObjectsHook = {program}\n")


def test_gives_exactly_the_files_of_the_commit(published, tmp_path, capsys):
    root = tmp_path / "real"
    folder = fetch("ieee8023", root)
    assert folder == root / "ieee8023"
    assert contents(folder) == expected(published)
    assert leftovers(root) == {"ieee8023"}
    assert "22/22" in capsys.readouterr().err  # files, of both steps


def test_returns_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)  # even without git
    (tmp_path / "hannover").mkdir()
    (tmp_path / "hannover" / "data.csv").write_text("mine")
    assert fetch("hannover", tmp_path) == tmp_path / "hannover"
    assert contents(tmp_path / "hannover") == {"data.csv": b"mine"}
    (tmp_path / "segmentations").mkdir()
    (tmp_path / "segmentations" / "notes.txt").write_text("mine")
    with pytest.raises(DownloadError, match=r"but not structure\.csv.*move them away"):
        fetch("segmentations", tmp_path)
    assert contents(tmp_path / "segmentations") == {"notes.txt": b"mine"}


def test_fills_an_empty_folder(published, tmp_path):
    (tmp_path / "ieee8023").mkdir()
    assert contents(fetch("ieee8023", tmp_path, progress=False)) == expected(published)


def test_silent_on_request(published, tmp_path, capfd):
    fetch("ieee8023", tmp_path / "real", progress=False)
    assert capfd.readouterr() == ("", "")


def test_mirror(published, tmp_path, monkeypatch):
    mirror = tmp_path / "mirror.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(published), str(mirror))
    commit = SOURCES["ieee8023"].commit
    use(monkeypatch, tmp_path / "gone", commit)
    folder = fetch("ieee8023", tmp_path / "real", url=str(mirror), progress=False)
    assert contents(folder) == expected(published)


def test_server_that_knows_no_filters(published, tmp_path):
    git(published, "config", "uploadpack.allowFilter", "false")
    folder = fetch("ieee8023", tmp_path / "real", progress=False)
    assert contents(folder) == expected(published)


@pytest.mark.parametrize("steps_back", [0, 1, 2])
def test_short_commit_is_completed(published, tmp_path, monkeypatch, steps_back):
    commit = git(published, "rev-parse", f"HEAD~{steps_back}")
    use(monkeypatch, published, commit[:7])
    folder = fetch("ieee8023", tmp_path / "real", progress=False)
    metadata = git(published, "show", f"{commit}:README.md")
    assert (folder / "README.md").read_text().strip() == metadata


def test_short_commit_that_fits_none_or_several(published, tmp_path, monkeypatch):
    use(monkeypatch, published, "0123456789")
    with pytest.raises(DownloadError, match="begins with 0123456789, found 0"):
        fetch("ieee8023", tmp_path / "real", progress=False)
    use(monkeypatch, published, "")
    with pytest.raises(DownloadError, match="begins with , found 3"):
        fetch("ieee8023", tmp_path / "real2", progress=False)


def test_wrong_commit(published, tmp_path, monkeypatch):
    use(monkeypatch, published, "1234567890" * 4)
    with pytest.raises(DownloadError, match=r"commit is not to be had at .*published"):
        fetch("ieee8023", tmp_path / "real", progress=False)
    assert not (tmp_path / "real" / "ieee8023").exists()


def test_mirror_with_other_contents(published, tmp_path):
    """A mirror cannot give other files: under the pinned name it has nothing to offer."""
    (published / "metadata.csv").write_text("forged\n")
    git(published, "checkout", "--quiet", "--orphan", "forged")
    git(published, "commit", "--quiet", "--all", "--message", "forged")
    forged = tmp_path / "forged.git"
    git(
        tmp_path,
        "clone",
        "--quiet",
        "--bare",
        "--single-branch",
        f"file://{published}",
        str(forged),
    )
    with pytest.raises(DownloadError, match="commit is not to be had"):
        fetch("ieee8023", tmp_path / "real", url=f"file://{forged}", progress=False)


def test_no_repository_and_no_network(published, tmp_path):
    with pytest.raises(DownloadError, match=r"no repository to be had at .*nowhere"):
        fetch("ieee8023", tmp_path / "real", url=str(tmp_path / "nowhere"), progress=False)
    unreachable = "http://127.0.0.1:9/x.git"
    with pytest.raises(DownloadError, match="connection failed or was cut"):
        fetch("ieee8023", tmp_path / "real", url=unreachable, progress=False)


def test_no_git_and_old_git(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "which", lambda _: None)
        with pytest.raises(DownloadError, match="git was not found; install"):
            fetch("ieee8023", tmp_path)
    monkeypatch.setattr(repositories, "_OLDEST_GIT", (99, 0))
    with pytest.raises(DownloadError, match=r"Expected git 99\.0 or newer, found \d"):
        fetch("ieee8023", tmp_path)


def test_too_little_disk(published, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 5_000_000, 5_000_000))
    with pytest.raises(DownloadError, match="Expected 102 MB of free disk, found 5 MB"):
        fetch("ieee8023", tmp_path / "real", progress=False)
    assert leftovers(tmp_path / "real") == set()


def test_two_at_once(published, tmp_path):
    root = tmp_path / "real"
    root.mkdir()
    with (
        FileLock(root / ".ieee8023.lock"),
        pytest.raises(DownloadError, match="at work there"),
    ):
        fetch("ieee8023", root, progress=False)


def test_unknown_and_sbu(tmp_path):
    with pytest.raises(ValueError, match=r"expected one of ieee8023.*got 'padchest'"):
        fetch("padchest", tmp_path)
    with pytest.raises(DownloadError) as caught:
        fetch("sbu", tmp_path)
    for part in (
        "10.7937/TCIA.BBAG-2923",
        "by\nhand",
        "deidentified_overlap_tcia.csv.cleaned.csv_20210806.csv",
        str(tmp_path / "sbu"),
    ):
        assert part in str(caught.value)
    assert not (tmp_path / "sbu").exists()  # an empty folder would hide the phantoms


@posix
def test_cut_connection_goes_on_where_it_was(published, tmp_path, own_git_settings):
    root, count = tmp_path / "real", tmp_path / "count"
    # Of the third transfer (the second batch of files) only the beginning arrives.
    hook(
        own_git_settings,
        f'echo x >> "{count}"; if [ $(wc -l < "{count}") = 3 ]; then "$@" | head -c 2000; exit 1; '
        'else exec "$@"; fi',
    )
    with pytest.raises(DownloadError, match=r"cut\. What arrived is kept: start again to go on"):
        fetch("ieee8023", root, progress=False)
    assert leftovers(root) == {".ieee8023.partial"}
    count.write_text("x\n" * 10)
    assert contents(fetch("ieee8023", root, progress=False)) == expected(published)
    assert leftovers(root) == {"ieee8023"}
    # 22 files in batches of 4, of which one had arrived: 5 more, after at most one for the list.
    assert len(count.read_text().splitlines()) - 10 <= 6


@posix
@pytest.mark.parametrize("transfer", [1, 2, 4])
def test_killed_fetch_goes_on(published, tmp_path, own_git_settings, transfer):
    root, count = tmp_path / "real", tmp_path / "count"
    hook(
        own_git_settings,
        f'echo x >> "{count}"; if [ $(wc -l < "{count}") = {transfer} ]; then exec sleep 20; '
        'else exec "$@"; fi',
    )
    script = (
        "import sys; from helpers import downloads, repositories; repositories._BATCH = 4;"
        "source = downloads.Source(sys.argv[1], sys.argv[2], 'metadata.csv', 1);"
        "downloads.SOURCES['ieee8023'] = source; downloads.fetch('ieee8023', sys.argv[3])"
    )
    arguments = [str(published), SOURCES["ieee8023"].commit, str(root)]
    run = subprocess.Popen([sys.executable, "-c", script, *arguments], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not (count.exists() and len(count.read_text().splitlines()) >= transfer):
        assert time.monotonic() < deadline
        assert run.poll() is None
        time.sleep(0.01)
    run.kill()
    run.wait()
    assert not (root / "ieee8023").exists()
    # What a git that was killed at a worse moment leaves as well.
    contents_folder = root / ".ieee8023.partial" / "contents"
    for name in ("shallow.lock", "config.lock", "objects/pack/tmp_pack_x", "index.lock"):
        (contents_folder / name).write_bytes(b"x")
    assert contents(fetch("ieee8023", root, progress=False)) == expected(published)
    assert leftovers(root) == {"ieee8023"}


def partial_with_everything(root: Path, monkeypatch) -> Path:
    """Fetch until all contents are there and only the writing of files remains."""
    with monkeypatch.context() as patch:

        def cut(*_):
            raise KeyboardInterrupt

        patch.setattr(repositories.Repository, "check_out", cut)
        with pytest.raises(KeyboardInterrupt):
            fetch("ieee8023", root, progress=False)
    return root / ".ieee8023.partial"


def damage(packs: Path) -> None:
    """Change a byte in the middle of the largest pack."""
    pack = max(packs.glob("*.pack"), key=lambda path: path.stat().st_size)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 0xFF
    pack.chmod(0o600)
    pack.write_bytes(data)


def test_files_of_a_cut_writing_are_written_anew(published, tmp_path, monkeypatch):
    partial = partial_with_everything(tmp_path, monkeypatch)
    (partial / "files" / "images").mkdir(parents=True)
    (partial / "files" / "images" / "film 1 0.png").write_bytes(b"half")
    (partial / "files" / "stray.txt").write_bytes(b"stray")
    assert contents(fetch("ieee8023", tmp_path, progress=False)) == expected(published)


def test_damage_on_disk_is_found_before_going_on(published, tmp_path, monkeypatch, caplog):
    partial = partial_with_everything(tmp_path, monkeypatch)
    damage(partial / "contents" / "objects" / "pack")
    with caplog.at_level(logging.WARNING):
        assert contents(fetch("ieee8023", tmp_path, progress=False)) == expected(published)
    assert "damaged; starting again" in caplog.text


def test_damage_before_writing_is_found(published, tmp_path, monkeypatch):
    whole = repositories.Repository.check_out

    def damaged(self, commit, files):
        damage(self.folder / "objects" / "pack")
        whole(self, commit, files)

    with monkeypatch.context() as patch:
        patch.setattr(repositories.Repository, "check_out", damaged)
        with pytest.raises(DownloadError, match="does not match git's hashes and was removed"):
            fetch("ieee8023", tmp_path / "real", progress=False)
    assert not (tmp_path / "real" / "ieee8023").exists()
    assert contents(fetch("ieee8023", tmp_path / "real", progress=False)) == expected(published)


def test_damaged_publisher(published, tmp_path):
    """A server whose own objects are damaged gives an error, and no files."""
    git(published, "gc", "--quiet")
    damage(published / ".git" / "objects" / "pack")
    with pytest.raises(DownloadError):
        fetch("ieee8023", tmp_path / "real", progress=False)
    assert not (tmp_path / "real" / "ieee8023").exists()


def test_not_led_astray_by_the_environment(published, tmp_path, monkeypatch):
    """Inside a git hook these variables point at another repository."""
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "other-index"))
    folder = fetch("ieee8023", tmp_path / "real", progress=False)
    monkeypatch.undo()
    assert contents(folder) == expected(published)
    assert not (tmp_path / "other").exists()


def test_command_line(published, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    with pytest.raises(SystemExit) as caught:
        main(["ieee8023", "--root", str(tmp_path / "real"), "--url", str(published)])
    assert caught.value.code == 0
    assert contents(tmp_path / "real" / "ieee8023") == expected(published)
    assert "ieee8023 is in" in caplog.text
    with pytest.raises(SystemExit) as caught:
        main(["sbu", "ieee8023", "--root", str(tmp_path / "real")])
    assert caught.value.code == 1
    assert "TCIA" in caplog.text
    for wrong in (["ieee8023", "hannover", "--url", "x"], ["padchest"], []):
        with pytest.raises(SystemExit) as caught:
            main(wrong)
        assert caught.value.code == 2

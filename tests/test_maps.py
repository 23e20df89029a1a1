"""The maps of the folders: every module once and nothing else, commands as such, pages there."""

import re

import pytest

from helpers.paths import PROJECT

LISTED = re.compile(r"^(?:\* |\| )\[(\w+)\]\((\w+\.py)\)(?::? \S|, )", re.MULTILINE)


def read(folder: str) -> str:
    return (PROJECT / folder / "README.md").read_text(encoding="utf-8")


def modules(folder: str) -> list[str]:
    paths = (PROJECT / folder).glob("*.py")
    return sorted(path.stem for path in paths if path.stem != "__init__")


@pytest.mark.parametrize("folder", ["helpers", "benchmarks"])
def test_a_map_lists_every_module_once_and_nothing_else(folder):
    listed = LISTED.findall(read(folder))
    assert sorted(name for name, _ in listed) == modules(folder)
    assert all(file == f"{name}.py" for name, file in listed)
    assert len(re.findall(r"\]\(\w+\.\w+\)", read(folder))) == len(listed)  # no other file


def test_commands_are_those_that_can_be_run():
    commands, others = read("benchmarks").split("## Modules that they use")
    runnable = [
        name
        for name in modules("benchmarks")
        if '__name__ == "__main__"' in (PROJECT / "benchmarks" / f"{name}.py").read_text("utf-8")
    ]
    assert sorted(name for name, _ in LISTED.findall(commands)) == runnable
    used_by = {name for line in others.splitlines()[4:] for name in line.split("|")[3].split(", ")}
    assert {name.strip() for name in used_by} <= set(runnable)


@pytest.mark.parametrize("folder", ["helpers", "benchmarks"])
def test_pages_that_a_map_names_are_there_and_the_readme_names_the_map(folder):
    for page in re.findall(r"\]\((\.\./[^)]+)\)", read(folder)):
        assert (PROJECT / folder / page).is_file(), page
    assert f"({folder}/README.md)" in (PROJECT / "README.md").read_text(encoding="utf-8")

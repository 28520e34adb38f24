"""States of a git checkout that a review is asked for in: what it compares with, and what it says in one line where it cannot."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from test_action import git
from test_review import FILE, MODELING, TOY, commit, repository, reviewed, standings

from specdiff import reviews
from specdiff.cli import main
from specdiff.errors import SpecdiffError
from specdiff.options import Options
from specdiff.review.git import Range, find_range

EDITED = MODELING.replace("1e-6", "1e-3")


def changed(tmp_path: Path, branch: str = "main") -> Path:
    """A repository with a change on a branch of its own, which is checked out."""
    folder = repository(tmp_path, TOY)
    git(folder, "branch", "-M", branch)
    git(folder, "checkout", "-qb", "change")
    commit(folder, {FILE: EDITED})
    return folder


def base_of(folder: Path, text: str = "") -> str:
    """The subject of the commit that a review compares with, as a name of that commit."""
    found: Range = find_range(folder, text)
    return git(folder, "rev-parse", found.base).strip()


@pytest.mark.parametrize("state", ["branch", "detached", "worktree", "merged", "master", "remote", "trunk"])
def test_what_a_change_is_measured_from(tmp_path: Path, state: str) -> None:
    folder = changed(tmp_path, {"master": "master", "trunk": "trunk"}.get(state, "main"))
    first = git(folder, "rev-parse", "HEAD~1").strip()
    if state == "detached":
        git(folder, "checkout", "-q", "--detach")
    elif state == "worktree":
        git(folder, "worktree", "add", "-q", "--detach", str(tmp_path / "other"))
        folder = tmp_path / "other"
    elif state == "merged":
        git(folder, "checkout", "-q", "main")
        commit(folder, {"README": "words"})
        first = git(folder, "rev-parse", "HEAD").strip()
        git(folder, "checkout", "-q", "change")
        git(folder, "merge", "-q", "--no-edit", "main")
    elif state in ("remote", "trunk"):
        # A remote whose main branch has any name, and no branch of that name here.
        git(folder, "checkout", "-q", "trunk" if state == "trunk" else "main")
        git(tmp_path, "clone", "-q", str(folder), "clone")
        folder = tmp_path / "clone"
        git(folder, "checkout", "-q", "-b", "change", "origin/change")
        git(folder, "branch", "-D", "trunk" if state == "trunk" else "main")
    assert base_of(folder) == first


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no branch to compare with"),
        ("main...HEAD", "no revision 'main' in this repository; the clone is shallow and lacks history"),
        ("HEAD~1..HEAD", "no revision 'HEAD~1' in this repository; the clone is shallow"),
    ],
)
def test_a_shallow_clone_says_what_it_lacks(tmp_path: Path, text: str, said: str) -> None:
    folder = changed(tmp_path)
    git(tmp_path, "init", "-q", "shallow")
    shallow = tmp_path / "shallow"
    git(shallow, "fetch", "-q", "--depth", "1", f"file://{folder}", "change")
    git(shallow, "checkout", "-q", "FETCH_HEAD")
    with pytest.raises(SpecdiffError, match=said) as told:
        reviews.review(shallow, text)
    assert "\n" not in str(told.value)


def test_a_bare_repository_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(changed(tmp_path)), "bare.git")
    with pytest.raises(SpecdiffError, match="a bare repository has no files"):
        reviews.review(tmp_path / "bare.git", "main..change")


def test_revisions_without_a_commit_in_common(tmp_path: Path) -> None:
    folder = changed(tmp_path)
    git(folder, "checkout", "-q", "--orphan", "apart")
    git(folder, "commit", "-qm", "Apart")
    with pytest.raises(SpecdiffError, match=r"main and apart have no commit in common$"):
        reviews.review(folder, "main...apart")


def test_line_ends_alone_change_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = repository(tmp_path, TOY)
    (folder / FILE).write_bytes(MODELING.replace("\n", "\r\n").encode())
    code, document = reviewed(capsys, folder, "HEAD")
    assert (code, standings(document)) == (0, {"ToyModel": "same"})


def test_what_is_staged_and_changed_again_counts_as_it_lies_on_disk(tmp_path: Path) -> None:
    folder = repository(tmp_path, TOY)
    (folder / FILE).write_text(EDITED)
    git(folder, "add", "-A")
    (folder / FILE).write_text(MODELING.replace("1e-6", "1e-2"))
    (review,) = reviews.review(folder, "HEAD", Options(jobs=1)).classes
    assert [(change.key, change.after) for change in review.facts] == [("norm.eps", 0.01)]


def test_a_name_that_is_no_text_leaves_the_output_text(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    folder = repository(tmp_path, TOY)
    (folder / FILE).write_text(EDITED)
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/models/modeling_t\xffy.py")).write_text(MODELING)
    except OSError:
        pytest.skip("this file system has no such names")
    assert main(["review", "HEAD", "--repository", str(folder), "--format", "json", "--jobs", "1"]) in (0, 1)
    document = json.loads(capsysbinary.readouterr().out.decode("utf-8"))
    assert any(name.endswith("modeling_t\N{REPLACEMENT CHARACTER}y.py") for name in document["files"])


def test_a_file_that_is_no_python_any_more_fails_and_is_not_called_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = repository(tmp_path, TOY)
    (folder / FILE).write_text(MODELING + "\n def broken(:\n")
    code, document = reviewed(capsys, folder, "HEAD")
    assert (code, standings(document)) == (1, {})
    assert [f"{FILE} (after): not valid Python" in text for text in document["problems"]] == [True]
    main(["review", "HEAD", "--repository", str(folder), "--format", "github", "--jobs", "1"])
    assert capsys.readouterr().out.startswith(f"::error file={FILE},line=1")


def test_two_commits_are_compared_without_what_git_does_not_track(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = changed(tmp_path)
    (folder / "models" / "modeling_new.py").write_text(MODELING.replace("Toy", "New"))
    _, document = reviewed(capsys, folder, "HEAD~1..HEAD")
    assert document["head"] == git(folder, "rev-parse", "HEAD").strip()
    assert standings(document) == {"ToyModel": "changed"}
    _, document = reviewed(capsys, folder, "HEAD~1")
    assert (document["head"], standings(document)) == ("", {"NewModel": "added", "ToyModel": "changed"})


def test_lines_are_named_as_the_repository_names_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = {f"src/library/{name}": text.replace("models.toy", "library.models.toy") for name, text in TOY.items()}
    empty = {f"src/library/{name}__init__.py": "" for name in ("", "models/", "models/toy/")}
    spec = (
        "specdiff: 1\nname: toy\ntarget: toy::ToyModel\n"
        'sources: {paper: {title: "A toy", url: "https://example.org/toy"}}\n'
        'claims:\n  norm.eps: {value: 1e-6, source: paper, where: "§1", quote: "epsilon 1e-6"}\n'
    )
    folder = repository(tmp_path, {**package, **empty, "specs/toy.yaml": spec})
    file = f"src/library/{FILE}"
    (folder / file).write_text(package[file].replace("1e-6", "1e-3"))
    code, document = reviewed(capsys, folder, "HEAD")
    (told,) = document["classes"]
    (fact,) = told["facts"]
    assert (code, fact["key"], fact["after_evidence"][-1]["file"]) == (1, "norm.eps", file)
    assert {each["file"] for change in told["operations"] for each in change["after_evidence"]} <= {file}
    main(["review", "HEAD", "--repository", str(folder), "--format", "github", "--jobs", "1"])
    assert capsys.readouterr().out.startswith(f"::error file={file},line=")


def test_two_commits_are_compared_as_they_were_whatever_is_checked_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = repository(tmp_path, TOY)
    commit(folder, {FILE: EDITED})
    configuration = "models/toy/configuration_toy.py"
    commit(folder, {configuration: TOY[configuration] + "\n\ndef later():\n    return 1\n", FILE: MODELING})
    (folder / configuration).write_text("raise NotImplementedError\n")
    _, document = reviewed(capsys, folder, "HEAD~2..HEAD~1")
    (told,) = document["classes"]
    assert [(fact["key"], fact["before"], fact["after"]) for fact in told["facts"]] == [("norm.eps", 1e-6, 1e-3)]
    assert (told["failed"], told["findings"], told["resolved"]) == ("", [], [])


@pytest.mark.parametrize("text", ["", "main..HEAD", "HEAD~1"])
def test_what_a_sparse_checkout_leaves_out_is_read_from_git(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    folder = repository(tmp_path, {**TOY, "other/words.txt": "words"})
    git(folder, "checkout", "-qb", "change")
    commit(folder, {FILE: EDITED})
    git(folder, "sparse-checkout", "set", "other")
    assert not (folder / FILE).exists()
    _, document = reviewed(capsys, folder, text)
    (told,) = document["classes"]
    assert [(fact["key"], fact["before"], fact["after"]) for fact in told["facts"]] == [("norm.eps", 1e-6, 1e-3)]

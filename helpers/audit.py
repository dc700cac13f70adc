"""Was each criterion written before its value was seen? What the git history says.

A claim is named if its criterion or control is younger than the first value of it: by
its keys `since` and `seen`, or by an edit of `book/claims/<chapter>.toml`. Before there
were such files, criteria stood in the code of the notebooks.
"""

import ast
import functools
import io
import json
import math
import subprocess
import tomllib
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from helpers import dials
from helpers.dials import BookError
from helpers.records import RecordStore

Claim = dict[str, Any]  # a table of the file
Asked = dict[str, Any]  # of its keys, those of criterion and control
Pages = tuple[str, ...]  # a chapter, and those on whose pages its claims stood before
KEYS = ("at_least", "at_most", "over", "refuted_at", "log", "within", "control")
UNSAID = dict.fromkeys(KEYS) | {"over": "every seed", "log": False}


class Commit(NamedTuple):
    place: int  # first, so that commits compare as they follow on one another
    name: str
    date: str
    parents: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} ({self.date})"


class Origin(NamedTuple):
    """Since when a criterion is what it is; and why it is named, if it is."""

    id: str
    since: Commit
    value: Commit | None  # the first that held a value of it
    why: str
    changed: str  # what the file tells of it

    def __str__(self) -> str:
        return " ".join(f"{self.id}: {self.why}. {self.changed}".split())


class Edit(NamedTuple):
    commit: Commit
    before: Asked | None
    after: Asked


def report(root: Path = dials.ROOT) -> str:
    """A line for each finding, their number, and records that are not those judged."""
    named = findings(root)
    claims = [claim for chapter in _claims(root).values() for claim in chapter.values()]
    untold = sum(not finding.changed for finding in named)
    at_once = sum(claim.get("seen") == "same commit" for claim in claims)
    counts = (
        f"{len(claims)} claims: {len(named)} named, {untold} of these without "
        f"`changed`; {at_once} came in one commit with their first value"
    )
    return "\n".join([*map(str, named), counts, *_other_records(root)])


def findings(root: Path = dials.ROOT) -> list[Origin]:
    """The claims whose criterion or control came after a value of them."""
    return [origin for origin in origins(root) if origin.why]


def origins(root: Path = dials.ROOT) -> list[Origin]:
    """Of every claim that is judged; without a `why` where nothing came late."""
    history, found = History(root), []
    for chapter, claims in _claims(root).items():
        former = {n: claim["was"] for n, claim in claims.items() if "was" in claim}
        moved = {claim["moved"] for claim in claims.values() if "moved" in claim}
        pages = (chapter, *sorted(moved))
        edits = _edits(history, pages, former)
        values = _first_values(history, pages)
        for new, old in former.items():
            known = [values[name] for name in (new, old) if name in values]
            values |= {new: min(known)} if known else {}
        for name, claim in claims.items():
            edit, value = edits[name], values.get(name)
            first = _in_notebook(history, pages, name, claim, edit)
            since, why = edit.commit, ""
            if first and not _unlike(first, edit.after):
                # it is what it was at first, whatever stood between
                since = history.commit(claim.get("since", since.parents[0]))
            else:
                why = _edited_late(edit, edit.before or first, value)
            why = why or _seen_before(history, pages, claim, value)
            found.append(Origin(name, since, value, why, claim.get("changed", "")))
    return found


class History:
    """The commits that lead to HEAD, parents first, and after them the working tree."""

    def __init__(self, root: Path):
        self.root = root
        self._check()
        log = self.git("log", "--topo-order", "--reverse", "--format=%h %cs %p")
        self.commits = {}
        for place, line in enumerate(log.splitlines()):
            name, date, *parents = line.split()
            self.commits[name] = Commit(place, name, date, tuple(parents))
        place, head = len(self.commits), tuple(self.commits)[-1:]
        self.now = Commit(place, "the working tree", "not committed", head)
        self.read: dict[str, str] = {}  # the files that were asked for last
        # asked anew for each claim, and git takes a while to answer
        self.commit, self.records = map(functools.cache, (self.commit, self.records))
        self.stood_in = functools.cache(self.stood_in)

    def commit(self, name: str) -> Commit:
        """That of any name that git knows; else the working tree."""
        known = self.git("rev-parse", "--short", name).strip()
        return self.commits.get(known, self.now)

    def versions(self, *paths: str) -> list[Commit]:
        """The commits that changed one of these files, and the working tree."""
        how = ("--full-history", "--topo-order", "--reverse", "--format=%h")
        names = self.git("log", *how, "--", *paths).split()
        found = [*(self.commits[name] for name in names), self.now]
        asked = {name for commit in found for name in (commit.name, *commit.parents)}
        asked = product(sorted(asked - {self.now.name}), paths)
        self.read = self.texts([f"{name}:./{path}" for name, path in asked])
        return found

    def text(self, commit: str, path: str) -> str:
        """A file as it is in a commit; nothing if it is not there."""
        name, here = f"{commit}:./{path}", self.root / path
        if commit == self.now.name:
            return here.read_text() if here.is_file() else ""
        return self.read[name] if name in self.read else self.texts([name])[name]

    def texts(self, names: list[str]) -> dict[str, str]:
        """All at once: to start git takes longer than to read."""
        run = subprocess.run(
            ["git", "-C", str(self.root), "cat-file", "--batch"],
            input="".join(f"{name}\n" for name in names).encode(),
            capture_output=True,
        )
        found, rest = {}, io.BytesIO(run.stdout)
        for name in names:
            head = rest.readline().split()  # its digest, kind and size; or "missing"
            size = int(head[2]) if head[1:2] == [b"blob"] else None
            found[name] = "" if size is None else rest.read(size + 1)[:-1].decode()
        return found

    def stood_in(self, commit: str, page: str) -> dict[str, Asked]:
        """The claims in the code of a notebook."""
        return _in_code(self.text(commit, f"book/{page}.ipynb"))

    def records(self, pages: Pages) -> dict[str, Commit]:
        """The commit that brought each record, by its name."""
        how = ("--topo-order", "--reverse", "--no-renames", "--diff-filter=A")
        folders, first = [f"data/records/{page}" for page in pages], {}
        how += ("--format=%h", "--name-only")
        for word in self.git("log", *how, "--", *folders).split():
            if word in self.commits:
                commit = self.commits[word]
            else:
                first.setdefault(Path(word).stem, commit)
        return first

    def git(self, *words: str) -> str:
        run = subprocess.run(
            ["git", "-C", str(self.root), *words], capture_output=True, encoding="utf-8"
        )
        return run.stdout if run.returncode == 0 else ""

    def _check(self) -> None:
        try:
            whole = self.git("rev-parse", "--is-shallow-repository") == "false\n"
        except OSError:  # no git on this machine
            whole = False
        if not whole:
            raise BookError(
                f"{self.root} has no whole git history, and the audit reads it: clone "
                "the book with git; in a shallow clone, run `git fetch --unshallow`"
            )


def _edits(history: History, pages: Pages, former: dict[str, str]) -> dict[str, Edit]:
    """For each claim the last commit whose criterion is none of its parents'.

    A claim that is not there yet is what it was under its former name, or in the file
    of its former page.
    """
    paths, last = [f"book/claims/{page}.toml" for page in pages], {}

    def asked_in(commit: str) -> dict[str, Asked]:
        found = {}
        for path in reversed(paths):
            found |= _in_file(history.text(commit, path))
        renamed = {new: found[old] for new, old in former.items() if old in found}
        return renamed | found

    for commit in history.versions(*paths):
        before = [asked_in(name) for name in commit.parents]
        for name, asked in asked_in(commit.name).items():
            others = [one.get(name) for one in before]
            if asked not in others:
                other = next((one for one in others if one), None)
                last[name] = Edit(commit, other, asked)
    return last


def _first_values(history: History, pages: Pages) -> dict[str, Commit]:
    """For each claim the first commit that held a value of it.

    It was in an output of the notebook, or in a record that such an output names.
    """
    paths, first = [f"book/{page}.ipynb" for page in pages], {}
    recorded = history.records(pages)
    for commit in history.versions(*paths):
        texts = [history.text(commit.name, path) for path in paths]
        bundles = [bundle for text in texts for bundle in _bundles(text)]
        for bundle, row in [(b, row) for b in bundles for row in b["claims"]]:
            if row["value"] is not None:
                sweeps = (
                    bundle.get("sweeps", {}).get(name, ())
                    for name in row.get("sweeps", ())
                )
                runs = (name for sweep in sweeps for name in sweep)
                behind = [recorded.get(run, commit) for run in runs]
                first[row["id"]] = min([first.get(row["id"], commit), *behind])
    return first


def _unlike(before: Asked, after: Asked) -> list[str]:
    return [key for key in KEYS if before.get(key) != after[key]]


def _edited_late(edit: Edit, before: Asked, value: Commit | None) -> str:
    """What was changed after a value was there, and when; else nothing."""
    unlike = _unlike(before, edit.after)
    if not unlike or not value or edit.commit <= value:
        return ""
    if not before:
        return f"its criterion came in {edit.commit}, after a value in {value}"
    what = (f"{key} from {before[key]!r} to {edit.after[key]!r}" for key in unlike)
    return f"{' and '.join(what)} in {edit.commit}, after a value in {value}"


def _seen_before(
    history: History, pages: Pages, claim: Claim, value: Commit | None
) -> str:
    """Whether it came after a value, by its own word or by the history; and which."""
    if "since" not in claim:
        return ""
    since = history.commit(claim["since"])
    recorded = min(history.records(pages).values(), default=since)
    where = "by the page's own account"
    if recorded < since:
        where = f"the chapter had records from {recorded} on"
    if value and value < since:
        where = f"in {value}"
    elif claim.get("seen") != "yes":
        return ""
    return f"criterion and control stand since {since}; a value was known: {where}"


def _in_notebook(
    history: History, pages: Pages, name: str, claim: Claim, edit: Edit
) -> Asked:
    """What stood in the notebook of `since`, or of the commit before the file.

    Notebooks knew neither `within` nor claims that are judged over one run.
    """
    places = [claim["since"]] if "since" in claim else edit.commit.parents
    for place, page in product(places, pages):
        stood_there = history.stood_in(place, page)
        stood = stood_there.get(name) or stood_there.get(claim.get("was"))
        if stood:
            same = {"within": edit.after["within"]}
            if edit.after["over"] == "one run" and stood["over"] == "every seed":
                same["over"] = "one run"
            return stood | same
    return {}


def _claims(root: Path) -> dict[str, dict[str, Claim]]:
    """The claims that are judged, by chapter and id."""
    files = sorted(root.glob("book/claims/*.toml"))
    try:
        tables = {path.stem: tomllib.loads(path.read_text()) for path in files}
    except tomllib.TOMLDecodeError as wrong:
        raise BookError(f"a file of book/claims/ cannot be read: {wrong}") from None
    return {
        chapter: {n: claim for n, claim in claims.items() if "withdrawn" not in claim}
        for chapter, claims in tables.items()
    }


def _in_file(text: str) -> dict[str, Asked]:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # a commit may hold one that was half written
        return {}
    return {
        name: {key: _short(claim.get(key, UNSAID[key])) for key in KEYS}
        for name, claim in tables.items()
    }


def _in_code(notebook: str) -> dict[str, Asked]:
    """The claims that a notebook made in its code: `Claim(id, …, at_least=…, …)`."""
    cells = json.loads(notebook)["cells"] if notebook else []
    texts = ["".join(one["source"]) for one in cells if one["cell_type"] == "code"]
    code = [ast.parse(text) for text in texts if "Claim(" in text]
    nodes = [node for tree in code for node in ast.walk(tree)]
    assigned = [node for node in nodes if isinstance(node, ast.Assign)]
    known = {ast.unparse(node.targets[0]): node.value for node in assigned}
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    claims = [call for call in calls if ast.unparse(call.func) == "Claim"]
    return {call.args[0].value: _asked_by(call, known) for call in claims}


def _asked_by(call: ast.Call, known: dict[str, ast.expr]) -> Asked:
    """Its control is a pair, label first, or the name of one."""
    given = {word.arg: word.value for word in call.keywords}
    control = known.get(ast.unparse(given["control"]), given["control"])
    told = {key: _number(given[key]) for key in KEYS[:-1] if key in given}
    return UNSAID | told | {"control": control.elts[0].value}


def _number(node: ast.expr) -> Any:
    """That of 1 / 3 or np.log(1.25); what was computed from a result stays text."""
    try:
        return _short(eval(ast.unparse(node), {"np": math}))
    except (NameError, AttributeError):
        return ast.unparse(node)


def _short(value: Any) -> Any:
    """Three digits of a number: np.log(1.25) was written down as 0.223."""
    return float(f"{value:.3g}") if type(value) in (int, float) else value


def _bundles(notebook: str) -> list[dict[str, Any]]:
    """The claims in its outputs, with the digest of their records; once, without."""
    cells = json.loads(notebook)["cells"] if notebook else []
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    shown = [pair for one in outputs for pair in one.get("data", {}).items()]
    found = [data for kind, data in shown if kind.endswith("claims+json")]
    return [one if isinstance(one, dict) else {"claims": one} for one in found]


def _other_records(root: Path) -> Iterator[str]:
    """Records that are not those judged, not committed, or taken on trust."""
    history = History(root)
    for chapter in _claims(root):
        text = history.text(history.now.name, f"book/{chapter}.ipynb")
        judged = {bundle.get("records_root") for bundle in _bundles(text)}
        if judged != {_root(root, chapter)}:
            yield f"{chapter}: it was judged on other records than are there"
        if history.git("status", "--porcelain", "--", f"data/records/{chapter}"):
            yield f"{chapter}: its records are not those of the last commit"
        for note in _store(root, chapter).accepted():
            if not note["runs"]:
                kind, code = note["kind"], note["made_by"]
                yield f"{chapter}: {kind} of code {code!r} on trust: {note['why']}"


def _store(root: Path, chapter: str) -> RecordStore:
    store = RecordStore(chapter)
    store.folder = root / "data" / "records" / chapter
    return store


def _root(root: Path, chapter: str) -> str:
    store = _store(root, chapter)
    try:
        return store.root()
    except BookError:  # a record that is unreadable, altered or of another format
        return ""

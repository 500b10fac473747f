"""Random statements, about half of them false, through the prover and the verifier: does a false one ever pass?

    python -m tests.adversaries.third_opinion [--count 100000] [--seed 1] [--seconds N] [--results FILE]
                                              [--write docs/measured/proofs.md] [--schema 0] [--workers 2]

Prints every false statement that passed, and every call that raised or did not end. With ``--results`` the counts are
kept in a file as they are found, and a run that was stopped goes on from there.
"""

import argparse
import json
import multiprocessing
import re
import time
import traceback
from collections import Counter
from math import inf
from pathlib import Path
from typing import Any

from tests import provenance
from tests.adversaries.third_opinion.trials import Answer, trial

__all__ = ["main", "summary", "tally"]

BEGIN, END = "<!-- third opinion: begin -->", "<!-- third opinion: end -->"
CHUNK = 20
SAYS = {
    "prover": {"yes": "proved", "no": "refuted", "undecided": "undecided", "refused": "refused"},
    "verifier": {"yes": "verified", "no": "refuted", "undecided": "not verified"},
}
SAYS["mutated file"] = SAYS["verifier"]
Key = tuple[str, str, str, str, str]


def tally(answers: list[Answer]) -> Counter[Key]:
    """Counts by family, route, what it is about, truth, and answer."""
    return Counter((a.family, a.route, re.sub("[:.].*", "", a.what), a.truth, a.said) for a in answers)


def _chunk(task: tuple[int, int, int]) -> tuple[int, list[tuple[Key, int]], list[str]]:
    seed, number, schema = task
    answers: list[Answer] = []
    for index in range(number * CHUNK, (number + 1) * CHUNK):
        try:
            answers += trial(seed, index, schema)
        except Exception:  # the run goes on, and says so
            answers.append(
                Answer("", "third opinion", "its own failure", "open", "failed", traceback.format_exc()[-900:])
            )
    loud = [
        f"{a.said.upper()} {a.route} | {a.family} | {a.what} | {a.detail}"
        for a in answers
        if a.wrong or a.said == "failed"
    ]
    loud += [
        f"TRUE, REFUTED {a.route} | {a.family} | {a.what} | {a.detail}"
        for a in answers
        if a.truth == "true" and a.said == "no"
    ]
    return number, list(tally(answers).items()), loud


def _table(counts: Counter[Key], column: int, title: str) -> list[str]:
    """One row for each family or kind: false statements by what became of them, and true ones."""
    lines = [
        f"| {title} | statements | false | not passed | **passed** | true | proved or verified | not decided |",
        "|" + "---|" * 8,
    ]
    rows = sorted({key[column] for key in counts})
    for row in [*rows, "all"]:
        chosen = {key: n for key, n in counts.items() if row in (key[column], "all")}
        total = sum(chosen.values())
        false = sum(n for key, n in chosen.items() if key[3] == "false")
        passed = sum(n for key, n in chosen.items() if key[3] == "false" and key[4] == "yes")
        true = sum(n for key, n in chosen.items() if key[3] == "true")
        good = sum(n for key, n in chosen.items() if key[3] == "true" and key[4] == "yes")
        lines.append(
            f"| {row} | {total} | {false} | {false - passed} | **{passed}** | {true} | {good} | {true - good} |"
        )
    return lines


def summary(counts: Counter[Key]) -> str:
    """The counts in Markdown."""
    passed = {
        route: sum(n for key, n in counts.items() if key[1] == route and key[3] == "false" and key[4] == "yes")
        for route in SAYS
    }
    broken = sum(n for key, n in counts.items() if key[4] in ("late", "crash"))
    wronged = sum(n for key, n in counts.items() if key[3] == "true" and key[4] == "no")
    lines = [*_table(counts, 0, "family"), "", *_table(counts, 1, "route"), "", *_table(counts, 2, "about")]
    return "\n".join(
        [
            *lines,
            "",
            f"False statements proved: {passed['prover']}; false files verified: {passed['verifier']}; changed files "
            f"that are false or malformed, verified: {passed['mutated file']}. Refuted, though the refuter found "
            f"nothing: {wronged}. Calls that raised an exception or did not end: {broken}.",
        ]
    )


def main() -> None:
    """Run the trials, print what is wrong, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="statements")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=inf, help="stop after this time; --results goes on from there")
    parser.add_argument("--results", type=Path, help="a file that keeps the counts, one JSON object a line")
    parser.add_argument("--schema", type=int, default=0, choices=(0, 1, 2), help="0: what the prover writes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", type=Path, help="a page that has the marks of the counts")
    chosen = parser.parse_args()
    counts: Counter[Key] = Counter()
    done: set[int] = set()
    if chosen.results and chosen.results.exists():
        for line in chosen.results.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            done.add(entry["chunk"])
            counts.update({tuple(key): n for key, n in entry["counts"]})
    start = time.monotonic()

    def tasks() -> Any:
        number = 0
        while time.monotonic() - start < chosen.seconds:
            if number not in done:
                yield chosen.seed, number, chosen.schema
            number += 1

    if counts.total() < chosen.count:
        with multiprocessing.get_context("spawn").Pool(chosen.workers) as pool:
            try:
                for number, found, loud in _in_turn(pool, tasks(), chosen.workers):
                    counts.update(dict(found))
                    done.add(number)
                    for line in loud:
                        print(line, flush=True)
                    if chosen.results:
                        with chosen.results.open("a", encoding="utf-8") as file:
                            file.write(json.dumps({"chunk": number, "counts": found, "loud": loud}) + "\n")
                    if counts.total() >= chosen.count:
                        break
            except KeyboardInterrupt:
                pass
            pool.terminate()
    shown = summary(counts)
    print(shown)
    if chosen.write:
        page = chosen.write.read_text(encoding="utf-8")
        about = f"Seed {chosen.seed}, {counts.total()} statements about {len(done) * CHUNK} problems."
        inner = f"{BEGIN}\n{about}\n\n{shown}\n{END}"
        provenance.write(
            chosen.write, page.split(BEGIN)[0] + inner + page.split(END)[1], "tests.adversaries.third_opinion"
        )


def _in_turn(pool: Any, tasks: Any, workers: int) -> Any:
    """Answers as they come, with only a few tasks waiting: tasks are made without end."""
    waiting: list[Any] = []
    for task in tasks:
        waiting.append(pool.apply_async(_chunk, (task,)))
        while len(waiting) >= 2 * workers:
            ready = [answer for answer in waiting if answer.ready()]
            for answer in ready:
                waiting.remove(answer)
                yield answer.get()
            if not ready:
                time.sleep(0.05)
    for answer in waiting:
        yield answer.get()


if __name__ == "__main__":
    main()

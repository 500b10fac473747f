"""The script of the page, run by Node on the few parts of a page that it touches: what it shows for what is typed."""

import json
import shutil
import subprocess
from importlib.resources import files

import pytest

# Of a page: three latents in two groups, as the template lays them out, with what the script reads and writes of each.
PAGE = """
function element(text, latent, parent, tagName) {
  return {textContent: text, dataset: latent === undefined ? {} : {latent}, parentElement: parent, tagName,
    hidden: false, open: false, scrolled: false, scrollIntoView() { this.scrolled = true; }, value: "", handlers: {},
    addEventListener(name, run) { this.handlers[name] = run; }};
}
const first = element("", undefined, null, "DETAILS"), second = element("", undefined, null, "DETAILS");
const latents = [element("latent 7 raises Cat", "7", first, "DETAILS"),
  element("latent 70 a dog", "70", first, "DETAILS"),
  element("latent 170 the cat's 7 lives", "170", second, "DETAILS")];
for (const group of [first, second]) group.querySelectorAll = () =>
  latents.filter((one) => one.parentElement === group && !one.hidden);
const named = {search: element(""), found: element(""), searching: element("")};
named.searching.hidden = true;
for (const one of latents) named["latent-" + one.dataset.latent] = one;
const handlers = {};
globalThis.document = {getElementById: (name) => named[name] || null,
  querySelectorAll: (what) => what === "[data-latent]" ? latents : [first, second]};
globalThis.location = {hash: HASH};
globalThis.addEventListener = (name, run) => { handlers[name] = run; };
"""
REPORT = """
const seen = [];
for (const text of TYPED) {
  named.search.value = text;
  named.search.handlers.input();
  seen.push({shown: latents.filter((one) => !one.hidden).map((one) => one.dataset.latent),
    said: named.found.textContent, open: [first.open, second.open], hidden: [first.hidden, second.hidden]});
}
console.log(JSON.stringify({seen, field: !named.searching.hidden, scrolled: latents.map((one) => one.scrolled),
  opened: latents.map((one) => one.open), groups: [first.open, second.open]}));
"""


def run(typed: list[str], address: str = "") -> dict:
    if shutil.which("node") is None:
        pytest.skip("no node to run the page's script with")
    script = (files("rsae.report") / "templates" / "search.js").read_text()
    code = PAGE.replace("HASH", json.dumps(address)) + script + REPORT.replace("TYPED", json.dumps(typed))
    done = subprocess.run(["node", "-e", code], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def test_a_number_finds_its_latent_alone_and_a_text_every_latent_that_has_it() -> None:
    number, text, nothing, cleared = run(["7", "CAT", "horse", " "])["seen"]
    assert number == {"shown": ["7"], "said": "1 latent", "open": [True, False], "hidden": [False, True]}
    assert text == {"shown": ["7", "170"], "said": "2 latents", "open": [True, True], "hidden": [False, False]}
    assert nothing == {"shown": [], "said": "0 latents", "open": [False, False], "hidden": [True, True]}
    assert cleared == {"shown": ["7", "70", "170"], "said": "", "open": [False, False], "hidden": [False, False]}


def test_an_address_opens_its_latent_and_the_group_around_it() -> None:
    found = run([], "#latent-170")
    assert found["field"], "the field is there only where the script runs"
    assert found["opened"] == [False, False, True]
    assert found["groups"] == [False, True]
    assert found["scrolled"] == [False, False, True]
    assert run([], "#changed")["scrolled"] == [False] * 3

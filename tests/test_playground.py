"""The sampler of docs/playground.html against enumeration and the Python one; the page in a browser if there is one."""

import html
import json
import os
import queue
import re
import shutil
import subprocess
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import quickjs
import torch
from exact_posterior import set_partitions

from bnpgan.components import NormalInverseWishart
from bnpgan.priors import DirichletProcess, PitmanYor
from bnpgan.testing import oracle
from bnpgan.testing.law import Law, hotelling

PAGE = (Path(__file__).parent.parent / "docs" / "playground.html").read_text()
(SAMPLER,) = re.findall(r'<script id="sampler">(.*?)</script>', PAGE, re.S)

POINTS = [[-0.4, 0.1], [-0.3, 0.0], [0.0, 0.2], [0.1, -0.3], [0.35, 0.1], [0.5, 0.0]]
PRIOR = {"concentration": 2.5, "discount": 0.4}
FAMILY = {"mean": [0, 0], "scale": 0.12, "kappa": 0.2, "nu": 6}
CHAINS, BURN_IN, SWEEPS = 100, 10, 20
LEVEL = 1e-5  # a sampler that is right fails a comparison with this probability; the seeds are fixed

DRAW = """
function chains(points, prior, family, number, burnIn, sweeps) {
  return Array.from({ length: number }, (none, seed) => {
    const state = restaurant(points, prior, family, seed);
    for (let t = 0; t < burnIn; t++) sweep(state);
    return Array.from({ length: sweeps }, () => { sweep(state); return [...state.seats]; });
  });
}
"""
CALL = f"chains({json.dumps(POINTS)}, {json.dumps(PRIOR)}, {json.dumps(FAMILY)}, {CHAINS}, {BURN_IN}, {SWEEPS})"


def evaluate(expression: str, source: str = SAMPLER):
    context = quickjs.Context()
    context.eval(source + DRAW)
    return json.loads(context.eval(f"JSON.stringify({expression})"))


@cache
def enumerated() -> Law:
    x, prior = torch.tensor(POINTS, dtype=torch.float64), PitmanYor(**PRIOR)
    family = NormalInverseWishart(torch.zeros(2), FAMILY["scale"], FAMILY["kappa"], FAMILY["nu"])
    states = set_partitions(len(x))
    log_joint = [oracle.log_partition(prior, z, 6) + oracle.log_evidence(family, x.numpy(), z) for z in states]
    return Law(torch.tensor(states), torch.tensor(log_joint, dtype=torch.float64), 6, ordered=False)


def p_value(seats: list) -> float:
    """Of the co-clustering and the number of tables in chains, against all 203 partitions of the six points."""
    return hotelling(enumerated().scores(torch.tensor(seats)).mean(1))[1]


def test_chains_have_the_posterior_that_enumeration_gives():
    assert p_value(evaluate(CALL)) > LEVEL


PLANTED = {
    "the concentration is forgotten": (
        "prior: concentration + discount * used.length",
        "prior: discount * used.length",
    ),
    "the discount is not taken from tables": ("prior: tables[k].n - discount", "prior: tables[k].n"),
    "a table knows the guest who is asked": (
        "leave(state, i);\n  const all = weights(state, state.points[i]);",
        "const all = weights(state, state.points[i]);\n  leave(state, i);",
    ),
    "the mean of a table is taken as known": ("c = (p.kappa + 1) / (p.kappa * dof)", "c = 1 / dof"),
}


@pytest.mark.parametrize(("right", "wrong"), PLANTED.values(), ids=PLANTED)
def test_a_planted_error_is_found(right, wrong):
    assert SAMPLER.count(right) == 1
    assert p_value(evaluate(CALL, SAMPLER.replace(right, wrong))) < LEVEL


@pytest.mark.parametrize("discount", [0, 0.4])
@pytest.mark.parametrize("seats", [[0, 0, 1, 1, 3, 0], [0, 1, 2, 3, 4, 5], [2, 2, 2, 2, 2, 2]])
def test_weights_are_those_of_the_python_code_that_the_page_shows(discount, seats):
    state = f"restaurant({json.dumps(POINTS)}, {json.dumps(PRIOR | {'discount': discount})}, {json.dumps(FAMILY)}, 0)"
    names: dict = {}
    exec(evaluate(f"inPython({state})"), names)
    x, sampler = names["x"], names["sampler"]
    assert torch.equal(x, torch.tensor(POINTS, dtype=torch.float64))
    place = torch.tensor([[0.2, -0.1]], dtype=torch.float64)
    seated = f"(() => {{ const s = {state}; {json.dumps(seats)}.forEach((k, i) => sit(s, i, k)); return s; }})()"
    found = evaluate(f"weights({seated}, {place[0].tolist()})")
    stats = sampler.component.stats(x, torch.tensor(seats), 8)
    fit = sampler.component.log_predictive(stats, place)[0]
    law = sampler.prior.log_predictive(torch.bincount(torch.tensor(seats), minlength=8))
    free = torch.bincount(torch.tensor(seats), minlength=8) == 0
    chance = (law + fit).softmax(0)
    for w in found[:-1]:
        assert w["logFit"] == pytest.approx(float(fit[w["k"]]), abs=1e-9)
        assert w["chance"] == pytest.approx(float(chance[w["k"]]), abs=1e-9)
    assert found[-1]["chance"] == pytest.approx(float(chance[free].sum()), abs=1e-9)
    assert found[-1]["k"] == int(free.nonzero()[0])


@pytest.mark.parametrize("prior", [DirichletProcess(0.3), PitmanYor(2.0, 0.7)], ids=repr)
def test_the_law_of_the_number_of_tables_is_that_of_the_prior(prior):
    given = json.dumps({"concentration": prior.concentration, "discount": prior.discount})
    assert evaluate(f"lawOfTables(40, {given})") == pytest.approx(prior.number_of_clusters(40).tolist())


def test_the_page_fetches_nothing():
    loads = (
        r"""(?:src|href|action)\s*=\s*["'](?!data:)|url\(|@import|fetch\(|XMLHttpRequest|WebSocket|import\(|https?:"""
    )
    assert not re.findall(loads, PAGE)


# The page in a browser: Chromium or Chrome as the system has it, without a driver.

BROWSER = os.environ.get("BNPGAN_BROWSER") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
LISTEN = """<script>
const errors = [];
addEventListener("error", (event) => errors.push(event.message));
addEventListener("unhandledrejection", (event) => errors.push(String(event.reason)));
console.error = console.warn = (...told) => errors.push(told.join(" "));
</script>"""
VISIT = """
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
async function visit(frame) {
  const page = frame.contentWindow, ask = (code) => page.eval(code), found = {};
  const floor = page.document.getElementById("floor"), box = floor.getBoundingClientRect();
  const press = (key, where = page.document.body) =>
    where.dispatchEvent(new page.KeyboardEvent("keydown", { key, bubbles: true }));
  const point = (kind, x, y, buttons) => floor.dispatchEvent(new page.PointerEvent(kind, {
    bubbles: true, pointerId: 1, buttons, clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
  const points = () => ask("state.points.length");
  found.preset = points();
  press("c");
  point("pointerdown", 0.25, 0.5, 1);
  for (let i = 1; i <= 8; i++) point("pointermove", 0.25 + 0.02 * i, 0.5, 1);
  point("pointerup", 0.41, 0.5, 0);
  found.stroke = ask("state.points");
  floor.focus();
  press("ArrowRight", floor); press("ArrowUp", floor); press(" ", floor);
  found.keyed = ask("state.points.at(-1)");
  const before = points();
  press("Delete", floor);
  found.deleted = before - points();
  press("s");
  found.seated = ask("state.seats.filter((k) => k >= 0).length");
  press("w");
  found.swept = [ask("trace.length"), ask("state.seats.filter((k) => k < 0).length")];
  found.rows = page.document.querySelectorAll("#rows tr").length - ask("last.weights.length");
  found.status = page.document.getElementById("status").textContent;
  press("2");
  page.document.getElementById("run").click();
  for (let i = 0; i < 100 && ask("last === null || last.i < 5"); i++) await wait(100);
  page.document.getElementById("run").click();
  found.ran = ask("!running && last.i >= 5");
  found.wide = page.document.documentElement.scrollWidth;
  const paper = () => page.getComputedStyle(page.document.body).backgroundColor, light = paper();
  page.document.getElementById("theme").click();
  found.themes = [light, paper()];
  found.errors = ask("errors");
  found.fetched = page.performance.getEntriesByType("resource").map((entry) => entry.name);
  return found;
}
async function all() {
  const answers = {};
  for (const frame of document.querySelectorAll("iframe")) answers[frame.id] = await visit(frame);
  answers.chains = document.querySelector("iframe").contentWindow.eval(DRAW + CALL);
  return answers;
}
addEventListener("load", () => all().catch((error) => String(error.stack)).then((answers) =>
  fetch("answers", { method: "POST", body: JSON.stringify(answers) })));
"""
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}


class Visit(BaseHTTPRequestHandler):
    """Serves the page in frames of several sizes, and takes what the visit found."""

    def do_GET(self):
        page = html.escape(PAGE.replace("<head>", "<head>" + LISTEN, 1))
        frames = "".join(
            f'<iframe id="{name}" srcdoc="{page}" width="{width}" height="{height}" style="position: fixed"></iframe>'
            for name, (width, height) in SIZES.items()
        )
        constants = f"const DRAW = {json.dumps(DRAW)}, CALL = {json.dumps(CALL)};"
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(f"<!DOCTYPE html><body>{frames}<script>{constants}{VISIT}</script>".encode())

    def do_POST(self):
        self.server.answers.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *told):
        pass


@pytest.fixture(scope="module")
def visited(tmp_path_factory):
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome: install one, or name it by BNPGAN_BROWSER")
    with ThreadingHTTPServer(("127.0.0.1", 0), Visit) as server:
        server.answers = queue.Queue()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        command += [f"--user-data-dir={tmp_path_factory.mktemp('profile')}", "--window-size=1400,1000"]
        browser = subprocess.Popen(
            [*command, f"http://127.0.0.1:{server.server_port}/"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            answers = server.answers.get(timeout=120)
        finally:
            browser.terminate()
            browser.wait(timeout=30)
            server.shutdown()
    assert isinstance(answers, dict), answers
    return answers


def test_chains_in_a_browser_have_the_posterior_that_enumeration_gives(visited):
    assert p_value(visited["chains"]) > LEVEL


@pytest.mark.parametrize("size", SIZES)
def test_the_page_is_used_by_pointer_and_by_keyboard(visited, size):
    found = visited[size]
    assert found["errors"] == []
    assert found["fetched"] == []
    assert found["preset"] == 90
    xs, ys = zip(*found["stroke"], strict=True)
    assert len(xs) >= 4 and list(xs) == sorted(xs) and max(map(abs, ys)) < 0.02  # a stroke leaves points along it
    assert found["keyed"] == pytest.approx([0.08, 0.08]) and found["deleted"] == 1
    assert found["seated"] == 1 and found["swept"] == [1, 0] and found["rows"] == 0
    assert "points at" in found["status"] and found["ran"]
    assert found["wide"] <= SIZES[size][0]
    assert len(set(found["themes"])) == 2

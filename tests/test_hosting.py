"""The web page as `make app` and the container serve it: what it gives out, and to how many.

The container is tested without Docker: the Dockerfile's steps are run in a folder with a virtual
environment of its own, which borrows the packages of the environment that runs the tests (they
are several GB; that the Dockerfile's list is theirs is tested, too). The phantoms and a random
model are there before the steps begin, so that none trains; test_notebooks runs the notebooks.
"""

import asyncio
import http.client
import importlib.util
import json
import os
import re
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import nbformat
import psutil
import pytest
import requests
from playwright.sync_api import Browser, Page, expect
from tornado.websocket import websocket_connect

from benchmarks.container_steps import Container, Step, read_steps, user_steps
from benchmarks.page_server import PageServer, page_server, wait_until
from helpers.models import RiskModel, build_resnet18
from helpers.paths import PROJECT
from helpers.radiographs import preprocess
from helpers.web_page import page_settings
from tests import test_browser
from tests.drawn_chests import dicom, drawn_chest, png
from tests.served import PATIENCE, alert, status, upload

browser = test_browser.browser  # the fixture
STEPS = read_steps(PROJECT / "Dockerfile")


@pytest.fixture(scope="module")
def serve():
    """The script `notebooks/serve.py`, as a module."""
    spec = importlib.util.spec_from_file_location("serve", PROJECT / "notebooks" / "serve.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def put_random_model(project: Path) -> None:
    """Save an untrained model where notebook 05 would put its own."""
    square = preprocess(drawn_chest(), 128)
    mean = cv2.resize(square, (16, 16), interpolation=cv2.INTER_AREA).tolist()
    network = build_resnet18("random", seed=0).eval()
    folder = project / "data" / "work" / "quick-phantom" / "models"
    folder.mkdir(parents=True)
    card = {"mean_film": mean}
    RiskModel(network, 128, threshold=0.2, base_rate=0.132, card=card).save(folder / "iteration2")


def borrow_packages(command: str) -> str:
    """Instead of installing: ask whether there would be anything to install, and lend it."""
    if "pip install" not in command:
        return command
    if " -r requirements.txt" not in command:
        return f"{sys.executable} -m uv --version"
    place = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return (
        f"{sys.executable} -m uv pip install --dry-run --offline --python {sys.executable} "
        "-r requirements.txt 2>&1 | tee dry-run.txt && "
        f'{sys.executable} -c "{place}" > $(python -c "{place}")/borrowed.pth && '
        f"ln -sn {sys.prefix}/share $VIRTUAL_ENV/share"
    )


@pytest.fixture(scope="module")
def container(phantom_root, tmp_path_factory) -> Container:
    """The folder that the Dockerfile's steps leave behind."""
    container = Container(PROJECT, tmp_path_factory.mktemp("user"))
    app = container.home / "app"
    put_random_model(app)
    (app / "data" / "phantom").symlink_to(phantom_root, target_is_directory=True)
    container.run(user_steps(STEPS), borrow_packages)
    return container


@pytest.fixture(scope="module")
def page(container, tmp_path_factory) -> PageServer:
    """The container's command, on another port; for two visitors."""
    log = tmp_path_factory.mktemp("log") / "server.log"
    settings = {**container.settings, "TMPDIR": str(tmp_path_factory.mktemp("scratch"))}
    with page_server(
        log,
        "--visitors=2",
        root=container.folder,
        command=container.command,
        settings=settings,
    ) as server:
        yield server


def test_dockerfile_needs_no_root_but_for_the_user():
    user = STEPS.index(Step("USER", "user"))
    assert [step.instruction for step in STEPS[:user]] == ["FROM", "RUN"]
    assert STEPS[1].text == "useradd --create-home --uid 1000 user"
    python = re.fullmatch(r"python:(\d+\.\d+)-slim", STEPS[0].text)
    assert python[1] in ("3.11", "3.12", "3.13")


def test_dockerfile_copies_what_git_tracks_and_the_build_sees():
    ignored = (PROJECT / ".dockerignore").read_text("utf-8").splitlines()
    assert {"data/*", "!data/weights", ".venv", ".git"} <= set(ignored)
    copied = [word for step in STEPS if step.instruction == "COPY" for word in step.text.split()]
    from_data = {word for word in copied if word.startswith("data")}
    assert from_data == {"data/weights"}  # no film of anybody gets into the image


def test_container_installs_what_was_tested(container):
    answer = (container.folder / "dry-run.txt").read_text("utf-8")
    assert "Would make no changes" in answer, answer


def test_container_serves_the_panel_and_asks_nobody_else(container, page, browser, tmp_path):
    visitor = browser.new_page()
    reasons = {}
    visitor.on("requestfailed", lambda request: reasons.update({request.url: request.failure}))
    answered = []
    visitor.on("response", lambda response: answered.append(response.url))
    open_page(visitor, page)
    assert upload(visitor, "film.png", png(drawn_chest()), tmp_path) in ("done", "warned")
    expect(visitor.locator(".cxr-notice")).to_contain_text("Not for clinical use")
    assert all(url.startswith((page.address, "data:", "blob:")) for url in answered)
    assert (container.home / ".local").exists() is False  # nothing is written but under TMPDIR
    assert set(reasons.values()) <= {"csp"}  # fonts of a third party, which the page may not load
    leave(visitor, page)


def test_container_lets_others_in_and_one_site_frame_it(container, page):
    assert "0.0.0.0" in listens_on(page)
    assert f"--port={STEPS[-2].text}" in container.command  # the port that EXPOSE names
    headers = requests.get(f"{page.address}/health", timeout=60).headers
    policy = headers["Content-Security-Policy"]
    assert policy.endswith("frame-ancestors 'self' https://huggingface.co")


def arrive(browser: Browser, server: PageServer) -> Page:
    visitor = browser.new_page()
    open_page(visitor, server)
    return visitor


def open_page(visitor: Page, server: PageServer) -> None:
    visitor.goto(server.address, wait_until="commit", timeout=PATIENCE)
    expect(status(visitor)).to_have_attribute("data-state", "idle", timeout=PATIENCE)


def leave(visitor: Page, server: PageServer) -> None:
    """Close the page, and wait until its place is free again."""
    free = server.free()
    visitor.goto("about:blank")
    wait_until(lambda: server.free() > free, patience=60)
    visitor.close()


def listens_on(server: PageServer) -> set[str]:
    port = int(server.address.rpartition(":")[2])
    found = server.process.net_connections(kind="tcp")
    return {one.laddr.ip for one in found if one.status == "LISTEN" and one.laddr.port == port}


@pytest.mark.parametrize(
    "path",
    [
        "/08_explore_predictions.ipynb",
        "/voila/files/08_explore_predictions.ipynb",
        "/voila/files/../scratch.txt",
        "/voila/tree",
        "/voila/render/08_explore_predictions.ipynb",
        "/voila/api/contents",
        "/voila/query/0123456789abcdef",
        "/api/contents",
        "/api/contents/08_explore_predictions.ipynb",
        "/api/kernels",
        "/api/sessions",
        "/api/terminals",
        "/files/08_explore_predictions.ipynb",
        "/tree",
        "/lab",
        "/data/weights/phantom-resnet18.json",
        "/../data/weights/phantom-resnet18.json",
        "/%2e%2e/%2e%2e/data/weights/phantom-resnet18.json",
        "/voila/files/..%2f..%2fdata/weights/phantom-resnet18.json",
        "/voila/static/../../../../../../../../../../../../etc/passwd",
        "/voila/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/voila/static//etc/passwd",
        "/voila/templates/lab/static/../../../../../../../../../../../etc/passwd",
        "/voila/templates/../../../../../../static/../../../../../etc/passwd",
        "/voila/templates/%2e%2e/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/voila/labextensions/../../../../../../../../../../../etc/passwd",
        "/voila/labextensions//etc/passwd",
        "/voila/api/themes/../../../../../../../../../../../etc/passwd",
        "/voila/api/themes//etc/passwd",
    ],
)
def test_nothing_but_the_page_can_be_had(page, path):
    connection = http.client.HTTPConnection(page.address.removeprefix("http://"), timeout=60)
    connection.request("GET", path)  # as it stands: requests and browsers would tidy it up
    answer = connection.getresponse()
    text = answer.read()
    # Voilà's own handler of templates stumbles over dots (500) where others refuse them.
    stumbles = (500,) if path.startswith("/voila/templates/") else ()
    assert answer.status in (400, 403, 404, 405, *stumbles)
    assert b"root:" not in text and b"nbformat" not in text and b"films" not in text


def test_an_upload_leaves_nothing_on_the_disk(container, page, browser, tmp_path):
    scratch = Path(page.process.environ()["TMPDIR"])
    written = [path for path in container.home.iterdir() if path.name != "venv"] + [scratch]
    film, began = dicom(drawn_chest(900, 900)), time.time()
    visitor = arrive(browser, page)
    assert upload(visitor, "secret name.dcm", film, tmp_path) in ("done", "warned")
    open_files = {
        file.path for kernel in page.kernels() for file in psutil.Process(kernel).open_files()
    }
    assert not any("secret" in name for name in open_files)
    for moment in ("while the visitor is there", "after the visit"):
        files = [path for place in written for path in place.rglob("*") if path.is_file()]
        changed = [path for path in files if path.stat().st_mtime >= began]
        assert sum(path.stat().st_size for path in changed) < len(film) / 10, moment
        for path in changed:
            text = path.read_bytes()
            assert b"secret name" not in text and b"PLANTED-ID" not in text, (moment, path)
        if moment.startswith("while"):
            leave(visitor, page)


def test_closed_pages_give_their_places_back_and_a_full_house_says_so(page, browser):
    assert page.free() == 2
    first, second = arrive(browser, page), arrive(browser, page)
    answer = requests.get(page.address, timeout=60)
    assert answer.status_code == 503
    assert "All places are taken" in answer.text and "2 at most" in answer.text
    assert answer.headers["Retry-After"] == "60"
    second.reload(wait_until="commit", timeout=PATIENCE)  # its own place is soon free again
    expect(status(second)).to_have_attribute("data-state", "idle", timeout=PATIENCE)
    leave(first, page)
    leave(second, page)
    wait_until(lambda: len(page.kernels()) == 1)  # the one that waits for the next visitor


def test_monitors_take_no_place(page):
    free = page.free()
    assert requests.get(f"{page.address}/health", timeout=60).json() == {"places": 2, "free": free}
    for path in ("", "/health"):
        assert requests.head(f"{page.address}{path}", timeout=60).status_code == 200
    assert page.free() == free


def test_pictures_of_other_pages_take_no_place(page):
    free = page.free()
    for headers in ({"Sec-Fetch-Dest": "image"}, {"Sec-Purpose": "prefetch"}):
        assert requests.get(page.address, headers=headers, timeout=60).status_code == 403
    assert page.free() == free


@pytest.mark.parametrize("path", ["/", "/health", "/nothing"])
def test_a_request_with_much_in_it_is_refused_before_it_is_read(page, path):
    connection = http.client.HTTPConnection(page.address.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", path)
    connection.putheader("Content-Length", str(2**20))
    connection.endheaders()
    answer = connection.getresponse()  # although nothing of it was sent
    assert answer.status in (400, 413)


def test_a_visitor_cannot_fill_the_kernel_with_widgets(page, browser, tmp_path):
    visitor = arrive(browser, page)
    kernel = json.loads(visitor.locator("#jupyter-config-data").text_content())["kernelId"]
    state = {"_model_name": "TextModel", "value": "x" * 1000}
    content = {"comm_id": "a", "target_name": "jupyter.widget", "data": {"state": state}}
    header = {"msg_id": "a", "msg_type": "comm_open", "version": "5.3", "session": "a"}
    message = {"header": header, "parent_header": {}, "metadata": {"version": "2.1.0"}}
    message |= {"content": content, "channel": "shell"}
    address = f"{page.address.replace('http', 'ws')}/api/kernels/{kernel}/channels"
    with ThreadPoolExecutor() as beside:  # Playwright has a loop of its own in this thread
        answers = beside.submit(asyncio.run, answers_to(message, address)).result(timeout=60)
    assert "comm_close" in [answer["msg_type"] for answer in answers]
    assert upload(visitor, "film.png", png(drawn_chest()), tmp_path) in ("done", "warned")
    leave(visitor, page)


async def answers_to(message: dict, address: str) -> list[dict]:
    """What a kernel sends because of a message, until it is idle again."""
    connection = await websocket_connect(address)
    await connection.write_message(json.dumps(message))
    answers = []
    while not answers or answers[-1]["content"].get("execution_state") != "idle":
        answer = json.loads(await connection.read_message())
        if answer["parent_header"].get("msg_id") == message["header"]["msg_id"]:
            answers.append(answer)
    connection.close()
    return answers


def test_idle_visitors_are_culled_but_not_the_kernel_that_waits(container, browser, tmp_path):
    """However long a kernel waited, idling counts from when its visitor came."""
    options = ("--no-browser", "--visitors=1", "--idle-minutes=0.1")
    command = ("python", "notebooks/serve.py")
    log = tmp_path / "server.log"
    with page_server(
        log, *options, root=container.folder, command=command, settings=container.settings
    ) as server:
        assert listens_on(server) == {"127.0.0.1"}
        waiting = server.kernels()
        time.sleep(10)  # longer than idle visitors have
        assert server.kernels() == waiting
        visitor = arrive(browser, server)
        assert upload(visitor, "film.png", png(drawn_chest()), tmp_path) in ("done", "warned")
        assert server.free() == 0
        wait_until(lambda: server.free() == 1, patience=60)
        assert not waiting & server.kernels()
        assert upload(visitor, "next.png", png(drawn_chest()), tmp_path) == "failed"
        expect(alert(visitor)).to_contain_text("reload this page.")
        visitor.reload(wait_until="commit", timeout=PATIENCE)
        expect(status(visitor)).to_have_attribute("data-state", "idle", timeout=PATIENCE)
        leave(visitor, server)
        assert requests.get(server.address, timeout=60).status_code == 200


def test_a_page_that_cannot_work_is_not_served(container, tmp_path):
    broken = tmp_path / "app"
    shutil.copytree(container.folder, broken, symlinks=True)
    (broken / "data/work/quick-phantom/models/iteration2.safetensors").write_bytes(b"no model")
    with (
        pytest.raises(RuntimeError, match="The notebook failed: its error is in the log"),
        page_server(tmp_path / "log", root=broken, settings=container.settings),
    ):
        pass
    assert "ValueError" in (tmp_path / "log").read_text("utf-8")


def test_what_is_missing_is_made_first(serve, monkeypatch, tmp_path, capsys):
    commands = []
    monkeypatch.setattr("helpers.paths.PROJECT", tmp_path)
    monkeypatch.setattr(serve, "_run", lambda *command: commands.append(command))
    for name in ("ieee8023", "sbu", "hannover"):
        (tmp_path / "data" / "phantom" / name).mkdir(parents=True)
    serve.prepare()
    assert "iteration2.safetensors is missing" in capsys.readouterr().out
    assert [command[0] for command in commands] == ["-m", "notebooks/build.py"]
    for name in serve.MADE_BY:
        assert name in commands[1]
        assert (PROJECT / "notebooks" / "sources" / f"{name}.py").is_file()
    put_random_model(tmp_path)
    serve.prepare()
    assert len(commands) == 2  # all is there now
    (tmp_path / "data/work/quick-phantom/models/iteration2.json").unlink()
    serve.prepare()  # somebody stopped the notebook that stored it
    assert len(commands) == 4


@pytest.mark.parametrize(
    "option", ["--visitors=0", "--preheated=0", "--idle-minutes=0", "--idle-minutes=-1"]
)
def test_senseless_options_are_refused(serve, option, capsys):
    with pytest.raises(SystemExit):
        serve.parse_options([option])
    assert option.partition("=")[0] in capsys.readouterr().err


def test_the_page_links_to_no_file_that_it_does_not_serve(serve, tmp_path):
    text = serve.page_alone(tmp_path).read_text(encoding="utf-8")
    links = re.compile(r"\]\([^)]*\.ipynb\)")
    assert links.search(serve.PAGE.read_text(encoding="utf-8")) and not links.search(text)
    assert "00 · Start here" in text
    assert "panel.jpg" in serve.PAGE.read_text(encoding="utf-8") and "panel.jpg" not in text
    assert nbformat.reads(text, 4).cells  # still a notebook


def test_by_default_only_this_computer_reaches_the_page():
    settings = page_settings(Path("page/notebook.ipynb"))
    assert settings.Voila.ip == "127.0.0.1"
    policy = settings.Voila.tornado_settings["headers"]["Content-Security-Policy"]
    assert policy.endswith("frame-ancestors 'self'")


def test_binder_builds_the_same():
    root, binder = (
        (PROJECT / folder / "environment.yml").read_text("utf-8") for folder in (".", ".binder")
    )
    without_comment = [text.partition("name:")[2] for text in (root, binder)]
    assert without_comment[0] == without_comment[1].replace("../", "")
    script = PROJECT / ".binder" / "postBuild"
    assert os.access(script, os.X_OK)
    assert "python notebooks/serve.py --prepare" in script.read_text("utf-8")
    assert Step("RUN", "python notebooks/serve.py --prepare") in STEPS

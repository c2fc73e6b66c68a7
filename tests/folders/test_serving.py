"""The web service of the documentation, with a photo sent to it."""

import contextlib
import http.client
import importlib.util
import io
import json
import re
import runpy
import threading
import urllib.error
import urllib.request
from http.server import ThreadingHTTPServer
from pathlib import Path

import joblib
import pytest
from photo_folders import fill, save_photo
from sklearn.pipeline import make_pipeline

from skknn import BackboneEmbedder, JointKNNClassifier
from skknn.datasets import load_image_folder

SCRIPT = Path(__file__).parents[2] / "examples" / "web_service.py"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A model, and the address of a service that has it."""
    if not SCRIPT.is_file():
        pytest.skip("the examples are not part of the wheel")
    spec = importlib.util.spec_from_file_location("web_service", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    photos = load_image_folder(fill(tmp_path_factory.mktemp("p"), 4), target="names")
    embedder = BackboneEmbedder("test_resnet", weights=None, random_state=0)
    model = make_pipeline(embedder, JointKNNClassifier(3))
    model.fit(photos.data, photos.target)
    server = script.make_server(model, ("127.0.0.1", 0))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield model, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


def post(address, data):
    """Status and content of the answer."""
    request = urllib.request.Request(address, data=data, method="POST")
    # No proxy: the service is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_photo_gets_the_probabilities_of_the_model(service, tmp_path):
    model, address = service
    save_photo(tmp_path / "x.png", "green", 70)
    status, found = post(address, (tmp_path / "x.png").read_bytes())
    proba = model.predict_proba([str(tmp_path / "x.png")])[0]
    assert status == 200
    assert found == pytest.approx(dict(zip(model.classes_, proba)), abs=1e-4)
    assert max(found, key=found.get) == "green"


def test_a_browser_is_told_what_to_send(service):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(service[1], timeout=60) as answer:
        assert answer.headers["Content-Type"] == "text/plain"
        assert answer.read() == b"POST a photo to /\n"


def test_the_script_says_when_it_is_ready(service, tmp_path, monkeypatch):
    """Run as a program, with a port that is free and a server that closes at once."""
    joblib.dump(service[0], tmp_path / "model.joblib")
    (tmp_path / "results").mkdir()
    joblib.dump(service[0], tmp_path / "results" / "model.joblib")
    address = 'address=("127.0.0.1", 8000)'
    text = SCRIPT.read_text("utf8")
    assert address in text
    script = tmp_path / "service.py"
    script.write_text(text.replace(address, 'address=("127.0.0.1", 0)'), "utf8")
    close = ThreadingHTTPServer.server_close
    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", close)
    for model in ("model.joblib", "results"):
        monkeypatch.setattr("sys.argv", [str(script), str(tmp_path / model)])
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            runpy.run_path(str(script), run_name="__main__")
        ready = r"Ready: POST a photo to http://127\.0\.0\.1:[1-9]\d*/\n"
        assert re.fullmatch(ready, said.getvalue())
    monkeypatch.setattr("sys.argv", [str(script)])
    with pytest.raises(SystemExit, match="usage: python web_service.py RESULTS"):
        runpy.run_path(str(script), run_name="__main__")


def test_what_is_no_photo_is_refused_and_the_service_goes_on(service, tmp_path):
    _, address = service
    status, found = post(address, b"no photo")
    assert status == 400 and found["error"] == "no photo: the body is the file"
    save_photo(tmp_path / "cut.png", "red", 72)
    status, found = post(address, (tmp_path / "cut.png").read_bytes()[:200])
    assert status == 400 and found["error"].startswith("it cannot be read: ")
    assert post(address, b"")[0] == 413
    save_photo(tmp_path / "x.png", "red", 71)
    assert post(address, (tmp_path / "x.png").read_bytes())[0] == 200


@pytest.mark.parametrize("length", ["abc", "-1", "1e3", "\N{SUPERSCRIPT TWO}"])
def test_a_length_that_is_no_number_is_answered(service, length):
    host, port = service[1].removeprefix("http://").strip("/").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", length)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413 and "error" in json.load(answer)
    connection.close()

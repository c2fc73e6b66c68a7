"""The web service of the documentation, with a photo sent to it."""

import importlib.util
import json
import threading
import urllib.error
import urllib.request
from pathlib import Path

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
    assert found == dict(zip(model.classes_, proba))
    assert max(found, key=found.get) == "green"


def test_what_is_no_photo_is_refused_and_the_service_goes_on(service, tmp_path):
    _, address = service
    status, found = post(address, b"no photo")
    assert status == 400 and "error" in found
    assert post(address, b"")[0] == 413
    save_photo(tmp_path / "x.png", "red", 71)
    assert post(address, (tmp_path / "x.png").read_bytes())[0] == 200

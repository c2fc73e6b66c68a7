"""A web service that names what is on a photo, with the standard library alone.

    python examples/web_service.py results
    curl --data-binary @photo.jpg http://127.0.0.1:8000/

The argument is what `skknn classify --out` wrote, or the file of a model. Loading one
can run any code: serve only those you made. For the open internet put a real web server
in front.
"""

import io
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Semaphore

import joblib
import numpy as np
from PIL import Image, UnidentifiedImageError

LARGEST = 20_000_000  # bytes of a photo


def make_server(model, address=("127.0.0.1", 8000)):
    cores = Semaphore(os.cpu_count() or 1)  # a photo is computed by one of them
    # The network is loaded now, not with the first visitor.
    model.predict_proba([Image.new("RGB", (64, 64))])

    class Service(BaseHTTPRequestHandler):
        timeout = 60  # seconds that a silent visitor is waited for

        def do_GET(self):
            self.send(200, "text/plain", b"POST a photo to /\n")

        def do_POST(self):
            length = self.headers.get("Content-Length", "")
            size = int(length) if length.isascii() and length.isdigit() else 0
            if not 0 < size <= LARGEST:
                return self.answer(413, {"error": f"send 1 to {LARGEST} bytes"})
            try:
                photo = Image.open(io.BytesIO(self.rfile.read(size)))
                with cores:
                    proba = model.predict_proba([photo])[0]
            except UnidentifiedImageError:
                return self.answer(400, {"error": "no photo: the body is the file"})
            except Exception as error:
                return self.answer(400, {"error": f"it cannot be read: {error}"})
            best = np.argsort(-proba)[:3]
            found = {str(model.classes_[i]): round(float(proba[i]), 4) for i in best}
            self.answer(200, found)

        def answer(self, status, content):
            self.send(status, "application/json", json.dumps(content).encode())

        def send(self, status, kind, body):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return ThreadingHTTPServer(address, Service)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python web_service.py RESULTS")
    results = Path(sys.argv[1])
    file = results / "model.joblib" if results.is_dir() else results
    server = make_server(joblib.load(file))
    host, port = server.server_address
    print(f"Ready: POST a photo to http://{host}:{port}/", flush=True)
    server.serve_forever()

"""Tests of client.py against a running server: see README.md. They need the standard library alone.

The server is that of the Go test: it paints what it is asked for, a prompt with the word slow
takes a minute, and its verifier likes red.
"""

import importlib.util
import os
import struct
import threading
import time
import unittest
import zlib

URL, KEY = os.environ.get("REFLECTIONFLOW_URL", ""), os.environ.get("REFLECTIONFLOW_API_KEY", "")
HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("client", os.path.join(HERE, "..", "client.py"))
client = importlib.util.module_from_spec(spec)
spec.loader.exec_module(client)


def png(red, green, blue, side=32):
    """Returns a PNG file of one color."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = (b"\0" + bytes((red, green, blue)) * side) * side
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class Interrupted(Exception):
    pass


def idle():
    pass


def wanted(prompt="red", seed=200, **search):
    return {"prompt": prompt, "model": "", "search": {"strategy": "noise", "budget": "2", "seed": seed, **search}}


@unittest.skipUnless(URL, "needs REFLECTIONFLOW_URL")
class TestClient(unittest.TestCase):
    def setUp(self):
        self.server = client.Server(URL, KEY)

    def test_models(self):
        offer = self.server.models()
        self.assertEqual([m["name"] for m in offer["models"]], ["paint"])
        self.assertEqual(offer["models"][0]["verifiers"], ["blind"])
        self.assertIn("adaptive", offer["strategies"])

    def test_search(self):
        seen = []
        jobs = client.search(self.server, [wanted(seed=200), wanted(seed=100)], idle, lambda i, job, event: seen.append(i))
        self.assertEqual([j["state"] for j in jobs], ["done", "done"])
        self.assertEqual(sorted(seen), [0, 0, 1, 1])
        file = self.server.image(jobs[0]["id"], jobs[0]["outcome"]["best"])
        self.assertTrue(file.startswith(b"\x89PNG"))
        self.assertNotEqual(file, self.server.image(jobs[1]["id"], jobs[1]["outcome"]["best"]))
        self.assertTrue(self.server.image(jobs[0]["id"], 0, "?format=jpeg&side=8").startswith(b"\xff\xd8"))

    def test_correct(self):
        request = wanted()
        request["correct"] = {"image": client.base64.b64encode(png(9, 9, 9)).decode(), "reflection": "make it blue"}
        job, = client.search(self.server, [request], idle)
        self.assertEqual(job["reflection"], "make it blue")

    def test_cancel(self):
        """What poll raises ends the jobs on the server too."""
        polls, jobs = [], []

        def poll():
            polls.append(1)
            if len(polls) > 3:
                raise Interrupted()

        submit = self.server.submit
        self.server.submit = lambda request, key: jobs.append(submit(request, key)) or jobs[-1]
        begin = time.monotonic()
        with self.assertRaises(Interrupted):
            client.search(self.server, [wanted("slow red"), wanted("slow blue")], poll)
        self.assertLess(time.monotonic() - begin, 30)
        self.assertEqual(len(jobs), 2)
        for job in jobs:
            self.assertEqual(self.ended(job)["state"], "cancelled")

    def ended(self, job):
        for _ in range(200):
            found = self.server.job(job)
            if found["state"] in ("done", "failed", "cancelled"):
                return found
            time.sleep(0.05)
        self.fail(f"job {job} does not end")

    def test_cancelled_elsewhere(self):
        submit = self.server.submit

        def later(request, key):
            job = submit(request, key)
            threading.Timer(0.3, self.server.cancel, [job]).start()
            return job
        self.server.submit = later
        with self.assertRaisesRegex(client.Error, "was cancelled on the server"):
            client.search(self.server, [wanted("slow red")], idle)

    def test_one_refused_cancels_the_others(self):
        with self.assertRaisesRegex(client.Error, "unknown strategy"):
            client.search(self.server, [wanted("slow red"), wanted(strategy="best")], idle)

    def test_failed(self):
        with self.assertRaisesRegex(client.Error, "unknown object"):
            client.search(self.server, [wanted("unknown thing")], idle)

    def test_lost_connections(self):
        """A stream that breaks is continued after the last event."""
        events, last = self.server.events, []

        def broken(job, after, receive):
            last.append(after)
            return events(job, after, receive) if len(last) > 3 else self.one(job, after, receive)
        self.server.events = broken
        seen = []
        job, = client.search(self.server, [wanted(budget="4")], idle, lambda i, job, event: seen.append(event["candidate"]["id"]))
        self.assertEqual(seen, [0, 1, 2, 3])
        self.assertEqual(last[0], "")
        self.assertEqual(len(set(last[:4])), 4)

    def one(self, job, after, receive):
        """Receives one event and breaks off."""
        class Enough(Exception):
            pass

        def first(name, event):
            receive(name, event)
            raise Enough()
        headers = {"Last-Event-ID": after} if after else {}
        connection, response = self.server._open("GET", f"/api/v1/jobs/{job}/events", None, headers, 30)
        id = ""
        while line := response.readline().decode():
            if line.startswith("id: "):
                id = line[4:].strip()
            if line.startswith("event: "):
                name = line[7:].strip()
            if line.startswith("data: "):
                receive(name, client.json.loads(line[6:]))
                break
        connection.close()
        return id

    def test_verify(self):
        red, blue = self.server.verify("red", png(255, 0, 0)), self.server.verify("red", png(0, 0, 255))
        self.assertTrue(red["right"])
        self.assertFalse(blue["right"])
        self.assertGreater(red["score"]["value"], blue["score"]["value"])
        self.assertEqual(self.server.verify("red", png(255, 0, 0), "paint", "blind")["score"]["value"], -1)
        with self.assertRaisesRegex(client.Error, "cannot be read"):
            self.server.verify("red", b"<svg/>")

    def test_key(self):
        if not KEY:
            self.skipTest("the server has no keys")
        with self.assertRaisesRegex(client.Refused, "REFLECTIONFLOW_API_KEY") as caught:
            client.Server(URL, "rf-wrong").models()
        self.assertEqual(caught.exception.status, 401)
        self.assertNotIn("rf-wrong", str(caught.exception))


class TestExamples(unittest.TestCase):
    def test_same(self):
        """The examples for the editor and for the API are the same graphs."""
        folder = os.path.join(HERE, "..", "example_workflows")
        names = sorted(n for n in os.listdir(folder) if n.endswith(".json"))
        self.assertEqual(len(names), 3)
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                graph = client.json.load(f)
            with open(os.path.join(folder, "api", name), encoding="utf-8") as f:
                api = client.json.load(f)
            links = {link[0]: link for link in graph["links"]}
            self.assertEqual({str(n["id"]): n["type"] for n in graph["nodes"]}, {id: n["class_type"] for id, n in api.items()})
            for node in graph["nodes"]:
                inputs = api[str(node["id"])]["inputs"]
                for given in node["inputs"]:
                    _, source, slot, target, _, _ = links[given["link"]]
                    self.assertEqual((inputs.pop(given["name"]), target), ([str(source), slot], node["id"]))
                values = [v for v in node.get("widgets_values", []) if v not in ("fixed", "image")]
                self.assertEqual(values, list(inputs.values()))


class TestAddress(unittest.TestCase):
    def test_no_server(self):
        with self.assertRaisesRegex(client.Unreachable, "reflectionflow serve"):
            client.Server("http://127.0.0.1:1").models()

    def test_refused(self):
        for url in ("127.0.0.1:8080", "ftp://a", "http://", "http://a:b", "http://a?x=1", "http://user:pass@a", ""):
            with self.assertRaisesRegex(client.Error, "is no address"):
                client.Server(url)
        with self.assertRaisesRegex(client.Error, "key has"):
            client.Server("http://127.0.0.1:8080", "a\r\nX: y")

    def test_patient(self):
        calls = []

        def full():
            calls.append(1)
            if len(calls) == 1:
                raise client.Refused("full", 429, 1)
            if len(calls) == 2:
                return "in"
        self.assertEqual(client.patient(full, idle), "in")
        with self.assertRaises(client.Refused):
            client.patient(lambda: (_ for _ in ()).throw(client.Refused("an hour", 429, 3600)), idle)


if __name__ == "__main__":
    unittest.main()

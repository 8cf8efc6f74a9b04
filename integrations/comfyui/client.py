"""A client of `reflectionflow serve`, with the standard library alone.

It uses the native API under /api/v1: jobs, their events as server-sent events, images, and
verdicts on images. Nothing here knows ComfyUI.
"""

import base64
import http.client
import json
import queue
import threading
import time
import urllib.parse
import uuid

CONNECT_SECONDS = 10  # to connect, and for replies that need no search
SILENCE_SECONDS = 60  # without a sign of life on a stream of events; the server gives one every 10 s
LOST_SECONDS = 120  # without a connection, after which a job is given up
VERIFY_SECONDS = 600
MAX_REPLY = 256 << 20  # bytes
MAX_EVENT = 8 << 20  # bytes of a line


class Error(Exception):
    """What was wrong, in a sentence for the person at the screen."""


class Unreachable(Error):
    """The server does not answer."""


class Refused(Error):
    """The server refused a request; status is that of HTTP, retry the seconds to wait."""

    def __init__(self, message, status, retry=0):
        super().__init__(message)
        self.status, self.retry = status, retry


class Server:
    """A server by its address, such as http://127.0.0.1:8080, and an API key or ""."""

    def __init__(self, url, key=""):
        parts = urllib.parse.urlsplit(url.strip().rstrip("/"))
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1 or parts.query or parts.fragment or parts.username:
            raise Error(f"{url!r} is no address of a ReflectionFlow server: write it as http://127.0.0.1:8080")
        if any(c <= " " or c > "~" for c in key):
            raise Error("the ReflectionFlow API key has a space or a character that no key has")
        self.url, self.path, self.key = url.strip().rstrip("/"), parts.path, key
        self._host, self._port = parts.hostname, port
        self._connection = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection

    def _open(self, method, path, body=None, headers=None, timeout=CONNECT_SECONDS):
        """Sends a request and returns connection and response; a refusal is an Error."""
        headers = dict(headers or {})
        if self.key:
            headers["Authorization"] = "Bearer " + self.key
        if body is not None:
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        connection = self._connection(self._host, self._port, timeout=timeout)
        try:
            connection.request(method, self.path + path, body, headers)
            response = connection.getresponse()
            if response.status >= 300:
                raise refusal(response, self)
            return connection, response
        except (OSError, http.client.HTTPException) as e:
            connection.close()
            raise Unreachable(f"no ReflectionFlow server answers at {self.url} ({e or type(e).__name__}): start it with `reflectionflow serve`, "
                              "or set its address in the settings or in REFLECTIONFLOW_URL") from e
        except Error:
            connection.close()
            raise

    def _get(self, method, path, body=None, headers=None, timeout=CONNECT_SECONDS):
        """Returns the body of a reply."""
        connection, response = self._open(method, path, body, headers, timeout)
        try:
            data = response.read(MAX_REPLY + 1)
        except (OSError, http.client.HTTPException) as e:
            raise Unreachable(f"the connection to {self.url} was lost: {e or type(e).__name__}") from e
        finally:
            connection.close()
        if len(data) > MAX_REPLY:
            raise Error(f"{self.url} answers with more than {MAX_REPLY} bytes")
        return data

    def _json(self, *args, **named):
        try:
            value = json.loads(self._get(*args, **named))
        except ValueError as e:
            raise Error(f"{self.url} does not answer like a ReflectionFlow server") from e
        if not isinstance(value, dict):
            raise Error(f"{self.url} does not answer like a ReflectionFlow server")
        return value

    def models(self, timeout=CONNECT_SECONDS):
        """Returns what the server offers: models, strategies, version."""
        return self._json("GET", "/api/v1/models", timeout=timeout)

    def submit(self, request, key):
        """Submits a job and returns its ID. The same key and request return the same job."""
        job = self._json("POST", "/api/v1/jobs", request, {"Idempotency-Key": key}, timeout=60)
        return str(job["id"])

    def job(self, job):
        return self._json("GET", f"/api/v1/jobs/{job}")

    def cancel(self, job):
        """Cancels a job; one that has ended stays as it is."""
        try:
            self._get("POST", f"/api/v1/jobs/{job}/cancel")
        except Refused as e:
            if e.status not in (404, 409):
                raise

    def image(self, job, candidate, query=""):
        """Returns the file of a candidate's image."""
        return self._get("GET", f"/api/v1/jobs/{job}/images/{int(candidate)}{query}", timeout=60)

    def verify(self, prompt, file, model="", verifier=""):
        """Judges an image file by a prompt."""
        body = {"prompt": prompt, "model": model, "verifier": verifier, "image": base64.b64encode(file).decode()}
        return self._json("POST", "/api/v1/verify", body, timeout=VERIFY_SECONDS)

    def events(self, job, last, receive):
        """Calls receive(event) for the events of a job after the one with the ID last, until
        the connection ends. It returns the ID of the last event."""
        headers = {"Accept": "text/event-stream"}
        if last:
            headers["Last-Event-ID"] = last
        connection, response = self._open("GET", f"/api/v1/jobs/{job}/events", None, headers, SILENCE_SECONDS)
        try:
            name, data, id = "", [], ""
            while line := response.readline(MAX_EVENT + 1):
                if len(line) > MAX_EVENT:
                    raise Error(f"{self.url} sends an event of more than {MAX_EVENT} bytes")
                field, _, value = line.decode("utf-8", "replace").rstrip("\r\n").partition(":")
                value = value[1:] if value.startswith(" ") else value
                if field == "event":
                    name = value
                elif field == "data":
                    data.append(value)
                elif field == "id":
                    id = value
                elif line.strip() == b"" and data:
                    if id:
                        last = id
                    try:
                        event = json.loads("\n".join(data))
                    except ValueError as e:
                        raise Error(f"{self.url} sends an event that cannot be read") from e
                    receive(name, event)
                    name, data, id = "", [], ""
        except (OSError, http.client.HTTPException):
            pass  # the caller comes back with the last ID
        finally:
            connection.close()
        return last


def refusal(response, server):
    """Returns the error of a reply."""
    text = response.read(1 << 20).decode("utf-8", "replace").strip()
    try:
        text = json.loads(text)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        text = text[:300] or response.reason
    retry = response.headers.get("Retry-After", "")
    if response.status == 401:
        text += ". Set the key in the settings of ComfyUI (ReflectionFlow) or in REFLECTIONFLOW_API_KEY"
    return Refused(f"ReflectionFlow at {server.url}: {text}", response.status, int(retry) if retry.isdigit() else 0)


def search(server, requests, poll, candidate=None):
    """Runs a job per request and returns the jobs as they ended, in order, all done.

    poll() is called a few times a second and may raise, which cancels all jobs, as does any
    error. candidate(i, job, event) is called for each image of request i.
    """
    jobs, ended, stop = [], {}, threading.Event()
    news = queue.Queue()
    try:
        for i, request in enumerate(requests):
            job = submit(server, request, poll)
            jobs.append(job)
            threading.Thread(target=watch, args=(server, i, job, news, stop), daemon=True).start()
        while len(ended) < len(jobs):
            poll()
            try:
                i, name, event = news.get(timeout=0.2)
            except queue.Empty:
                continue
            if name == "broken":
                raise event
            if name == "candidate" and candidate:
                candidate(i, jobs[i], event)
            if name in ("done", "failed", "cancelled"):
                ended[i] = event["job"]
                if name == "failed":
                    raise Error(f"the search failed: {event['job'].get('error', 'no reason is given')}")
                if name == "cancelled":
                    raise Error(f"job {jobs[i]} was cancelled on the server")
        return [ended[i] for i in range(len(jobs))]
    except BaseException:
        stop.set()
        for i, job in enumerate(jobs):
            if i not in ended:
                try:
                    server.cancel(job)
                except Error:
                    pass  # the first error is the one to tell
        raise
    finally:
        stop.set()


def submit(server, request, poll):
    """Submits a job."""
    key = str(uuid.uuid4())  # a job that was submitted twice is one
    return patient(lambda: server.submit(request, key), poll)


def patient(call, poll):
    """Returns call(). While the server says that it is full, it waits and tries again."""
    for left in range(20, -1, -1):
        try:
            return call()
        except Refused as e:
            if e.status != 429 or not 0 < e.retry <= 60 or left == 0:
                raise
            until = time.monotonic() + e.retry
        while time.monotonic() < until:
            poll()
            time.sleep(0.2)


def watch(server, i, job, news, stop):
    """Passes the events of a job on, across lost connections, until it ends."""
    last, seen = "", time.monotonic()
    over = threading.Event()

    def receive(name, event):
        nonlocal seen
        seen = time.monotonic()
        if name == "error":
            message = event.get("error", {}).get("message", "an error without a message")
            news.put((i, "broken", Error(f"ReflectionFlow at {server.url}: {message}")))
            over.set()
        news.put((i, name, event))
        if name in ("done", "failed", "cancelled"):
            over.set()

    while not stop.is_set() and not over.is_set():
        try:
            last = server.events(job, last, receive)
        except Unreachable as e:
            if time.monotonic() - seen > LOST_SECONDS:
                news.put((i, "broken", e))
                return
        except Exception as e:  # whatever it is, the node must not wait for ever
            news.put((i, "broken", e))
            return
        if not over.is_set():
            stop.wait(1)

"""Tests of the nodes in a ComfyUI that runs from the folder in the environment variable COMFYUI.

ComfyUI's own server loads the package, checks the workflows of example_workflows, runs them on
the CPU and is interrupted, as a person would do it in the editor.
"""

import asyncio
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

COMFYUI = os.environ.get("COMFYUI", "")
URL, KEY = os.environ.get("REFLECTIONFLOW_URL", ""), os.environ.get("REFLECTIONFLOW_API_KEY", "")
HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.dirname(HERE)
EXAMPLES = os.path.join(PACKAGE, "example_workflows")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@unittest.skipUnless(COMFYUI and URL, "needs COMFYUI, the folder of a ComfyUI, and REFLECTIONFLOW_URL")
class TestComfyUI(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        from PIL import Image
        cls.folder = tempfile.TemporaryDirectory()
        for name in ("custom_nodes", "user", "output", "input", "models", "temp"):
            os.makedirs(os.path.join(cls.folder.name, name))
        os.symlink(PACKAGE, os.path.join(cls.folder.name, "custom_nodes", "reflectionflow"))
        Image.new("RGB", (40, 24), (9, 9, 9)).save(os.path.join(cls.folder.name, "input", "example.png"))
        cls.port = free_port()
        cls.log = open(os.path.join(cls.folder.name, "log"), "w+")
        # Address and key are settings here, so that the environment has none.
        env = {k: v for k, v in os.environ.items() if not k.startswith("REFLECTIONFLOW_")}
        cls.process = subprocess.Popen(
            [sys.executable, "-B", "main.py", "--cpu", "--listen", "127.0.0.1", "--port", str(cls.port), "--base-directory", cls.folder.name,
             "--disable-api-nodes", "--database-url", "sqlite:///:memory:"], cwd=COMFYUI, env=env, stdout=cls.log, stderr=subprocess.STDOUT)
        for _ in range(240):
            try:
                cls.get("/object_info/ReflectionFlowGenerate")
                break
            except OSError:
                if cls.process.poll() is not None:
                    break
                time.sleep(0.5)
        else:
            cls.process.kill()
        if cls.process.poll() is not None:
            cls.log.seek(0)
            raise RuntimeError("ComfyUI does not start: " + cls.log.read()[-4000:])
        cls.post("/settings", {"ReflectionFlow.url": URL, "ReflectionFlow.key": KEY})

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        cls.process.wait(30)
        cls.log.close()
        cls.folder.cleanup()

    @classmethod
    def get(cls, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{cls.port}{path}", timeout=30) as reply:
            return json.load(reply)

    @classmethod
    def post(cls, path, body):
        request = urllib.request.Request(f"http://127.0.0.1:{cls.port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                text = reply.read()
        except urllib.error.HTTPError as e:
            text = e.read()
        return json.loads(text) if text.strip() else {}

    def example(self, name):
        with open(os.path.join(EXAMPLES, "api", name + ".json"), encoding="utf-8") as f:
            return json.load(f)

    def run_workflow(self, prompt, then=None):
        """Queues a workflow, and returns its messages and how many previews came."""
        import aiohttp

        async def run():
            messages, previews = [], 0
            async with aiohttp.ClientSession() as session, session.ws_connect(f"http://127.0.0.1:{self.port}/ws?clientId=test", max_msg_size=0) as ws:
                queued = await asyncio.to_thread(self.post, "/prompt", {"prompt": prompt, "client_id": "test"})
                self.assertIn("prompt_id", queued, queued)
                while True:
                    message = await asyncio.wait_for(ws.receive(), 60)
                    if message.type == aiohttp.WSMsgType.BINARY:
                        previews += 1
                        continue
                    data = json.loads(message.data)
                    messages.append(data)
                    if then:
                        await asyncio.to_thread(then, data)
                    if data["type"] in ("execution_success", "execution_error", "execution_interrupted"):
                        return queued["prompt_id"], messages, previews
        return asyncio.run(run())

    def outputs(self, id):
        return self.get(f"/history/{id}")[id]["outputs"]

    def image(self, output):
        from PIL import Image
        one = output["images"][0]
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/view?filename={one['filename']}&type={one['type']}&subfolder={one['subfolder']}") as reply:
            return Image.open(io.BytesIO(reply.read()))

    def test_loaded(self):
        info = self.get("/object_info")
        for name, outputs in {"Generate": ["IMAGE", "STRING", "STRING", "STRING"], "Correct": ["IMAGE", "STRING", "STRING", "STRING"],
                              "Verify": ["IMAGE", "FLOAT", "BOOLEAN", "STRING", "STRING"]}.items():
            node = info["ReflectionFlow" + name]
            self.assertEqual(node["output"], outputs)
            self.assertEqual(node["display_name"], "ReflectionFlow " + name)
            self.assertEqual(node["category"], "ReflectionFlow")
            self.assertEqual(node["input"]["required"]["model"][0], ["default", "paint"])
            self.assertNotIn(KEY, json.dumps(node))
        self.assertIn("blind", info["ReflectionFlowVerify"]["input"]["required"]["verifier"][0])
        self.assertIn("noise-prompt", info["ReflectionFlowGenerate"]["input"]["required"]["strategy"][0])
        self.assertIn("/extensions/reflectionflow/settings.js", self.get("/extensions"))
        self.assertEqual(sorted(self.get("/workflow_templates")["reflectionflow"]), sorted(n[:-5] for n in os.listdir(os.path.join(EXAMPLES, "api"))))

    def test_generate(self):
        workflow = self.example("generate")
        workflow["1"]["inputs"].update(prompt="red", strategy="noise", budget="3", seed=2**64 - 1, width=64, height=48, batch_size=2, settings='{"early_stop": false}')
        id, messages, previews = self.run_workflow(workflow)
        self.assertEqual(messages[-1]["type"], "execution_success", messages[-1])
        progress = [m["data"] for m in messages if m["type"] == "progress"]
        self.assertEqual((progress[-1]["value"], progress[-1]["max"]), (6, 6))
        self.assertGreaterEqual(len(progress), 6)
        self.assertGreaterEqual(previews, 1)
        outputs = self.outputs(id)
        self.assertEqual(len(outputs["2"]["images"]), 2)
        image = self.image(outputs["2"])
        self.assertEqual(image.size, (64, 48))
        self.assertNotIn(KEY, json.dumps(image.text))
        self.assertNotIn(URL, json.dumps(image.text))
        self.assertIn("image 0:", outputs["3"]["text"][0])

    def test_correct(self):
        workflow = self.example("correct")
        workflow["2"]["inputs"].update(prompt="blue", strategy="noise", budget="1", reflection="more blue")
        id, messages, _ = self.run_workflow(workflow)
        self.assertEqual(messages[-1]["type"], "execution_success", messages[-1])
        self.assertEqual(self.image(self.outputs(id)["3"]).getpixel((0, 0)), (0, 0, len("more blue")))

    def test_best_of_a_batch(self):
        workflow = self.example("best-of-a-batch")
        workflow["1"]["inputs"].update(prompt="red", seed=126)  # red grows by one; the verifier wants 128
        workflow["2"]["inputs"].update(prompt="red")
        id, messages, _ = self.run_workflow(workflow)
        self.assertEqual(messages[-1]["type"], "execution_success", messages[-1])
        outputs = self.outputs(id)
        self.assertEqual(len(outputs["3"]["images"]), 1)
        self.assertEqual(self.image(outputs["3"]).getpixel((0, 0))[0] > 127, "\nmet: " in outputs["4"]["text"][0])
        self.assertEqual(outputs["4"]["text"][0].count("image "), 4)

    def test_interrupt(self):
        workflow = self.example("generate")
        workflow["1"]["inputs"].update(prompt="slow red", strategy="noise", batch_size=2)

        def interrupt(message):
            if message["type"] == "executing" and message["data"].get("node") == "1":
                time.sleep(1)
                self.post("/interrupt", {})
        begin = time.monotonic()
        _, messages, _ = self.run_workflow(workflow, interrupt)
        self.assertEqual(messages[-1]["type"], "execution_interrupted")
        self.assertLess(time.monotonic() - begin, 30)
        for _ in range(100):
            request = urllib.request.Request(URL + "/api/v1/jobs?text=slow%20red&limit=2", headers={"Authorization": "Bearer " + KEY})
            states = [job["state"] for job in json.load(urllib.request.urlopen(request))["jobs"]]
            if states == ["cancelled", "cancelled"]:
                return
            time.sleep(0.1)
        self.fail(f"the jobs are {states}")

    def test_errors(self):
        for change, want in (({"prompt": "unknown thing"}, "unknown object"), ({"budget": "many"}, "budget"), ({"settings": "[1]"}, "no JSON object"), ({"width": 64}, "give both")):
            workflow = self.example("generate")
            workflow["1"]["inputs"].update(change)
            _, messages, _ = self.run_workflow(workflow)
            self.assertEqual(messages[-1]["type"], "execution_error")
            self.assertIn(want, messages[-1]["data"]["exception_message"])
            self.assertNotIn(KEY, json.dumps(messages))

    def test_refused_before_queueing(self):
        workflow = self.example("generate")
        workflow["1"]["inputs"]["model"] = "other"
        self.assertIn("the server has no model 'other': it has paint", json.dumps(self.post("/prompt", {"prompt": workflow})))
        try:
            self.post("/settings", {"ReflectionFlow.url": "http://127.0.0.1:1"})
            workflow["1"]["inputs"]["model"] = "paint"
            self.assertIn("no ReflectionFlow server answers at http://127.0.0.1:1", json.dumps(self.post("/prompt", {"prompt": workflow})))
            self.assertEqual(self.get("/object_info/ReflectionFlowGenerate")["ReflectionFlowGenerate"]["input"]["required"]["model"][0], ["default"])
        finally:
            self.post("/settings", {"ReflectionFlow.url": URL})


if __name__ == "__main__":
    unittest.main()

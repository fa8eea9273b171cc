"""gRPC probes of real pods: a container that serves gRPC's health protocol, and ones that do not."""
import unittest

from harness import SLEEP, SOURCE_DIR, DaemonTest, condition, container, pod, pods_path, restarts, status_of
from streams import Stream

# The container brings no Python: it has the machine's, read only, with Debian's python3-grpcio in it.
FROM_THE_HOST = {"usr": "/usr", "lib": "/lib", "lib64": "/lib64", "server": str(SOURCE_DIR / "tests/kubectl/grpc_health_server.py")}


def grpc_server(name, port, **probes):
    """A pod whose container serves gRPC on `port`."""
    paths = {**FROM_THE_HOST, "server": "/server.py"}
    main = container(command=["/usr/bin/python3", paths["server"], str(port)], **probes,
                     volumeMounts=[{"name": part, "mountPath": paths[part], "readOnly": True} for part in paths])
    return pod(name, main, volumes=[{"name": part, "hostPath": {"path": path}} for part, path in FROM_THE_HOST.items()])


def grpc(port, service=None, **more):
    return {"grpc": {"port": port, **({"service": service} if service else {})}, "periodSeconds": 1, **more}


class Grpc(DaemonTest):
    def test_all_three_kinds(self):
        self.create(grpc_server("health", 9000, startupProbe=grpc(9000, failureThreshold=60), readinessProbe=grpc(9000, "web"),
                                livenessProbe=grpc(9000, failureThreshold=1)))
        self.daemon.wait_pod("health", lambda p: status_of(p).get("started"), what="started")
        self.wait_words("health", 'Readiness probe failed: service unhealthy (responded with "NOT_SERVING")')
        self.assertFalse(status_of(self.daemon.pod("health"))["ready"])
        self.exec_in("health", "touch /tmp/ready")
        ready = self.daemon.wait_pod("health", lambda p: condition(p, "Ready").get("status") == "True", what="ready")
        self.assertEqual(0, restarts(ready))
        self.exec_in("health", "touch /tmp/sick")
        self.daemon.wait_pod("health", lambda p: restarts(p) == 1, what="restarted")
        self.wait_words("health", 'Liveness probe failed: service unhealthy (responded with "NOT_SERVING")')
        self.assertIn("Container main failed liveness probe, will be restarted", self.daemon.wait_event("health", "Killing")["message"])

    def test_what_is_not_served(self):
        self.create(grpc_server("elsewhere", 9000, readinessProbe=grpc(9000, "nobody")),
                    pod("nobody", container(script=SLEEP, readinessProbe=grpc(9000))),
                    pod("http", container(command=["httpd", "-f", "-p", "8080"], readinessProbe=grpc(8080))))
        self.wait_words("elsewhere", "Readiness probe failed: error: health rpc probe failed: rpc error: code = NotFound "
                                     "desc = unknown service")
        address = self.daemon.wait_running("nobody")["status"]["podIP"]
        self.wait_words("nobody", f'Readiness probe failed: timeout: failed to connect service "{address}:9000" within 1s: '
                                  "context deadline exceeded")
        self.wait_words("http", "Readiness probe failed: error: health rpc probe failed: rpc error: code = Unavailable desc = ")
        for name in ("elsewhere", "nobody", "http"):
            self.assertEqual("False", condition(self.daemon.wait_running(name), "Ready")["status"])

    def wait_words(self, name, words):
        """Waits for an event Unhealthy of the pod that begins with these words."""
        path = "/api/v1/namespaces/default/events"
        listed = self.daemon.api.get(path)
        said = [event for event in listed["items"] if self.is_of(event, name)]
        if any(event["message"].startswith(words) for event in said):
            return
        for change in self.daemon.api.watch(path, 60, resourceVersion=listed["metadata"]["resourceVersion"]):
            event = change["object"]
            if change["type"] != "DELETED" and self.is_of(event, name):
                said.append(event)
                if event["message"].startswith(words):
                    return
        self.fail(f"{name}: none of {[event['message'] for event in said]} begins with {words!r}")

    @staticmethod
    def is_of(event, name):
        return event["involvedObject"]["name"] == name and event["reason"] == "Unhealthy"

    def exec_in(self, name, script):
        status = Stream(self.daemon.api, f"{pods_path()}/{name}", "exec", container="main", stdout="true",
                        command=["sh", "-c", script]).finish()
        self.assertEqual("Success", status["status"], status)


if __name__ == "__main__":
    unittest.main()

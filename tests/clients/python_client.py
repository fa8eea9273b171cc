"""What users of python3-kubernetes do, one function a check: python_client.py CHECK, with KUBECONFIG set. Run by
clients_test.py, with the interpreter that has Debian's package."""
import sys

from kubernetes import client, config, watch
from kubernetes.stream import portforward, stream

NAMESPACE = "default"


def a_pod(name, script="trap 'exit 0' TERM; sleep 3600 & wait"):
    return client.V1Pod(
        metadata=client.V1ObjectMeta(name=name, labels={"made-by": "python"}),
        spec=client.V1PodSpec(termination_grace_period_seconds=1,
                              containers=[client.V1Container(name="main", image="busybox", command=["sh", "-c", script])]))


def running(api, name, script=None):
    """A new pod that runs; told by a watch."""
    api.create_namespaced_pod(NAMESPACE, a_pod(name, script) if script else a_pod(name))
    for event in watch.Watch().stream(api.list_namespaced_pod, NAMESPACE, field_selector=f"metadata.name={name}", timeout_seconds=60):
        statuses = event["object"].status.container_statuses
        if statuses and statuses[0].ready:
            return event["object"]
    raise AssertionError(f"{name} does not run")


def check_list(api):
    running(api, "py-list")
    names = [p.metadata.name for p in api.list_namespaced_pod(NAMESPACE, label_selector="made-by=python").items]
    assert "py-list" in names, names
    page = api.list_namespaced_pod(NAMESPACE, limit=1)
    assert page.metadata.resource_version
    assert [n.status.node_info.kubelet_version for n in api.list_node().items]
    assert "default" in [n.metadata.name for n in api.list_namespace().items]
    assert api.read_namespaced_pod("py-list", NAMESPACE).status.phase == "Running"
    assert isinstance(api.list_namespaced_event(NAMESPACE).items, list)
    try:
        api.read_namespaced_pod("nope", NAMESPACE)
    except client.ApiException as problem:
        assert problem.status == 404 and 'pods \\"nope\\" not found' in problem.body, problem
    else:
        raise AssertionError("a pod that is not there was read")


def check_watch(api):
    events = watch.Watch()
    seen = []
    api.create_namespaced_pod(NAMESPACE, a_pod("py-watch"))
    for event in events.stream(api.list_namespaced_pod, NAMESPACE, field_selector="metadata.name=py-watch", timeout_seconds=60):
        seen.append(event["type"])
        statuses = event["object"].status.container_statuses
        if event["type"] == "MODIFIED" and statuses and statuses[0].ready and not event["object"].metadata.deletion_timestamp:
            api.delete_namespaced_pod("py-watch", NAMESPACE)
        if event["type"] == "DELETED":
            events.stop()
    assert seen[0] == "ADDED" and seen[-1] == "DELETED", seen
    # A watch that ends goes on where it was.
    assert not list(watch.Watch().stream(api.list_namespaced_pod, "kube-system", timeout_seconds=1))


def check_patch(api):
    running(api, "py-patch")
    patched = api.patch_namespaced_pod("py-patch", NAMESPACE, {"metadata": {"labels": {"more": "yes"}}})
    assert patched.metadata.labels == {"made-by": "python", "more": "yes"}, patched.metadata.labels
    patched = api.patch_namespaced_pod("py-patch", NAMESPACE, [{"op": "remove", "path": "/metadata/labels/more"}])
    assert patched.metadata.labels == {"made-by": "python"}, patched.metadata.labels
    patched.metadata.annotations = {"note": "replaced"}
    replaced = api.replace_namespaced_pod("py-patch", NAMESPACE, patched)
    assert replaced.metadata.annotations["note"] == "replaced"
    try:
        api.replace_namespaced_pod("py-patch", NAMESPACE, patched)
    except client.ApiException as problem:
        assert problem.status == 409, problem
    else:
        raise AssertionError("a version that is not the latest was replaced")


def check_exec(api):
    running(api, "py-exec")
    run = lambda *command, **more: stream(api.connect_get_namespaced_pod_exec, "py-exec", NAMESPACE, command=list(command), stderr=True,
                                          stdin=False, stdout=True, tty=False, **more)
    assert run("echo", "hello") == "hello\n"
    session = run("sh", "-c", "cat; echo wrong >&2; exit 7", _preload_content=False)
    session.run_forever(timeout=60)
    assert session.returncode == 7, session.returncode
    assert session.read_stderr() == "wrong\n"
    talk = stream(api.connect_get_namespaced_pod_exec, "py-exec", NAMESPACE, command=["sh", "-c", "read line; echo got $line"], stderr=True,
                  stdin=True, stdout=True, tty=False, _preload_content=False)
    talk.write_stdin("a line\n")
    assert talk.readline_stdout(timeout=60) == "got a line"
    talk.close()


def check_log(api):
    running(api, "py-log", "echo one; echo two; trap 'exit 0' TERM; sleep 3600 & wait")
    for line in watch.Watch().stream(api.read_namespaced_pod_log, "py-log", NAMESPACE, follow=True):
        if line == "two":
            break
    assert api.read_namespaced_pod_log("py-log", NAMESPACE, tail_lines=1) == "two\n"


def check_port_forward(api):
    # httpd leaves for the background when it listens.
    running(api, "py-forward", "mkdir /www; echo served > /www/index.html; httpd -p 8080 -h /www; echo up; trap 'exit 0' TERM; sleep 3600 & wait")
    for line in watch.Watch().stream(api.read_namespaced_pod_log, "py-forward", NAMESPACE, follow=True):
        if line == "up":
            break
    forward = portforward(api.connect_get_namespaced_pod_portforward, "py-forward", NAMESPACE, ports="8080")
    link = forward.socket(8080)
    link.setblocking(True)
    link.sendall(b"GET / HTTP/1.0\r\n\r\n")
    answer = b""
    while chunk := link.recv(4096):
        answer += chunk
    assert answer.endswith(b"served\n"), answer
    assert forward.error(8080) is None


def check_other_groups(api):
    review = client.AuthorizationV1Api().create_self_subject_access_review(client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=client.V1ResourceAttributes(verb="list", resource="pods"))))
    assert review.status.allowed
    running(api, "py-evict")
    api.create_namespaced_pod_eviction("py-evict", NAMESPACE, client.V1Eviction(metadata=client.V1ObjectMeta(name="py-evict")))
    metrics = client.CustomObjectsApi().list_cluster_custom_object("metrics.k8s.io", "v1beta1", "nodes")
    assert metrics["items"][0]["usage"]["cpu"]
    leases = client.CoordinationV1Api().list_namespaced_lease("kube-node-lease")
    assert leases.items[0].spec.holder_identity
    assert client.VersionApi().get_code().minor == "32"
    assert "v1" in client.CoreApi().get_api_versions().versions


CHECKS = {name[len("check_"):]: check for name, check in list(globals().items()) if name.startswith("check_")}

if __name__ == "__main__":
    config.load_kube_config()
    CHECKS[sys.argv[1]](client.CoreV1Api())

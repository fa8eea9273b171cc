"""What users of python3-kubernetes do, one function a check: python_client.py CHECK, with KUBECONFIG set. Run by
clients_test.py, with the interpreter that has Debian's package."""
import base64
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


def logged(api, name, wanted):
    """Reads a pod's log until a line is `wanted`."""
    for line in watch.Watch().stream(api.read_namespaced_pod_log, name, NAMESPACE, follow=True):
        if line == wanted:
            return
    raise AssertionError(f"{name} never said {wanted}")


def check_config(api):
    meta = client.V1ObjectMeta(name="py-config")
    api.create_namespaced_config_map(NAMESPACE, client.V1ConfigMap(metadata=meta, data={"mode": "slow"}, binary_data={"bytes": "AAH/"}))
    api.create_namespaced_secret(NAMESPACE, client.V1Secret(metadata=meta, string_data={"password": "hush"}))
    assert base64.b64decode(api.read_namespaced_secret("py-config", NAMESPACE).data["password"]) == b"hush"
    told = a_pod("py-config", "echo $MODE $password; until grep -q fast /config/mode; do usleep 50000; done; echo changed; "
                              "trap 'exit 0' TERM; sleep 3600 & wait")
    main = told.spec.containers[0]
    main.env = [client.V1EnvVar(name="MODE", value_from=client.V1EnvVarSource(
        config_map_key_ref=client.V1ConfigMapKeySelector(name="py-config", key="mode")))]
    main.env_from = [client.V1EnvFromSource(secret_ref=client.V1SecretEnvSource(name="py-config"))]
    main.volume_mounts = [client.V1VolumeMount(name="config", mount_path="/config")]
    told.spec.volumes = [client.V1Volume(name="config", config_map=client.V1ConfigMapVolumeSource(name="py-config"))]
    api.create_namespaced_pod(NAMESPACE, told)
    for event in watch.Watch().stream(api.list_namespaced_pod, NAMESPACE, field_selector="metadata.name=py-config", timeout_seconds=60):
        if event["object"].status.phase == "Running":
            break
    logged(api, "py-config", "slow hush")
    api.patch_namespaced_config_map("py-config", NAMESPACE, {"data": {"mode": "fast"}})
    logged(api, "py-config", "changed")


def check_claim(api):
    wish = client.V1PersistentVolumeClaimSpec(access_modes=["ReadWriteOnce"], resources={"requests": {"storage": "1Mi"}})
    api.create_namespaced_persistent_volume_claim(NAMESPACE, client.V1PersistentVolumeClaim(metadata=client.V1ObjectMeta(name="py-claim"), spec=wish))
    user = a_pod("py-claim", "echo kept > /data/file; cat /data/file; trap 'exit 0' TERM; sleep 3600 & wait")
    user.spec.containers[0].volume_mounts = [client.V1VolumeMount(name="data", mount_path="/data")]
    user.spec.volumes = [client.V1Volume(name="data", persistent_volume_claim=client.V1PersistentVolumeClaimVolumeSource(claim_name="py-claim"))]
    api.create_namespaced_pod(NAMESPACE, user)
    for event in watch.Watch().stream(api.list_namespaced_pod, NAMESPACE, field_selector="metadata.name=py-claim", timeout_seconds=60):
        if event["object"].status.phase == "Running":
            break
    logged(api, "py-claim", "kept")
    claim = api.read_namespaced_persistent_volume_claim("py-claim", NAMESPACE)
    assert claim.status.phase == "Bound" and claim.spec.storage_class_name == "standard", claim
    volume = api.read_persistent_volume(claim.spec.volume_name)
    assert volume.spec.claim_ref.name == "py-claim" and volume.spec.capacity == {"storage": "1Mi"}, volume
    classes = client.StorageV1Api().list_storage_class().items
    assert [c.metadata.name for c in classes if c.provisioner == "podium.io/host-directory"] == ["standard"], classes


def check_accounts(api):
    api.create_namespaced_service_account(NAMESPACE, client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="py-account")))
    request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[], expiration_seconds=600))
    token = api.create_namespaced_service_account_token("py-account", NAMESPACE, request).status.token
    who = lambda text: client.AuthenticationV1Api().create_token_review(client.V1TokenReview(spec=client.V1TokenReviewSpec(token=text))).status
    assert who(token).user.username == "system:serviceaccount:default:py-account", who(token)
    # The older way: a secret that is filled.
    api.create_namespaced_secret(NAMESPACE, client.V1Secret(
        type="kubernetes.io/service-account-token",
        metadata=client.V1ObjectMeta(name="py-token", annotations={"kubernetes.io/service-account.name": "py-account"})))
    for event in watch.Watch().stream(api.list_namespaced_secret, NAMESPACE, field_selector="metadata.name=py-token", timeout_seconds=60):
        if event["object"].data and event["object"].data.get("token"):
            break
    kept = base64.b64decode(event["object"].data["token"]).decode()
    assert who(kept).user.username == "system:serviceaccount:default:py-account", who(kept)
    api.delete_namespaced_service_account("py-account", NAMESPACE)
    for event in watch.Watch().stream(api.list_namespaced_secret, NAMESPACE, field_selector="metadata.name=py-token", timeout_seconds=60):
        if event["type"] == "DELETED":
            break
    assert not who(kept).authenticated and not who(token).authenticated


def check_ephemeral(api):
    running(api, "py-debug")
    more = {"spec": {"ephemeralContainers": [{"name": "look", "image": "busybox", "command": ["echo", "looked"]}]}}
    api.patch_namespaced_pod_ephemeralcontainers("py-debug", NAMESPACE, more)
    for event in watch.Watch().stream(api.list_namespaced_pod, NAMESPACE, field_selector="metadata.name=py-debug", timeout_seconds=60):
        statuses = event["object"].status.ephemeral_container_statuses
        if statuses and statuses[0].state.terminated:
            break
    assert api.read_namespaced_pod_log("py-debug", NAMESPACE, container="look") == "looked\n"


CHECKS = {name[len("check_"):]: check for name, check in list(globals().items()) if name.startswith("check_")}

if __name__ == "__main__":
    config.load_kube_config()
    CHECKS[sys.argv[1]](client.CoreV1Api())

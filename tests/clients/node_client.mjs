// What users of @kubernetes/client-node do, one function a check: node_client.mjs CHECK, with KUBECONFIG set and PODIUM_NODE_CLIENTS
// naming the directory that `./dev setup` installed the package in. Run by clients_test.py.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { PassThrough, Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.env.PODIUM_NODE_CLIENTS}/package.json`);
const k8s = await import(pathToFileURL(require.resolve('@kubernetes/client-node')));

const namespace = 'default';
const config = new k8s.KubeConfig();
config.loadFromDefault();
const api = config.makeApiClient(k8s.CoreV1Api);
const sleeper = "trap 'exit 0' TERM; sleep 3600 & wait";

function pod(name, script = sleeper) {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { 'made-by': 'node' } },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image: 'busybox', command: ['sh', '-c', script] }],
    },
  };
}

// Watches one pod until test(type, pod) is true.
async function until(name, test) {
  const watch = new k8s.Watch(config);
  let abort;
  await new Promise((resolve, reject) => {
    watch
      .watch(
        `/api/v1/namespaces/${namespace}/pods`,
        { fieldSelector: `metadata.name=${name}`, timeoutSeconds: 60 },
        (type, object) => test(type, object) && resolve(),
        (error) => reject(error ?? new Error(`${name}: the watch ended before`)),
      )
      .then((controller) => (abort = controller), reject);
  });
  abort?.abort();
}

const runs = (type, object) => object.status?.containerStatuses?.[0]?.ready === true;

async function running(name, script) {
  await api.createNamespacedPod({ namespace, body: pod(name, script) });
  await until(name, runs);
}

function collector() {
  const into = new PassThrough();
  into.text = '';
  into.on('data', (chunk) => (into.text += chunk));
  return into;
}

const checks = {
  async list() {
    await running('js-list');
    const list = await api.listNamespacedPod({ namespace, labelSelector: 'made-by=node' });
    assert(list.items.some((p) => p.metadata.name === 'js-list'));
    assert((await api.listNode()).items[0].status.nodeInfo.kubeletVersion);
    const read = await api.readNamespacedPod({ name: 'js-list', namespace });
    assert.equal(read.status.phase, 'Running');
    await assert.rejects(api.readNamespacedPod({ name: 'nope', namespace }), (e) => e.code === 404);
    const apis = await config.makeApiClient(k8s.ApisApi).getAPIVersions();
    assert(apis.groups.some((g) => g.name === 'metrics.k8s.io'));
  },

  async watch() {
    const seen = [];
    await api.createNamespacedPod({ namespace, body: pod('js-watch') });
    let asked = false;
    await until('js-watch', (type, object) => {
      seen.push(type);
      if (!asked && runs(type, object)) {
        asked = true;
        api.deleteNamespacedPod({ name: 'js-watch', namespace });
      }
      return type === 'DELETED';
    });
    assert.equal(seen[0], 'ADDED');
  },

  async patch() {
    await running('js-patch');
    const json = await api.patchNamespacedPod({
      name: 'js-patch',
      namespace,
      body: [{ op: 'add', path: '/metadata/labels/more', value: 'yes' }],
    });
    assert.equal(json.metadata.labels.more, 'yes');
    const merge = await api.patchNamespacedPod(
      { name: 'js-patch', namespace, body: { metadata: { labels: { more: null } } } },
      k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch),
    );
    assert.equal(merge.metadata.labels.more, undefined);
  },

  async exec() {
    await running('js-exec');
    const exec = new k8s.Exec(config);
    const [out, err] = [collector(), collector()];
    const status = await new Promise((resolve, reject) => {
      exec
        .exec(namespace, 'js-exec', 'main', ['sh', '-c', 'cat; echo wrong >&2; exit 7'], out, err, Readable.from(['from ', 'stdin\n']), false, resolve)
        .catch(reject);
    });
    assert.equal(status.status, 'Failure');
    assert.equal(status.details.causes[0].message, '7');
    assert.equal(out.text, 'from stdin\n');
    assert.equal(err.text, 'wrong\n');
  },

  async log() {
    await running('js-log', `echo one; echo two; ${sleeper}`);
    const into = collector();
    const controller = await new k8s.Log(config).log(namespace, 'js-log', 'main', into, { follow: true });
    while (!into.text.includes('two')) await new Promise((resolve) => into.once('data', resolve));
    controller.abort();
    assert.equal(await api.readNamespacedPodLog({ name: 'js-log', namespace, tailLines: 1 }), 'two\n');
  },

  async informer() {
    const list = () => api.listNamespacedPod({ namespace, labelSelector: 'made-by=node' });
    await running('js-before');
    const informer = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/pods`, list, 'made-by=node');
    const news = [];
    let wake = () => {};
    for (const verb of ['add', 'update', 'delete'])
      informer.on(verb, (object) => {
        news.push(`${verb} ${object.metadata.name}`);
        wake();
      });
    informer.on('error', (error) => {
      throw error;
    });
    const heard = async (what) => {
      while (!news.includes(what)) await new Promise((resolve) => (wake = resolve));
    };
    await informer.start();
    await heard('add js-before');
    await api.createNamespacedPod({ namespace, body: pod('js-after') });
    await heard('add js-after');
    await heard('update js-after');
    assert.equal(informer.get('js-after', namespace).metadata.name, 'js-after');
    await api.deleteNamespacedPod({ name: 'js-after', namespace });
    await heard('delete js-after');
    assert.equal(informer.get('js-after', namespace), undefined);
    await informer.stop();
  },

  async objectsOfPods() {
    await api.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'js' }, data: { mode: 'slow' } } });
    await api.createNamespacedSecret({ namespace, body: { metadata: { name: 'js' }, stringData: { password: 'hush' } } });
    await api.createNamespacedServiceAccount({ namespace, body: { metadata: { name: 'js' } } });
    const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: [], expirationSeconds: 600 } };
    const made = await api.createNamespacedServiceAccountToken({ name: 'js', namespace, body: request });
    assert.match(made.status.token, /^[\w-]+\.[\w-]+\.[\w-]+$/);
    await api.createNamespacedPersistentVolumeClaim({
      namespace,
      body: { metadata: { name: 'js' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } } },
    });
    const body = pod('js-objects', `cat /config/mode /secret/password; echo > /data/file; ${sleeper}`);
    body.spec.serviceAccountName = 'js';
    const places = { config: '/config', secret: '/secret', data: '/data' };
    body.spec.containers[0].volumeMounts = Object.entries(places).map(([name, mountPath]) => ({ name, mountPath }));
    body.spec.volumes = [
      { name: 'config', configMap: { name: 'js' } },
      { name: 'secret', secret: { secretName: 'js' } },
      { name: 'data', persistentVolumeClaim: { claimName: 'js' } },
    ];
    await api.createNamespacedPod({ namespace, body });
    await until('js-objects', runs);
    const claim = await api.readNamespacedPersistentVolumeClaim({ name: 'js', namespace });
    assert.equal(claim.status.phase, 'Bound');
    const volume = await api.readPersistentVolume({ name: claim.spec.volumeName });
    assert.equal(volume.spec.claimRef.name, 'js');
    const out = collector();
    const log = new k8s.Log(config);
    const ended = new Promise((resolve) => out.on('end', resolve));
    await log.log(namespace, 'js-objects', 'main', out, { follow: false });
    await ended;
    assert.equal(out.text, 'slowhush');
  },

  async otherGroups() {
    const review = await config.makeApiClient(k8s.AuthorizationV1Api).createSelfSubjectAccessReview({
      body: { spec: { resourceAttributes: { verb: 'list', resource: 'pods' } } },
    });
    assert.equal(review.status.allowed, true);
    const metrics = await new k8s.Metrics(config).getNodeMetrics();
    assert(metrics.items[0].usage.cpu);
    const top = await k8s.topNodes(api);
    assert(Number(top[0].CPU.Capacity) > 0);
  },
};

await checks[process.argv[2]]();
process.exit(0);

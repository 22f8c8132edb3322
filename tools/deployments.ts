/** What `deploy/` says, read for its specs: the environment that each program gets, and the images' files and commands. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { ROOT, listFiles, read } from './workspace.js';

export interface KubernetesDocument {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** How a program is told a setting: as a value, from a file, or from a secret of Kubernetes. */
export interface Given {
  readonly name: string;
  readonly value: string | undefined;
}

export interface ComposeService {
  readonly image?: string;
  readonly build?: { readonly target?: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly secrets?: readonly string[];
  readonly healthcheck?: object;
  readonly mem_limit?: string;
  readonly ports?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
}

export interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

export function readCompose(): Compose {
  return parse(read('deploy/compose/compose.yaml'), { merge: true }) as Compose;
}

export function readKubernetes(): readonly KubernetesDocument[] {
  return listFiles()
    .filter((path) => path.startsWith('deploy/k8s/') && path.endsWith('.yaml'))
    .flatMap((path) => parseAllDocuments(read(path)).map((document) => document.toJS() as KubernetesDocument));
}

interface EnvEntry {
  readonly name: string;
  readonly value?: string;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly env?: readonly EnvEntry[];
  readonly envFrom?: readonly { readonly configMapRef: { readonly name: string } }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly resources?: { readonly limits?: Readonly<Record<string, string>> };
  readonly readinessProbe?: object;
  readonly livenessProbe?: object;
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly automountServiceAccountToken?: boolean;
  readonly terminationGracePeriodSeconds?: number;
}

/** The pods of a workload; undefined for what has none. */
export function podOf(document: KubernetesDocument): PodSpec | undefined {
  return (document.spec as { readonly template?: { readonly spec: PodSpec } } | undefined)?.template?.spec;
}

/** Everything in a container's environment. */
export function environmentOf(container: Container, documents: readonly KubernetesDocument[]): readonly Given[] {
  const shared = (container.envFrom ?? []).flatMap(({ configMapRef }) => {
    const map = documents.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMapRef.name);
    return Object.entries(map?.data ?? {}).map(([name, value]) => ({ name, value }));
  });
  return [...shared, ...(container.env ?? []).map(({ name, value }) => ({ name, value }))];
}

export interface ImageTarget {
  readonly name: string;
  /** Paths from the root of the repository to where they lie in the image. */
  readonly files: readonly { readonly from: string; readonly to: string }[];
  readonly entrypoint: readonly string[];
}

interface Stage {
  readonly from: string;
  readonly files: ImageTarget['files'];
  readonly entrypoint: readonly string[];
}

/** The targets of `deploy/Dockerfile` that run something, with what they take over from the build. */
export function readTargets(): readonly ImageTarget[] {
  const stages = new Map<string, Stage>();
  for (const block of read('deploy/Dockerfile').split(/^(?=FROM )/m)) {
    const [, from, name] = /^FROM (\S+) AS (\S+)/.exec(block) ?? [];
    if (from === undefined || name === undefined) continue;
    const base = stages.get(from);
    const copied = [...block.matchAll(/^COPY --from=build \/understudy\/(\S+) (\S+)$/gm)].map(([, source = '', target = '']) => ({
      from: source,
      to: target.endsWith('/') ? join(target, source) : target,
    }));
    const [, command] = /^ENTRYPOINT (\[.*\])$/m.exec(block) ?? [];
    stages.set(name, {
      from,
      files: [...(base?.files ?? []), ...copied],
      entrypoint: command === undefined ? (base?.entrypoint ?? []) : (JSON.parse(command) as string[]),
    });
  }
  return [...stages]
    .filter(([, { entrypoint }]) => entrypoint.length > 0)
    .map(([name, { files, entrypoint }]) => ({ name, files, entrypoint }));
}

/** Where an image's file comes from here; throws for one that is not there. */
export function sourceOf(path: string): string {
  const source = join(ROOT, path);
  if (!existsSync(source)) throw new Error(`The Dockerfile copies ${path}, which is not there.`);
  return source;
}

import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OwnPair } from './own-pair.js';
import { REPOSITORY } from './product.js';

/** The documents of the first steps as they are, with this pair's folders and ports. Answers their folder. */
export function writeDocuments(folder: string, pair: OwnPair): string {
  cpSync(join(REPOSITORY, 'docs/first-steps'), folder, { recursive: true });
  const cluster = join(folder, 'cluster.yaml');
  const documented = ['5433', '5434'];
  const adapted = pair.nodes.reduce(
    (text, node, index) =>
      text.replace(`/srv/orders/${node.slug}`, node.root).replace(`'${documented[index]}'`, `'${node.port}'`),
    readFileSync(cluster, 'utf8'),
  );
  writeFileSync(cluster, adapted);
  return folder;
}

/** A copy of the tree in which something is broken on purpose: packages are shared with this one, our own are the copy's. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';

const NOT_COPIED = new Set(['node_modules', '.git', '.nx', '.cache', 'coverage', 'understudy-data']);
const ESCAPES = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');

/** The tree as it is now, with what was built, or as it was committed. */
export function copyTree(root, folder, isCommitted) {
  if (isCommitted) {
    mkdirSync(folder);
    execFileSync('sh', ['-c', 'git archive HEAD | tar -x -C "$0"', folder], { cwd: root });
  } else copyFiles(root, folder);
  sharePackages(root, folder);
}

function copyFiles(root, folder) {
  cpSync(root, folder, {
    recursive: true,
    preserveTimestamps: true,
    verbatimSymlinks: true,
    filter: (source) =>
      !relative(root, source)
        .split('/')
        .some((part) => NOT_COPIED.has(part)),
  });
}

function sharePackages(root, folder) {
  const shared = (from, to, names) => {
    mkdirSync(to, { recursive: true });
    for (const name of names) symlinkSync(join(from, name), join(to, name));
  };
  const packages = join(root, 'node_modules');
  shared(
    packages,
    join(folder, 'node_modules'),
    readdirSync(packages).filter((name) => name !== '@understudy' && name !== '.vite'),
  );
  cpSync(join(packages, '@understudy'), join(folder, 'node_modules/@understudy'), { recursive: true, verbatimSymlinks: true });
  const cache = join(root, '.cache');
  if (existsSync(cache))
    shared(
      cache,
      join(folder, '.cache'),
      readdirSync(cache).filter((name) => /^(kafka-|postgres)/.test(name)),
    );
}

/** Runs Node in the copy; a whole process group, so that a limit leaves nothing. */
export async function runNode(folder, args, limitMs) {
  const child = spawn(process.execPath, args, { cwd: folder, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const signal = (name) => {
    try {
      process.kill(-child.pid, name);
    } catch {
      // The group has ended.
    }
  };
  const interrupted = () => signal('SIGINT');
  process.on('SIGINT', interrupted);
  const timer = setTimeout(() => signal('SIGKILL'), limitMs);
  const [code] = await once(child, 'close');
  clearTimeout(timer);
  process.off('SIGINT', interrupted);
  return { code, output: output.replace(ESCAPES, '') };
}

/** Applies a patch file in the copy; null, or why it does not apply. `reverse` takes it back. */
export function applyPatch(folder, file, reverse = false) {
  try {
    execFileSync('git', ['apply', ...(reverse ? ['--reverse'] : []), file], { cwd: folder, stdio: 'pipe' });
    return null;
  } catch (error) {
    return String(error.stderr).split('\n')[0];
  }
}

import { cpSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { compareVersions } from '@understudy/cluster';
import { type MadePackage, makeArchive } from './packages.js';
import { standGround } from './stand.js';
import type { StandHost } from './stand-host.js';

/** Where the tests are, on the bridge of the hosts. */
const OUR_ADDRESS = '10.77.0.1';

/** An archive that apt on the hosts takes packages from: the release's upgrades, and packages made for the test. */
export class StandArchive {
  private constructor(
    private readonly server: Server,
    private readonly index: string,
  ) {}

  /** @param name of its folder in this run. */
  static async open(name: string, made: readonly MadePackage[]): Promise<StandArchive> {
    const { folder: ground, upgrades } = standGround();
    const folder = join(ground, `archive-${name}`);
    cpSync(upgrades, folder, { recursive: true });
    await makeArchive(folder, made);
    const server = createServer((request, response) => {
      try {
        response.end(readFileSync(join(folder, basename(decodeURIComponent(request.url ?? '')))));
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((resolve) => server.listen(0, OUR_ADDRESS, resolve));
    return new StandArchive(server, readFileSync(join(folder, 'Packages'), 'utf8'));
  }

  /** All versions of a package, the oldest first. */
  versions(name: string): readonly string[] {
    const entries = this.index.split('\n\n').filter((entry) => entry.startsWith(`Package: ${name}\n`));
    return entries.map((entry) => /^Version: (.*)$/m.exec(entry)?.[1] ?? '').sort(compareVersions);
  }

  /** Makes it the host's one source of packages, and installs what the host begins with, as `NAME=VERSION`. */
  async give(host: StandHost, packages: readonly string[]): Promise<void> {
    const { port } = this.server.address() as AddressInfo;
    await host.inside(`echo 'deb [trusted=yes] http://${OUR_ADDRESS}:${port}/ ./' > /etc/apt/sources.list
rm -f /etc/apt/sources.list.d/*
apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y --allow-downgrades --no-install-recommends install ${packages.join(' ')}`);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

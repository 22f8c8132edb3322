/** The way back of a package on a real Debian over SSH: what it is proven by, what it brings back, and what it refuses. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { itemOf, PreparedHost } from '../../privileged/fixtures/on-hosts/contract.js';
import { aptSource } from './apt.js';

let under: PreparedHost;

const KEPT = '/var/cache/understudy/packages';

beforeAll(async () => {
  const archive = [
    ...['1.0', '2.0'].map((version) => ({ name: 'lib', version })),
    { name: 'tool', version: '1.0', depends: 'lib' },
    { name: 'tool', version: '2.0', depends: 'lib (>= 2)' },
  ];
  under = await PreparedHost.make('back', archive, ['tool=1.0', 'lib=1.0']);
}, 180_000);

afterAll(() => under?.close());

const apply = (name: string, version: string): Promise<number> =>
  under.jobEnds(aptSource.apply(under.open(), itemOf(name, version)));
const back = (name: string, version: string, previous: string): Promise<number> =>
  under.jobEnds(aptSource.rollback(under.open(), itemOf(name, version), previous));
const installed = (...names: string[]): Promise<string> => under.packages(...names);
const inside = (script: string): Promise<string> => under.machine.inside(script);
describe('the way back', () => {
  it('ends well only when all of it was brought back', async () => {
    expect(await apply('tool', '2.0')).toBe(0);
    expect(await installed('lib', 'tool')).toBe('lib 2.0 install ok installed\ntool 2.0 install ok installed');
    await inside(`mv ${KEPT}/lib_1.0_all.deb /root`);
    expect(await back('tool', '2.0', '1.0')).not.toBe(0);
    expect(await installed('lib', 'tool')).toBe('lib 2.0 install ok installed\ntool 2.0 install ok installed');
    await inside(`mv /root/lib_1.0_all.deb ${KEPT}`);
    expect(await back('tool', '2.0', '1.0')).toBe(0);
    expect(await installed('lib', 'tool')).toBe('lib 1.0 install ok installed\ntool 1.0 install ok installed');
  });
});

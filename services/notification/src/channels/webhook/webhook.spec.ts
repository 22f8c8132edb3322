import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import { defaultWebhooks } from '../../config.js';
import { channelContract } from '../contract.js';
import { AddressGuard } from './address.js';
import { newWebhookSecret, signatureOf } from './signature.js';
import { WebhookChannel } from './webhook.js';

const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(
  answer: (
    request: IncomingMessage,
    body: string,
  ) => { status: number; headers?: Record<string, string>; body?: string } | undefined,
): Promise<string> {
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const told = answer(request, body);
      if (told !== undefined) response.writeHead(told.status, told.headers).end(told.body);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const open = { ...defaultWebhooks, allow: ['127.0.0.0/8'], allowHttp: true };
const message = { deliveryId: 'd', body: '{}', contentType: 'application/json', secrets: [newWebhookSecret()], at: 0 };
const never = new AbortController().signal;

channelContract('webhook', {
  channel: (timeoutMs) => new WebhookChannel({ ...open, timeoutMs }),
  receiver: async ({ status, retryAfterSeconds }) => {
    const heard: { id: string; body: string }[] = [];
    const url = await serve((request, body) => {
      heard.push({ id: String(request.headers['webhook-id']), body });
      if (status === 0) return undefined;
      return { status, ...(retryAfterSeconds === undefined ? {} : { headers: { 'retry-after': String(retryAfterSeconds) } }) };
    });
    return { url, heard };
  },
  deadUrl: 'http://127.0.0.1:9',
  wrongUrls: ['nothing', 'ftp://127.0.0.1/', 'http://user:secret@127.0.0.1/', 'http://10.0.0.1/', 'file:///etc/passwd'],
});

describe('signatures', () => {
  const vector = {
    secret: 'whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=',
    id: 'msg_1',
    timestamp: 1_767_225_600,
    body: '{"type":"run.completed","timestamp":"2026-01-01T00:00:00.000Z","data":{"runId":"r1"}}',
  };
  const signature = 'v1,O1TS1ArVRO3joRO9wNEocmI9Zbgkhl12/xUdoobfJb8=';
  it('agree with the vector of Standard Webhooks; one more for each further secret', () => {
    expect(signatureOf(vector, [vector.secret])).toBe(signature);
    const [first, second] = signatureOf(vector, [newWebhookSecret(), vector.secret]).split(' ');
    expect(second).toBe(signature);
    expect(first).not.toBe(signature);
  });
  it('change with every signed part', () => {
    for (const other of [
      { ...vector, id: 'msg_2' },
      { ...vector, timestamp: 1 },
      { ...vector, body: `${vector.body} ` },
    ]) {
      expect(signatureOf(other, [vector.secret])).not.toBe(signature);
    }
  });
  it('are sent over the very bytes, with the time of the attempt', async () => {
    let headers: IncomingMessage['headers'] = {};
    const url = await serve((request) => ((headers = request.headers), { status: 204 }));
    const at = Date.parse('2026-03-01T10:00:00.900Z');
    await new WebhookChannel(open).send({ ...message, url, at, secrets: [vector.secret] }, never);
    const timestamp = Math.floor(at / 1_000);
    expect(headers).toMatchObject({
      'webhook-id': 'd',
      'webhook-timestamp': String(timestamp),
      'webhook-signature': signatureOf({ id: 'd', timestamp, body: '{}' }, [vector.secret]),
    });
  });
});

describe('addresses', () => {
  const guard = (allow: readonly string[] = [], addresses: readonly string[] = []) =>
    new AddressGuard({ allow, allowHttp: false }, () => Promise.resolve(addresses.map((address) => ({ address }))));
  const isOpen = async (host: string, allow: readonly string[] = [], addresses: readonly string[] = []) =>
    (await guard(allow, addresses).open(host)).open;

  it.each([
    ['loopback', '127.0.0.1'],
    ['loopback', '[::1]'],
    ['any', '0.0.0.0'],
    ['any', '[::]'],
    ['private', '10.1.2.3'],
    ['private', '172.31.255.255'],
    ['private', '192.168.0.1'],
    ['shared', '100.64.0.1'],
    ['link-local', '169.254.1.1'],
    ['cloud metadata', '169.254.169.254'],
    ['cloud metadata', '[fd00:ec2::254]'],
    ['link-local', '[fe80::1]'],
    ['IPv4 in IPv6', '[::ffff:127.0.0.1]'],
    ['IPv4 in IPv6', '[::ffff:7f00:1]'],
    ['IPv4 in IPv6', '[::127.0.0.1]'],
    ['NAT64', '[64:ff9b::7f00:1]'],
    ['6to4', '[2002:7f00:1::]'],
    ['multicast', '224.0.0.1'],
    ['broadcast', '255.255.255.255'],
  ])('%s is closed: %s', async (_what, host) => {
    expect(await isOpen(host)).toBe(false);
  });
  it('odd spellings of an address are the address', async () => {
    for (const url of ['https://2130706433/', 'https://0x7f.1/', 'https://0177.0.0.1/', 'https://127.1/'])
      expect(await isOpen(new URL(url).hostname)).toBe(false);
  });
  it('the internet is open, in both families', async () => {
    expect(await isOpen('93.184.216.34')).toBe(true);
    expect(await isOpen('[2606:2800:220:1:248:1893:25c8:1946]')).toBe(true);
    expect(await guard([], ['93.184.216.34', '2606:2800:220::1']).open('hooks.example.com')).toEqual({
      open: true,
      addresses: [
        { address: '93.184.216.34', family: 4 },
        { address: '2606:2800:220::1', family: 6 },
      ],
    });
  });
  it('a name is closed if any of its addresses is', async () => {
    const checked = await guard([], ['93.184.216.34', '10.0.0.7']).open('sneaky.example.com');
    expect(checked).toMatchObject({
      open: false,
      refusal: {
        code: 'WEBHOOK_ADDRESS_REFUSED',
        detail: expect.stringContaining('sneaky.example.com, which is 10.0.0.7') as string,
      },
    });
  });
  it('an admin opens ranges, addresses and names, and nothing beside them', async () => {
    expect(await isOpen('10.1.2.3', ['10.0.0.0/8'])).toBe(true);
    expect(await isOpen('192.168.0.1', ['10.0.0.0/8'])).toBe(false);
    expect(await isOpen('[fd00::5]', ['fd00::5'])).toBe(true);
    expect(await isOpen('hooks.internal', ['hooks.internal'], ['10.0.0.7'])).toBe(true);
    expect(await isOpen('other.internal', ['hooks.internal'], ['10.0.0.7'])).toBe(false);
  });
  it('only https goes out, unless an admin allowed more', () => {
    expect(guard().form('http://hooks.example.com/')).toMatchObject({ code: 'WEBHOOK_URL_INVALID' });
    expect(guard().form('https://hooks.example.com/')).toBeUndefined();
  });
});

describe('requests', () => {
  it('go to the address that was checked: a name that answers differently the second time gains nothing', async () => {
    let asked = 0;
    let hit = 0;
    const url = await serve(() => ((hit += 1), { status: 200 }));
    const { port } = new URL(url);
    // First answer: a receiver that is allowed. Second answer, were anybody to ask: an address where nobody listens.
    const rules = { allow: ['127.0.0.1'], allowHttp: true };
    const guard = new AddressGuard(rules, () => Promise.resolve([{ address: (asked += 1) === 1 ? '127.0.0.1' : '127.0.0.2' }]));
    const outcome = await new WebhookChannel(open, guard).send({ ...message, url: `http://rebinding.example:${port}/` }, never);
    expect([outcome.kind, asked, hit]).toEqual(['accepted', 1, 1]);
  });
  it('follow no redirect, inward or elsewhere', async () => {
    let inside = 0;
    const inner = await serve(() => ((inside += 1), { status: 200 }));
    for (const status of [301, 302, 307, 308]) {
      const url = await serve(() => ({ status, headers: { location: inner } }));
      expect(await new WebhookChannel(open).send({ ...message, url }, never)).toMatchObject({
        kind: 'failed',
        reason: expect.stringContaining('redirect') as string,
      });
    }
    expect(inside).toBe(0);
  });
  it('read no endless answer', async () => {
    const url = await serve(() => ({ status: 200, body: 'x'.repeat(5 * 1024 * 1024) }));
    expect(await new WebhookChannel(open).send({ ...message, url }, never)).toEqual({ kind: 'accepted' });
  });
  it('hear a Retry-After that is a date', async () => {
    const at = Date.parse('2026-03-01T10:00:00Z');
    const url = await serve(() => ({ status: 503, headers: { 'retry-after': 'Sun, 01 Mar 2026 10:00:30 GMT' } }));
    expect(await new WebhookChannel(open).send({ ...message, url, at }, never)).toMatchObject({ retryAfterMs: 30_000 });
  });
});

/**
 * Where a webhook may go. Names are resolved by us and every address of the answer is judged; the connection is then made to one of
 * these very addresses, so that a second answer of the name server changes nothing (DNS rebinding).
 */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import type { Refusal } from '@understudy/decider';

export interface CheckedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

export type AddressCheck =
  { readonly open: true; readonly addresses: readonly CheckedAddress[] } | { readonly open: false; readonly refusal: Refusal };

export interface AddressRules {
  readonly allow: readonly string[];
  readonly allowHttp: boolean;
}

/** IANA special-purpose registries (RFC 6890 and its successors): nothing in them is a receiver on the internet. */
const CLOSED: readonly string[] = [
  ...[
    '0.0.0.0/8',
    '10.0.0.0/8',
    '100.64.0.0/10',
    '127.0.0.0/8',
    '169.254.0.0/16',
    '172.16.0.0/12',
    '192.0.0.0/24',
    '192.0.2.0/24',
  ],
  ...['192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
  ...['::/96', '64:ff9b::/96', '64:ff9b:1::/48', '100::/64', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20', '5f00::/16'],
  ...['fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8'],
];
const MAX_URL_LENGTH = 2_000;
const RESOLVE_LIMIT = 16;

const familyName = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

function rangesOf(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/');
    if (bits !== undefined) list.addSubnet(address, Number(bits), familyName(address));
    else if (isIP(address) !== 0) list.addAddress(address, familyName(address));
  }
  return list;
}

const closed = rangesOf(CLOSED);

/** `::ffff:a.b.c.d` is the IPv4 address in disguise. */
function unmapped(address: string): string {
  const dotted = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (dotted !== undefined) return dotted;
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(address) ?? [];
  if (high === undefined || low === undefined) return address;
  const bits = Number.parseInt(high, 16) * 65_536 + Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => Math.floor(bits / 2 ** shift) % 256).join('.');
}

export class AddressGuard {
  private readonly ranges: BlockList;
  private readonly names: ReadonlySet<string>;

  constructor(
    private readonly rules: AddressRules,
    private readonly resolve: (host: string) => Promise<readonly { readonly address: string }[]> = (host) =>
      lookup(host, { all: true, verbatim: true }),
  ) {
    this.ranges = rangesOf(rules.allow);
    this.names = new Set(
      rules.allow.filter((entry) => !entry.includes('/') && isIP(entry) === 0).map((name) => name.toLowerCase()),
    );
  }

  /** What is wrong with the text itself. */
  form(text: string): Refusal | undefined {
    const refuse = (detail: string): Refusal => ({ pointer: '/url', code: 'WEBHOOK_URL_INVALID', detail });
    if (text.length > MAX_URL_LENGTH || !URL.canParse(text))
      return refuse('This is no URL. Give one such as https://hooks.example.com/understudy.');
    const url = new URL(text);
    if (url.username !== '' || url.password !== '')
      return refuse('A URL with a user or password is not kept; requests are signed instead.');
    if (url.protocol === 'https:' || (url.protocol === 'http:' && this.rules.allowHttp)) return undefined;
    return refuse(`Webhooks go to https: addresses, not ${url.protocol} ones. An admin can allow http: by WEBHOOK_ALLOW_HTTP.`);
  }

  /** Resolves and judges a host as a URL names it. Rejects if the name does not resolve. */
  async open(hostname: string): Promise<AddressCheck> {
    const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
    const found = isIP(host) === 0 ? await this.resolve(host) : [{ address: host }];
    const addresses = found.slice(0, RESOLVE_LIMIT).map(({ address }) => unmapped(address));
    const refused = this.names.has(host) ? undefined : addresses.find((address) => !this.isOpen(address));
    if (refused === undefined)
      return { open: true, addresses: addresses.map((address) => ({ address, family: isIP(address) === 6 ? 6 : 4 })) };
    const named = refused === host ? host : `${host}, which is ${refused},`;
    const detail = `Webhooks do not go to ${named} because it is a private, loopback, link-local or reserved address. An admin can allow it by WEBHOOK_ALLOW.`;
    return { open: false, refusal: { pointer: '/url', code: 'WEBHOOK_ADDRESS_REFUSED', detail } };
  }

  private isOpen(address: string): boolean {
    const family = familyName(address);
    return isIP(address) !== 0 && (this.ranges.check(address, family) || !closed.check(address, family));
  }
}

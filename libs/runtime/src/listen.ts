/** Where a service listens, and the refusal to speak in clear with other machines. */
import { readFileSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import { SettingsError, parsers, setting } from './config.js';

export const listenSettings = {
  host: setting({ name: 'LISTEN_HOST', describe: 'Address to listen on', default: '127.0.0.1', parse: parsers.host }),
  port: setting({
    name: 'LISTEN_PORT',
    describe: 'TCP port; 0 = any free one',
    default: '7400',
    parse: parsers.integer(0, 65_535),
  }),
  tlsCert: setting({
    name: 'TLS_CERT_FILE',
    describe: 'PEM file with the certificate chain',
    default: '',
    parse: parsers.optional,
  }),
  tlsKey: setting({ name: 'TLS_KEY_FILE', describe: 'PEM file with the private key', default: '', parse: parsers.optional }),
  behindTlsProxy: setting({
    name: 'BEHIND_TLS_PROXY',
    describe:
      'true = a proxy in front ends TLS and is the only one that reaches this port; its X-Forwarded-For is believed for one hop',
    default: 'false',
    parse: parsers.boolean,
  }),
};

export interface Listen {
  readonly host: string;
  readonly port: number;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly behindTlsProxy?: boolean;
}

export interface ListenPlan {
  readonly https: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  /** Believes X-Forwarded-For from the next hop alone. */
  readonly trustProxy: false | ((address: string, hop: number) => boolean);
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

export function isLoopback(host: string): boolean {
  const family = isIP(host);
  return family === 0 ? host === 'localhost' : loopback.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

/** Throws `SettingsError` for an address beyond loopback without TLS or a TLS proxy, and for half a key pair. */
export function planListen(listen: Listen): ListenPlan {
  const { tlsCert, tlsKey, behindTlsProxy = false } = listen;
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw new SettingsError(['TLS_CERT_FILE and TLS_KEY_FILE go together; only one of them is set']);
  if (!isLoopback(listen.host) && tlsCert === undefined && !behindTlsProxy) {
    throw new SettingsError([
      `LISTEN_HOST ${listen.host} is reachable from other machines, and tokens would cross the network in clear: set TLS_CERT_FILE and TLS_KEY_FILE, or BEHIND_TLS_PROXY=true if a proxy in front ends TLS`,
    ]);
  }
  return {
    https:
      tlsCert === undefined || tlsKey === undefined
        ? undefined
        : { cert: pem('TLS_CERT_FILE', tlsCert), key: pem('TLS_KEY_FILE', tlsKey) },
    trustProxy: behindTlsProxy ? (_address, hop) => hop === 0 : false,
  };
}

function pem(name: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new SettingsError([
      `${name} cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown reason'} (it is ${JSON.stringify(path)})`,
    ]);
  }
}

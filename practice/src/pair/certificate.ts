import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

export interface CertificateRequest {
  readonly commonName: string;
  readonly notBefore: Date;
  /** Negative: it ended that many days before `notBefore` plus zero, i.e. it is expired from the start. */
  readonly days: number;
}

const DAY_MS = 86_400_000;

/**
 * A self-signed X.509 certificate (EC P-256) as PEM, written in DER by hand, because Node makes keys and not
 * certificates, and a practice cluster must not need openssl. Structure: RFC 5280, section 4.1.
 */
export function certificate(request: CertificateRequest): { readonly key: string; readonly cert: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const ecdsaWithSha256 = sequence(Buffer.from('06082a8648ce3d040302', 'hex'));
  const end = new Date(request.notBefore.getTime() + request.days * DAY_MS);
  const begin = end < request.notBefore ? new Date(end.getTime() - DAY_MS) : request.notBefore;
  const name = sequence(set(sequence(Buffer.from('0603550403', 'hex'), tagged(0x0c, Buffer.from(request.commonName, 'utf8')))));
  const body = sequence(
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    tagged(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    name,
    sequence(generalizedTime(begin), generalizedTime(end)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = tagged(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', body, privateKey)]));
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: pem(sequence(body, ecdsaWithSha256, signature)),
  };
}

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function set(...parts: readonly Buffer[]): Buffer {
  return tagged(0x31, Buffer.concat(parts));
}

function generalizedTime(time: Date): Buffer {
  const digits = time.toISOString().replace(/[-:T]/g, '').slice(0, 14);
  return tagged(0x18, Buffer.from(`${digits}Z`, 'ascii'));
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** Standard Webhooks 1.0: `v1,` and the base64 of HMAC-SHA256 over `{id}.{timestamp}.{body}`. */
import { createHmac, randomBytes } from 'node:crypto';

const PREFIX = 'whsec_';
const SECRET_BYTES = 32;

/** A fresh signing key as it is shown to the receiver: `whsec_` and base64. */
export function newWebhookSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString('base64');
}

export interface Signed {
  readonly id: string;
  /** Unix seconds of this attempt. */
  readonly timestamp: number;
  /** The bytes as they are sent. */
  readonly body: string;
}

/** One signature per secret, separated by spaces. */
export function signatureOf({ id, timestamp, body }: Signed, secrets: readonly string[]): string {
  return secrets
    .map((secret) => {
      const key = Buffer.from(secret.replace(PREFIX, ''), 'base64');
      return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
    })
    .join(' ');
}

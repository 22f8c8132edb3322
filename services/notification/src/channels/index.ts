import type { WebhookOptions } from '../config.js';
import type { Channel } from './channel.js';
import { WebhookChannel } from './webhook/webhook.js';

/** Every channel there is, by kind. */
export function channelsOf(options: { readonly webhooks: WebhookOptions }): Readonly<Record<Channel['kind'], Channel>> {
  return { webhook: new WebhookChannel(options.webhooks) };
}

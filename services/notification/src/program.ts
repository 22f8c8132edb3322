import type { ServiceProgram } from '@understudy/runtime';
import { notificationSettings, webhooksOf } from './config.js';
import { notificationGrpc } from './inbound/grpc/api.js';
import { NotificationModule } from './notification.module.js';

/** This service as a process of its own. */
export const notificationProgram: ServiceProgram<typeof notificationSettings> = {
  service: 'notification',
  about: 'Sends webhooks to subscribers, keeps what could not be delivered, and keeps change tickets.',
  settings: notificationSettings,
  compose: ({ settings, runtime, store, transport }) => {
    return {
      modules: [NotificationModule.forRoot({ runtime, store, webhooks: webhooksOf(settings) }, transport)],
      grpc: notificationGrpc.services,
    };
  },
};

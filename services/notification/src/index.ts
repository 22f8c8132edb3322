export { defaultWebhooks, notificationSettings, webhooksOf } from './config.js';
export type { NotificationConfig, WebhookOptions } from './config.js';
export { Notification } from './notification.js';
export { NotificationModule, notificationApi } from './notification.module.js';
export { NOTIFICATION_TOPIC, publish } from './outbound/publish.js';
export { notificationProgram } from './program.js';
export type { TicketOfWindow } from './use-cases/tickets.js';
export { notificationGrpc } from './inbound/grpc/api.js';

import type { LoggerService } from '@nestjs/common';
import { pino } from 'pino';
import type { DestinationStream, Logger } from 'pino';
import { activeTraceparent } from '@understudy/event-log';
import { redactFields, redactText } from './redaction.js';

export type Log = Logger;
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** JSON lines with UTC times. Secrets go through `redaction.ts`: fields by name, then the finished line by look and by value. */
export function createLog(
  options: { readonly service: string; readonly level?: LogLevel },
  destination?: DestinationStream,
): Log {
  const settings = {
    level: options.level ?? 'info',
    base: { service: options.service },
    timestamp: pino.stdTimeFunctions.isoTime,
    mixin: traceFields,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: object) => redactFields(fields) as Record<string, unknown>,
    },
    hooks: { streamWrite: redactText },
  };
  return destination === undefined ? pino(settings) : pino(settings, destination);
}

/** Which trace a line belongs to; nothing when nobody traces. A line's own `traceId` wins. */
function traceFields(): object {
  const active = activeTraceparent();
  return active === undefined ? {} : { traceId: active.slice(3, 35), spanId: active.slice(36, 52) };
}

/** Nest's own messages in our log; its start-up chatter (route maps, dependency lists) only at level debug. */
export class NestLog implements LoggerService {
  constructor(private readonly to: Log) {}
  log(message: unknown, ...context: unknown[]): void {
    this.to.debug({ context: context.at(-1) }, String(message));
  }
  warn(message: unknown, ...context: unknown[]): void {
    this.to.warn({ context: context.at(-1) }, String(message));
  }
  error(message: unknown, ...context: unknown[]): void {
    this.to.error({ context: context.at(-1), err: message instanceof Error ? message : undefined }, String(message));
  }
  debug(message: unknown, ...context: unknown[]): void {
    this.to.debug({ context: context.at(-1) }, String(message));
  }
  verbose(message: unknown, ...context: unknown[]): void {
    this.debug(message, ...context);
  }
}

import { Controller } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import type { Health } from '../health.js';
import type { Metrics } from '../metrics.js';
import { Operation } from './operation.js';
import { reply } from './reply.js';
import type { Reply } from './reply.js';

const ANSWER = { description: 'Its state.', schema: { type: 'object' } };
const PROMETHEUS = 'text/plain';

/** Health and metrics of the process; no token, and nothing in them that needs one. */
export function systemController(health: Health, metrics: Metrics): Type {
  @Controller()
  class SystemController {
    @Operation({
      method: 'GET',
      path: '/health/live',
      id: 'live',
      summary: 'The process answers',
      tag: 'system',
      role: 'public',
      answers: { 200: ANSWER },
    })
    live(): Reply {
      return reply.ok({ status: 'ok' });
    }

    @Operation({
      method: 'GET',
      path: '/health/ready',
      id: 'ready',
      summary: 'Whether it can do its work, part by part; degraded is still ready',
      tag: 'system',
      role: 'public',
      answers: { 200: ANSWER, 503: ANSWER },
    })
    async ready(): Promise<Reply> {
      const report = await health.report();
      return report.status === 'down' ? { ...reply.ok(report), status: 503 } : reply.ok(report);
    }

    @Operation({
      method: 'GET',
      path: '/metrics',
      id: 'metrics',
      summary: 'Prometheus',
      tag: 'system',
      role: 'public',
      answers: {
        200: {
          description: 'Text format 0.0.4.',
          schema: { type: 'string' },
          types: [PROMETHEUS, 'application/openmetrics-text'],
        },
      },
    })
    async metrics(): Promise<Reply> {
      return reply.text(await metrics.registry.metrics(), `${PROMETHEUS}; version=0.0.4; charset=utf-8`);
    }
  }
  return SystemController;
}

/** Everything thrown on the way becomes a problem document; what is not ours is logged with its stack and answered without it. */
import { Catch, HttpException } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { traceIdOf, traceparentOf } from '../ids.js';
import type { Log } from '../logging.js';
import { DOOR_STATUS, Problem, problemDocument, problemFrom } from '../problems.js';
import { BODY_LIMIT_BYTES, unsupported } from './body.js';

interface Route {
  readonly method: string;
  readonly pattern: RegExp;
}

/** Which methods a path has: for 405 with `Allow`. Filled while the routes are registered. */
export class RouteTable {
  private readonly routes: Route[] = [];

  watch(fastify: FastifyInstance): void {
    fastify.addHook('onRoute', ({ method, url }) => {
      const source = url
        .split('/')
        .map((segment) => (segment.startsWith(':') ? '[^/]+' : segment.replace(/[\\^$.|?+()[\]{}]/g, '\\$&').replace('*', '.*')))
        .join('/');
      for (const one of Array.isArray(method) ? method : [method])
        this.routes.push({ method: one, pattern: new RegExp(`^${source}$`) });
    });
  }

  methodsOf(path: string): readonly string[] {
    return [...new Set(this.routes.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))].sort();
  }
}

@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly log: Log,
    private readonly routes: RouteTable,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const response = http.getResponse<FastifyReply>();
    const problem = this.problemOf(error, request);
    const traceId = traceIdOf(request.traceparent === '' ? traceparentOf(undefined) : request.traceparent);
    if (problem.kind === 'internal')
      this.log.error({ err: problem.cause, traceId, method: request.method, route: request.routeOptions.url }, 'request failed');
    if (response.raw.headersSent) {
      response.raw.destroy();
      return;
    }
    const document = problemDocument(problem, { instance: request.url.split('?', 1)[0] ?? '/', traceId });
    void response
      .headers(problem.headers)
      .removeHeader('etag')
      .code(DOOR_STATUS[problem.kind].http)
      .type('application/problem+json; charset=utf-8')
      .send(JSON.stringify(document));
  }

  private problemOf(error: unknown, request: FastifyRequest): Problem {
    if (!(error instanceof HttpException)) return problemFrom(error);
    const status = error.getStatus();
    if (status === 404) return this.unknownRoute(request);
    return fromFramework(status, error, request);
  }

  private unknownRoute(request: FastifyRequest): Problem {
    const path = request.url.split('?', 1)[0] ?? '/';
    const methods = this.routes.methodsOf(path);
    if (methods.length === 0)
      return new Problem(
        'not-found',
        'ROUTE_UNKNOWN',
        `There is nothing at ${path.slice(0, 200)}. The OpenAPI documents list what there is.`,
      );
    const allow = methods.join(', ');
    return new Problem('method-not-allowed', 'METHOD_NOT_ALLOWED', `${request.method} is not possible here; ${allow} is.`, {
      headers: { Allow: allow },
    });
  }
}

/** What Fastify itself refuses while it reads the request line, the headers and the body. */
function fromFramework(status: number, error: HttpException, request: FastifyRequest): Problem {
  if (status === 413) {
    return new Problem(
      'too-large',
      'BODY_TOO_LARGE',
      `The body is larger than ${BODY_LIMIT_BYTES} bytes, the most that is read. Send less at once.`,
      { headers: { Connection: 'close' } },
    );
  }
  if (status === 415) return unsupported(request);
  if (status >= 400 && status < 500)
    return new Problem('malformed', 'REQUEST_MALFORMED', 'The request line, its headers or its length cannot be understood.', {
      cause: error,
    });
  return problemFrom(error.cause ?? error);
}

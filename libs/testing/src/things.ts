/** A small API for the specs of the REST door. */
import { Controller, Module } from '@nestjs/common';
import {
  Operation,
  Problem,
  ndjson,
  openApiController,
  pageOf,
  pageSchema,
  refused,
  reply,
  resumePosition,
  serverSentEvents,
} from '@understudy/runtime';
import type { Api, Call, Reply, StreamItem } from '@understudy/runtime';

const THING = {
  title: 'Thing',
  type: 'object',
  required: ['id', 'name'],
  properties: { id: { type: 'string' }, name: { type: 'string' } },
};
const NEW_THING = {
  title: 'NewThing',
  type: 'object',
  additionalProperties: false,
  required: ['name'],
  properties: {
    name: { type: 'string', minLength: 1 },
    size: { type: 'integer', maximum: 10 },
    tags: { type: 'array', items: { type: 'string' } },
  },
};
export const THING_NAMES = ['a', 'b', 'c', 'd', 'e'];

async function* counted(from: number, to: number): AsyncGenerator<StreamItem> {
  for (let id = from + 1; id <= to; id += 1) yield { id, event: 'tick', data: { id } };
}

@Controller()
class ThingsController {
  @Operation({
    method: 'POST',
    path: '/v1/things',
    id: 'createThing',
    summary: 'Make one',
    tag: 'things',
    role: 'operator',
    creates: true,
    yaml: true,
    body: NEW_THING,
    answers: { 201: { description: 'It.', schema: THING } },
  })
  create(call: Call<{ name: string }>): Reply {
    if (call.body.name === 'refused')
      throw refused({ kind: 'locked', refusals: [{ pointer: '/name', code: 'NAME_HELD', detail: 'Held.' }] });
    if (call.body.name === 'bug') throw new Error('secret stack');
    if (call.body.name === 'starting') throw Object.assign(new Error('the database system is starting up'), { code: '57P03' });
    if (call.body.name === 'missing') throw Object.assign(new Error('relation "thing" does not exist'), { code: '42P01' });
    if (call.body.name === 'away') throw Object.assign(new Error('gone'), { name: 'StoreUnavailable' });
    return reply.created(
      { id: call.newId, name: call.body.name, actor: call.actor, metadata: call.metadata },
      { location: `/v1/things/${call.newId}`, version: 1 },
    );
  }

  @Operation({
    method: 'GET',
    path: '/v1/things',
    id: 'listThings',
    summary: 'List them',
    tag: 'things',
    role: 'viewer',
    list: 'things',
    query: { big: { type: 'boolean' } },
    answers: { 200: { description: 'A page.', schema: pageSchema('Things', THING) } },
  })
  list(call: Call): Reply {
    const page = call.page({ big: call.query['big'] });
    const rows = THING_NAMES.filter((name) => page.after === undefined || name > String(page.after[0])).slice(0, page.limit + 1);
    return reply.ok(
      pageOf(
        page,
        rows,
        (name) => [name],
        (name) => ({ id: name, name }),
      ),
    );
  }

  @Operation({
    method: 'GET',
    path: '/v1/others',
    id: 'listOthers',
    summary: 'List others',
    tag: 'things',
    role: 'viewer',
    list: 'others',
    answers: { 200: { description: 'A page.', schema: pageSchema('Things', THING) } },
  })
  others(call: Call): Reply {
    return reply.ok(
      pageOf(
        call.page(),
        [],
        () => [''],
        () => ({}),
      ),
    );
  }

  @Operation({
    method: 'PUT',
    path: '/v1/things/{id}',
    id: 'putThing',
    summary: 'Change',
    tag: 'things',
    role: 'operator',
    ifMatch: 'required',
    body: NEW_THING,
    answers: { 200: { description: 'It.', schema: THING } },
  })
  put(call: Call): Reply {
    if (call.expectedVersion !== undefined && call.expectedVersion !== 3)
      throw new Problem('precondition', 'VERSION_MISMATCH', 'It is at version 3 now.');
    return reply.ok({ id: call.params['id'], name: 'x' }, { version: 4 });
  }

  @Operation({
    method: 'GET',
    path: '/v1/things/{id}',
    id: 'getThing',
    summary: 'One',
    tag: 'things',
    role: 'viewer',
    answers: { 200: { description: 'It.', schema: THING, headers: { ETag: 'Version.' } } },
  })
  get(call: Call): Reply {
    return reply.ok({ id: call.params['id'], name: 'x' }, { version: 3 });
  }

  @Operation({
    method: 'GET',
    path: '/v1/things/{id}/events',
    id: 'thingEvents',
    summary: 'Stream',
    tag: 'things',
    role: 'viewer',
    query: { after: { type: 'integer', minimum: 0 } },
    answers: {
      200: {
        description: 'Events.',
        schema: { type: 'array' },
        types: ['application/json', 'application/x-ndjson', 'text/event-stream'],
      },
    },
  })
  events(call: Call): Reply {
    const source = counted(resumePosition(call), 5);
    if (call.accept === 'text/event-stream') return reply.stream(serverSentEvents(source, call.signal), call.accept);
    if (call.accept === 'application/x-ndjson') return reply.stream(ndjson(source, call.signal), call.accept);
    return reply.ok([]);
  }

  @Operation({
    method: 'DELETE',
    path: '/v1/things/{id}',
    id: 'deleteThing',
    summary: 'Remove',
    tag: 'things',
    role: 'admin',
    answers: { 204: { description: 'Gone.' } },
  })
  remove(): Reply {
    return reply.noContent();
  }
}

export const thingsApi: Api = { name: 'things', title: 'Things', description: 'For the spec.', controllers: [ThingsController] };

@Module({ controllers: [...thingsApi.controllers, openApiController(thingsApi)] })
export class ThingsModule {}

import { Controller } from '@nestjs/common';
import type { Call, CredentialDefinition, Reply } from '@understudy/runtime';
import { Operation, notFound, pageOf, reply } from '@understudy/runtime';
import { Inventory } from '../../inventory.js';
import { CREDENTIAL, CREDENTIALS, CREDENTIAL_DOCUMENT } from './schemas.js';

const TAG = 'credentials';
const params = { name: { type: 'string', pattern: '^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$' } };

/**
 * Credentials by name, for admins alone. What is answered is a name and its host patterns: neither a secret, nor where
 * it lies, nor a user's name ever leaves through this door.
 */
@Controller()
export class CredentialsController {
  constructor(private readonly inventory: Inventory) {}

  @Operation({
    method: 'PUT',
    path: '/v1/credentials/{name}',
    id: 'defineCredential',
    summary: 'Define or replace a credential',
    tag: TAG,
    role: 'admin',
    params,
    body: CREDENTIAL_DOCUMENT,
    answers: { 200: { description: 'Its name and the hosts that it may be shown to.', schema: CREDENTIAL } },
  })
  async define(call: Call<CredentialDefinition>): Promise<Reply> {
    const name = nameOf(call);
    await this.inventory.credentials.put(name, call.body);
    return reply.ok({ name, hosts: call.body.hosts });
  }

  @Operation({
    method: 'GET',
    path: '/v1/credentials',
    id: 'listCredentials',
    summary: 'Credentials: names and host patterns',
    tag: TAG,
    role: 'admin',
    list: 'credentials',
    answers: { 200: { description: 'A page, by name.', schema: CREDENTIALS } },
  })
  list(call: Call): Reply {
    const page = call.page();
    const after = page.after?.[0];
    const names = this.inventory.credentials.list().filter(({ name }) => after === undefined || name > String(after));
    return reply.ok(
      pageOf(
        page,
        names.slice(0, page.limit + 1),
        ({ name }) => [name],
        ({ name, hosts }) => ({ name, hosts }),
      ),
    );
  }

  @Operation({
    method: 'DELETE',
    path: '/v1/credentials/{name}',
    id: 'removeCredential',
    summary: 'Remove a credential; clusters that name it cannot be reached until it is defined again',
    tag: TAG,
    role: 'admin',
    params,
    answers: { 204: { description: 'Removed.' } },
  })
  async remove(call: Call): Promise<Reply> {
    const name = nameOf(call);
    if (!(await this.inventory.credentials.remove(name))) throw notFound('credential', name);
    return reply.noContent();
  }
}

function nameOf(call: Pick<Call, 'params'>): string {
  return call.params['name'] ?? '';
}

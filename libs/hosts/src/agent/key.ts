import { HostError } from '../host-error.js';

const KEY = /^[A-Za-z0-9][A-Za-z0-9._:@+=/-]{0,199}$/;

/** @throws HostError: keys and job ids are made by us, so a bad one is a mistake in the program, not on the host. */
export function checkedKey(key: string): string {
  if (!KEY.test(key)) {
    throw new HostError(
      'host-key-invalid',
      `"${key}" cannot be a key: 1 to 200 letters, digits and . _ : @ + = / -, a letter or digit first.`,
    );
  }
  return key;
}

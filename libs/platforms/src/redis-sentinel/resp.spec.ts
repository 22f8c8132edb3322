import { describe, expect, it } from 'vitest';
import { decode, encode, ReplyError } from './resp.js';

const read = (text: string, most = 10): readonly unknown[] => decode(Buffer.from(text), most);

describe('the protocol', () => {
  it('sends each argument by its length in bytes, so that nothing in it can be read as something else', () => {
    expect(encode(['SET', 'ä', 'a\r\nb'])).toBe('*3\r\n$3\r\nSET\r\n$2\r\nä\r\n$4\r\na\r\nb\r\n');
  });

  it('reads every kind of answer', () => {
    expect(read('+OK\r\n-ERR no\r\n:-7\r\n$4\r\na\r\nb\r\n$-1\r\n*-1\r\n*2\r\n+x\r\n*1\r\n:1\r\n')).toEqual([
      'OK',
      new ReplyError('ERR no'),
      -7,
      'a\r\nb',
      null,
      null,
      ['x', [1]],
    ]);
  });

  it('waits for what is not whole yet, wherever it was cut', () => {
    const whole = '$4\r\na\r\nb\r\n*2\r\n+x\r\n:1\r\n';
    for (let end = 0; end < whole.length; end += 1) expect(read(whole.slice(0, end)).length, whole.slice(0, end)).toBeLessThan(2);
    expect(read(whole)).toHaveLength(2);
  });

  it('reads no more than was asked for', () => {
    expect(read('+1\r\n+2\r\n+3\r\n', 2)).toEqual(['1', '2']);
  });

  it.each(['HTTP/1.1 400 Bad Request\r\n', ':x\r\n', '$99999999999999999\r\n'])(
    'refuses what is no such protocol: %j',
    (text) => {
      expect(() => read(text)).toThrow('does not speak the protocol of Redis');
    },
  );

  it('refuses an answer without an end', () => {
    expect(() => read('*1\r\n'.repeat(20))).toThrow('too large');
    expect(() => read(`*30000\r\n${'+\r\n'.repeat(30_000)}`)).toThrow('too large');
  });
});

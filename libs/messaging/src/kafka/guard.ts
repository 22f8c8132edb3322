/**
 * What one partition has brought to one group, in bounded memory. A relay that lost its duty while it was asleep may publish once more
 * what another one has published long since; a consumer passes over a source position that is not above the last one of the key.
 * After a restart nothing is remembered: handlers survive hearing everything twice anyway, this keeps the order for those that write
 * in the order in which they hear.
 */
import type { CloudEvent } from '../api.js';
import { MessagingError } from '../errors.js';

const KEYS_KEPT = 10_000;
const POSITIONS_KEPT = 10_000;

export class Guard {
  private readonly last = new Map<string, string>();
  private readonly ids = new Map<string, string>();

  /**
   * False: this message has been here, or a later one of its key. Throws `MessagingError` LOG_RESTORED if another event stood at the
   * same position of the same log: the log was restored from an older copy and its id was not renewed, so that our command ids would
   * take new events for old ones.
   */
  isNew(event: CloudEvent): boolean {
    const known = this.ids.get(placeOf(event));
    if (known !== undefined && known !== fingerprint(event)) {
      throw new MessagingError(
        'LOG_RESTORED',
        `${event.source} published two different events at position ${Number(event.sequence)} (${known} and ${fingerprint(event)}): its log was restored from an older copy without renewing its id. Nothing more of this topic is taken. Renew the id of that log, then restart this service.`,
      );
    }
    const last = this.last.get(keyOf(event));
    return last === undefined || event.sequence > last;
  }

  /** The message was taken, buried or passed over: one that is passed over does not bring its key back. */
  took(event: CloudEvent): void {
    const key = keyOf(event);
    const last = this.last.get(key);
    keep(this.last, key, last !== undefined && last > event.sequence ? last : event.sequence, KEYS_KEPT);
    keep(this.ids, placeOf(event), fingerprint(event), POSITIONS_KEPT);
  }
}

const keyOf = ({ source, partitionkey }: CloudEvent): string => `${source} ${partitionkey}`;
const placeOf = ({ source, sequence }: CloudEvent): string => `${source} ${sequence}`;
const fingerprint = ({ id, time }: CloudEvent): string => `${id} of ${time}`;

/** The oldest entry leaves when there are too many. */
function keep(map: Map<string, string>, key: string, value: string, limit: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= limit) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}

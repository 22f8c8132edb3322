import { drift, inventory, notification } from '@understudy/contracts';
import type { DriftSeen, GateInputs, TicketSeen } from '@understudy/orchestrator-domain';
import { RpcClient, type Log } from '@understudy/runtime';
import { toJson } from '@bufbuild/protobuf';
import { status as Status } from '@grpc/grpc-js';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { driftSeen } from './inbound/events/handlers.js';
import { withinDeadline, type Peers } from './peers.js';

/** Where the owners answer, host:port each, and how they are asked. */
export interface PeersOverGrpcOptions {
  readonly inventory: string;
  readonly drift: string;
  readonly notification: string;
  /** Of a token with the role viewer; asked at each call. */
  readonly token: () => string;
  /** Absent = in clear, for one machine alone. */
  readonly tls?: { readonly caFile?: string };
  /** Hears why an owner was no answer, by its code: gates only say that there was none. */
  readonly log?: Log;
}

const HA_LAYERS: Readonly<Record<inventory.HaLayer, 'application' | 'hypervisor' | 'none' | null>> = {
  [inventory.HaLayer.UNSPECIFIED]: null,
  [inventory.HaLayer.APPLICATION]: 'application',
  [inventory.HaLayer.HYPERVISOR]: 'hypervisor',
  [inventory.HaLayer.NONE]: 'none',
};

/** The second look at a fact that opens a gate, at its owner in another process. Whatever goes wrong on the way is no answer. */
export class PeersOverGrpc implements Peers {
  private readonly inventory: RpcClient;
  private readonly drift: RpcClient;
  private readonly notification: RpcClient;

  constructor(private readonly options: PeersOverGrpcOptions) {
    const { inventory: inventoryAt, drift: driftAt, notification: notificationAt, token, tls } = options;
    const client = (address: string): RpcClient => new RpcClient({ address, token, ...(tls === undefined ? {} : { tls }) });
    this.inventory = client(inventoryAt);
    this.drift = client(driftAt);
    this.notification = client(notificationAt);
  }

  haLayer(cluster: string, deadlineMs: number): Promise<GateInputs['haLayer']> {
    const { getHaLayer } = inventory.ClusterService.method;
    return this.answer(
      'inventory',
      this.inventory.call(getHaLayer, { slug: cluster }, deadlineMs).then(classificationOf),
      deadlineMs,
    );
  }

  driftAssessment(cluster: string, requestId: string, deadlineMs: number): Promise<DriftSeen | null> {
    const { getDriftAssessment } = drift.FindingService.method;
    const asked = this.drift.call(getDriftAssessment, { slug: cluster, requestId }, deadlineMs);
    return this.answer('drift', asked.then(assessmentOf), deadlineMs);
  }

  change(windowId: string, deadlineMs: number): Promise<TicketSeen | null> {
    const { getChange } = notification.TicketService.method;
    return this.answer('notification', this.notification.call(getChange, { windowId }, deadlineMs).then(ticketOf), deadlineMs);
  }

  private answer<T>(owner: string, asked: Promise<T | null>, deadlineMs: number): Promise<T | null> {
    const told = asked.catch((error: unknown) => {
      const { code, details } = error as { readonly code?: number; readonly details?: string };
      const status = code === undefined ? 'none' : (Status[code] ?? String(code));
      this.options.log?.warn({ owner, status, details }, 'the second look got no answer; what it is about stays closed');
      return null;
    });
    return withinDeadline(told, deadlineMs);
  }

  close(): void {
    for (const client of [this.inventory, this.drift, this.notification]) client.close();
  }
}

function classificationOf({ classification }: inventory.GetHaLayerResponse): GateInputs['haLayer'] {
  const haLayer = classification === undefined ? null : (HA_LAYERS[classification.haLayer] ?? null);
  if (classification === undefined || haLayer === null) return null;
  return { haLayer, rolling: classification.rolling, reason: classification.reason };
}

function assessmentOf({ assessment }: drift.GetDriftAssessmentResponse): DriftSeen | null {
  return assessment === undefined ? null : driftSeen(toJson(drift.DriftAssessedSchema, assessment));
}

function ticketOf({ change }: notification.GetChangeResponse): TicketSeen | null {
  if (change === undefined) return null;
  const { ticketId, number, approver, approved, expiresAt, reason } = change;
  return {
    ticketId,
    number,
    approver,
    approved,
    expiresAt: expiresAt === undefined ? null : timestampDate(expiresAt).toISOString(),
    reason: reason ?? null,
  };
}

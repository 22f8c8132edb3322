import { drift, inventory, notification } from '@understudy/contracts';
import type { DriftSeen, GateInputs, TicketSeen } from '@understudy/orchestrator-domain';
import { RpcClient } from '@understudy/runtime';
import { toJson } from '@bufbuild/protobuf';
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

  constructor({ inventory: inventoryAt, drift: driftAt, notification: notificationAt, token, tls }: PeersOverGrpcOptions) {
    const client = (address: string): RpcClient => new RpcClient({ address, token, ...(tls === undefined ? {} : { tls }) });
    this.inventory = client(inventoryAt);
    this.drift = client(driftAt);
    this.notification = client(notificationAt);
  }

  haLayer(cluster: string, deadlineMs: number): Promise<GateInputs['haLayer']> {
    const { getHaLayer } = inventory.ClusterService.method;
    return withinDeadline(this.inventory.call(getHaLayer, { slug: cluster }, deadlineMs).then(classificationOf), deadlineMs);
  }

  driftAssessment(cluster: string, requestId: string, deadlineMs: number): Promise<DriftSeen | null> {
    const { getDriftAssessment } = drift.FindingService.method;
    return withinDeadline(
      this.drift.call(getDriftAssessment, { slug: cluster, requestId }, deadlineMs).then(assessmentOf),
      deadlineMs,
    );
  }

  change(windowId: string, deadlineMs: number): Promise<TicketSeen | null> {
    const { getChange } = notification.TicketService.method;
    return withinDeadline(this.notification.call(getChange, { windowId }, deadlineMs).then(ticketOf), deadlineMs);
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

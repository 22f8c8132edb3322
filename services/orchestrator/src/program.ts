import { usablePlatforms } from '@understudy/platforms';
import { credentialSettings, isLoopback, parsers, setting, SettingsError, type ServiceProgram } from '@understudy/runtime';
import { orchestratorSettings } from './config.js';
import { orchestratorGrpc } from './inbound/grpc/api.js';
import { OrchestratorModule } from './orchestrator.module.js';
import { PeersOverGrpc } from './peers-over-grpc.js';

function peer(name: string) {
  return setting({
    name: `${name.toUpperCase()}_GRPC`,
    describe: `Where ${name} is asked over gRPC before a gate opens, as host:port`,
    parse: (text) => {
      if (!/^\S+:\d{1,5}$/.test(text)) throw new Error('must be host:port');
      return text;
    },
  });
}

/** Beside the service's own settings: how it reaches the other three. */
const settings = {
  ...orchestratorSettings,
  ...credentialSettings,
  inventoryGrpc: peer('inventory'),
  driftGrpc: peer('drift'),
  notificationGrpc: peer('notification'),
  peersToken: setting({
    name: 'PEERS_TOKEN',
    describe: 'Token with the role viewer, shown to inventory, drift and notification',
    parse: parsers.text,
    secret: true,
  }),
  peersTls: setting({ name: 'PEERS_TLS', describe: 'true = speak TLS with them', default: 'false', parse: parsers.boolean }),
  peersCa: setting({
    name: 'PEERS_CA_FILE',
    describe: 'PEM file with the authority of their certificates; empty = the ones that Node knows',
    default: '',
    parse: parsers.optional,
  }),
};

/** This service as a process of its own. */
export const orchestratorProgram: ServiceProgram<typeof settings> = {
  service: 'orchestrator',
  about: 'Windows, playbooks, patch sets, rollouts and gates; the only service that acts on hosts.',
  settings,
  compose: ({ settings: { inventoryGrpc, driftGrpc, notificationGrpc, ...given }, runtime, store, transport }) => {
    const tls = given.peersTls ? { tls: given.peersCa === undefined ? {} : { caFile: given.peersCa } } : {};
    const addresses = { inventory: inventoryGrpc, drift: driftGrpc, notification: notificationGrpc };
    if (!given.peersTls) onThisMachineAlone(addresses);
    const peers = new PeersOverGrpc({ ...addresses, token: () => given.peersToken, log: runtime.log, ...tls });
    const platforms = usablePlatforms({ allowSimulated: false });
    const { storeUrl: connectionString, commandsFolder } = given;
    const config = { runtime, store, connectionString, platforms, commandsFolder };
    return {
      modules: [OrchestratorModule.forRoot(config, transport, peers)],
      grpc: orchestratorGrpc.services,
      close: () => peers.close(),
    };
  },
};

/** @throws `SettingsError`: over a line in clear the token could be read, and the answers that open gates forged. */
function onThisMachineAlone(addresses: Readonly<Record<string, string>>): void {
  const wrong = Object.entries(addresses)
    .filter(([, address]) => !isLoopback(address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '')))
    .map(
      ([name, address]) =>
        `${name.toUpperCase()}_GRPC ${address} is another machine and PEERS_TLS is not true: the token would cross the network in clear, and answers that open gates could be forged`,
    );
  if (wrong.length > 0) throw new SettingsError(wrong);
}

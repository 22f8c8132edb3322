export {
  PATRONI_DATA,
  PATRONI_DATABASE,
  PATRONI_SECRETS,
  patroniDefinition,
  patroniHosts,
  preparePatroniHosts,
} from './patroni.js';
export {
  PACEMAKER_DATABASE,
  PACEMAKER_RESOURCE,
  PACEMAKER_SECRETS,
  pacemakerDefinition,
  pacemakerHosts,
  preparePacemakerHosts,
  rebuildPacemakerHost,
} from './pacemaker.js';
export { prepareRedisHosts, REDIS_MASTER, REDIS_SECRETS, redisDefinition, redisHosts } from './redis.js';
export { RedisClient, type RedisClientTold } from './redis-client.js';
export { PostgresClient, type ClientTold } from './postgres-client.js';
export { StandArchive } from './archive.js';
export { makeArchive, type MadePackage } from './packages.js';
export { HostFiles, readBelow, writeBelow } from './files.js';
export { shell } from './shell.js';
export {
  ACCOUNT_ROOT,
  type Account,
  layGround,
  STAND_SCRATCH,
  standAccount,
  standAddress,
  standGround,
  standHosts,
} from './stand.js';
export { StandHost } from './stand-host.js';

export { buildPracticeCluster, cleanUp, removePracticeCluster, slotName, type PracticeRequest } from './build.js';
export { breakRelease } from './bad-release.js';
export { certificate, type CertificateRequest } from './certificate.js';
export * from './faults.js';
export type { Login, PracticeCluster, PracticeNode, PracticeSecrets } from './model.js';
export { childrenOf, endPostgres, postmasterPid } from './processes.js';
export { flipCurrent, releaseFolderName, type Release } from './releases.js';
export { boot, until, withClient } from './server.js';

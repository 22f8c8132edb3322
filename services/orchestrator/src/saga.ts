/** The saga by itself, without doors, read models and relay: for who measures it. */
export { Looker } from './effects/look.js';
export { Performer } from './effects/perform.js';
export { Targets } from './effects/targets.js';
export { RolloutStore, systemMetadata } from './handle.js';
export { Owner, type OwnerTools } from './owner/owner.js';

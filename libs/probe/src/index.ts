export { createProbe, type ProbeProgram } from './job-probe.js';
export { type LedgerLine, readLedger } from './ledger.js';
export { type JobLife, measure, type Span } from './measure.js';
export * from './probe.js';

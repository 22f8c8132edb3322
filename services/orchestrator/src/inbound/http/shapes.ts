/** Shapes that several of the orchestrator's schemas use. */

export const SLUG = {
  type: 'string',
  pattern: '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$',
  description: 'Lower-case letters, digits and hyphens.',
} as const;
export const UUID = { type: 'string', format: 'uuid' } as const;
export const time = { type: 'string', format: 'date-time', description: 'RFC 3339.' } as const;
export const count = { type: 'integer', minimum: 0 } as const;
export const rolloutResult = {
  enum: ['succeeded', 'rolled-back', 'aborted', 'failed', 'refused', 'needs-attention', null],
} as const;
